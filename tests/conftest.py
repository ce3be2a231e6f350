"""What every test shares: directories of its own, a quiet environment, and hypothesis without a clock."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import huggingface_hub.constants  # noqa: F401  reads the environment once: here, before a worker sets it
import pytest
from hypothesis import HealthCheck, settings

# The machine's load must never decide a test, and a failure must come back the next time.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")

# A shell that starts the tests in the background has them, and all they run, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests give the terminals that they open a size; a shell has another, as has one of several test processes.
for size in ("COLUMNS", "LINES"):
    os.environ.pop(size, None)


_FOREIGN = {"NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"}
"""What a terminal or, in the process of an earlier test, a worker may have set."""


@pytest.fixture(autouse=True)
def own_directories(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Point every user directory into a fresh folder; drop what would colour, redirect or unplug pasta."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    for variable, folder in (
        ("XDG_DATA_HOME", "data"),
        ("XDG_CONFIG_HOME", "config"),
        ("XDG_CACHE_HOME", "cache"),
        ("XDG_STATE_HOME", "state"),
    ):
        monkeypatch.setenv(variable, str(home / folder))
    for variable in tuple(os.environ):
        if variable.startswith("PASTA_") or variable in _FOREIGN:
            monkeypatch.delenv(variable)
    return home
