"""What each command imports before it does anything, read from `sys.modules` of a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

MODELS = {"torch", "torchvision", "diffusers", "transformers", "open_clip", "llama_cpp"}
HEAVY = MODELS | {"numpy", "pyarrow", "PIL", "textual", "rich", "sqlite3", "asyncio"}

PROBE = """
import sys
from pasta_tui.__main__ import main
try:
    code = main(sys.argv[1:])
finally:
    print("LOADED", *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
sys.exit(code)
"""


def loaded_by(*arguments: str) -> set[str]:
    """The top-level modules a command has imported when it ends, whatever it ends with."""
    run = subprocess.run(
        [sys.executable, "-c", PROBE, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    line = next(line for line in run.stderr.splitlines() if line.startswith("LOADED "))
    return set(line.split()[1:])


def test_version_needs_neither_typer_nor_anything_heavy() -> None:
    loaded = loaded_by("--version")
    assert "pasta_tui" in loaded
    assert not loaded & (HEAVY | {"typer"})


@pytest.mark.parametrize(
    "arguments",
    [
        ("--help",),
        ("session", "--help"),
        ("sessions", "--help"),
        ("microworld", "build", "--help"),
        ("data", "embed", "--help"),
        ("evaluate", "user-model", "--help"),
        ("nonsense",),
    ],
)
def test_help_and_usage_errors_load_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "typer" in loaded
    assert not loaded & HEAVY


@pytest.mark.parametrize(
    "arguments",
    [
        ("sessions", "list"),
        ("doctor",),
        ("plan",),
        ("microworld", "show", "a red cat"),
        ("session", "a cat", "--rater", "planted:0", "--profile", "nonsense"),
        ("session", "a cat", "--rater", "planted:0", "--turns", "0"),
        ("paint", ""),
        ("data", "embed", "hpd:nowhere"),
        ("evaluate", "user-model", "nowhere", "--data", "hpd:nowhere"),
    ],
)
def test_the_front_end_never_loads_a_model_library(arguments: tuple[str, ...]) -> None:
    assert not loaded_by(*arguments) & MODELS
