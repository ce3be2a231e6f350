"""Every command that a page shows in a code block, or a help below it, is one that the command line takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from pasta_tui.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
PASTA: Any = typer.main.get_command(app)
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_OPERATOR = re.compile(r"[;&|<>()]+")
_AND_SO_ON = "..."
_EXPLAINED = "   "
"""Ends a command in a help, where what it does stands beside it."""


def code_lines(page: str) -> Iterator[tuple[int, str]]:
    """What stands in fenced and in indented blocks, a line that goes on in one piece, with its number."""
    fenced, begun, held = False, 0, ""
    for number, line in enumerate(page.splitlines(), 1):
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    ") or held:
            begun = begun if held else number
            held += line.strip()
            if held.endswith("\\"):
                held = held[:-1]
                continue
            yield begun, held
        held = ""


def calls(line: str) -> Iterator[list[str]]:
    """The arguments of each `pasta` that a shell's line starts, without what is redirected or commented."""
    if not re.search(r"\bpasta [a-z-]", line):
        return
    reader = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";&|<>()")
    reader.commenters = "#"
    reader.whitespace_split = True
    begun, seen = False, list[str]()
    for word in [*reader, ";"]:
        if _OPERATOR.fullmatch(word):
            if begun:
                yield seen
            # what follows < or > is a file
            begun, seen = False, []
        elif begun:
            seen.append(word)
        else:
            begun = word == "pasta"


def parse(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    """Let a command and those below it read their arguments, and run none of them."""
    context = command.make_context(name, list(arguments), parent=parent)
    if hasattr(command, "commands"):
        found, child, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        parse(child, found, rest, context)


def helps(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """The lines below the help of a command and of all below it, each with whose it is."""
    for line in (command.epilog or "").splitlines():
        yield name, line.strip().partition(_EXPLAINED)[0]
    for part, child in getattr(command, "commands", {}).items():
        yield from helps(child, f"{name} {part}")


SHOWN = [
    *(
        (f"{page.name}:{number}", line)
        for page in PAGES
        for number, line in code_lines(page.read_text(encoding="utf-8"))
    ),
    *((f"{name} --help", line) for name, line in helps(PASTA, "pasta") if line.startswith("pasta ")),
]
CALLS = [
    pytest.param(call, id=where) for where, line in SHOWN for call in calls(line) if _AND_SO_ON not in call
]


def test_pages_are_read() -> None:
    assert len(CALLS) > 120
    assert list(code_lines("text\n\n    pasta a \\\n        b\n```\npasta c\n```\npasta d\n")) == [
        (3, "pasta a b"),
        (6, "pasta c"),
    ]
    assert list(calls("$ x && FOO=1 pasta paint - --out p < q.txt | pasta doctor   # pasta a")) == [
        ["paint", "-", "--out", "p"],
        ["doctor"],
    ]


@pytest.mark.parametrize("arguments", CALLS)
def test_a_command_that_is_shown_is_understood(arguments: list[str]) -> None:
    parse(PASTA, "pasta", arguments)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["train-value-model", "--data", "sessions:x", "--out", "y"], "parameter: reward"),
        (["sessions", "lsit"], "lsit"),
        (["paint", "a cat", "--imagse", "3"], "--imagse"),
    ],
)
def test_a_wrong_one_would_be_seen(arguments: list[str], said: str) -> None:
    with pytest.raises(Exception, match=said):
        parse(PASTA, "pasta", arguments)
