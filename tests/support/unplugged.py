"""A machine without a network: what a guarded process is told, and what became of it."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

_GUARD = Path(__file__).parent / "offline"
_LOG = "network.log"


def unplugged(folder: Path, but: str = "") -> dict[str, str]:
    """The environment of a Python that reaches no network, nor those it starts; `folder` keeps its log.

    It reaches the server at the address `but`, if one is given.
    """
    return {
        "PYTHONPATH": str(_GUARD),
        "PASTA_TEST_NETWORK_LOG": str(folder / _LOG),
        "PASTA_TEST_NETWORK_ALLOWED": urlsplit(but).netloc,
    }


def attempts(folder: Path) -> list[str]:
    """Every attempt to reach a network, a line each."""
    log = folder / _LOG
    return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


def guarded(folder: Path) -> list[str]:
    """The commands of the processes that were guarded."""
    return (folder / f"{_LOG}.guarded").read_text(encoding="utf-8").splitlines()
