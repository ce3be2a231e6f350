"""What the command line says of itself: summaries that fit, options that are true, hints that lead on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pasta_core.errors import InvalidInput
from pasta_core.microworld.rater_names import check_rater
from pasta_tui.cli.app import app, run
from pasta_tui.console.errors import line_and_code
from pasta_tui.plain.diagnosis import _amount

ASSETS = Path(__file__).resolve().parents[2] / "assets"


def groups(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A command and its groups, by how they are called."""
    if hasattr(command, "commands"):
        yield name, command
        for part, child in command.commands.items():
            yield from groups(child, f"{name} {part}")


def leaves(command: Any, *name: str) -> Iterator[str]:
    """Every command that does something, by how it is called."""
    for part, child in getattr(command, "commands", {}).items():
        yield from leaves(child, *name, part)
    if not hasattr(command, "commands"):
        yield " ".join(name)


COMMANDS = set(leaves(typer.main.get_command(app)))
GROUPS = {name for name, _ in groups(typer.main.get_command(app), "pasta")} - {"pasta evaluate"}


@pytest.mark.parametrize("name", sorted(GROUPS))
def test_no_summary_is_cut_at_80_columns(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    run([*name.split()[1:], "--help"])
    said = capsys.readouterr().out
    assert "Commands:" in said
    assert not [line for line in said.splitlines() if line.endswith("...") and "Usage" not in line]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_has_examples_that_are_commands_of_its_own(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run([*name.split(), "--help"])
    _, found, examples = capsys.readouterr().out.partition("Examples:\n")
    assert found and f"pasta {name}" in examples


def test_paint_says_where_its_images_go(capsys: pytest.CaptureFixture[str]) -> None:
    run(["paint", "--help"])
    said = capsys.readouterr().out
    assert "default: the current directory" in said
    assert "Also copy" not in said


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["browse"], "did you mean 'pasta sessions browse'?"),
        (["sesion"], "did you mean 'session', 'sessions'?"),
        (["xyzzy"], "see 'pasta --help'"),
    ],
)
def test_a_command_that_is_elsewhere_is_named_in_full(arguments: list[str], hint: str) -> None:
    with pytest.raises(Exception, match="No such command") as refused:
        run(arguments)
    line, code = line_and_code(refused.value)
    assert line.endswith(f"; {hint}")
    assert code == 2


def test_archetypes_without_a_number_are_told_apart() -> None:
    with pytest.raises(InvalidInput) as refused:
        check_rater("planted:99", ASSETS)
    assert "choose 0 to 7 (nocturne, " in refused.value.hint
    assert refused.value.hint.endswith("minimalist and dramatist go by their names only")
    check_rater("planted:dramatist", ASSETS)


@pytest.mark.parametrize(
    ("size", "said"), [(0, "0.0 KiB"), (544, "0.5 KiB"), (2**20, "1.0 MiB"), (2**24, "16.0 MiB")]
)
def test_small_files_are_not_nothing(size: int, said: str) -> None:
    assert _amount(size) == said
