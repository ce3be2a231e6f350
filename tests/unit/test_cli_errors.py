"""Every way a command can end: one line or none, and the exit code."""

from __future__ import annotations

import errno
import io
import signal
from pathlib import Path

import pytest

from pasta_core.errors import (
    Cancelled,
    InvalidInput,
    ModelUnavailable,
    PastaError,
    StorageError,
    WorkerError,
)
from pasta_tui.console.errors import Stopped, line_and_code, reported


@pytest.mark.parametrize(
    ("error", "code", "word"),
    [
        (PastaError("it broke", "mend it"), 1, "it broke; mend it"),
        (InvalidInput("no"), 2, "no"),
        (ModelUnavailable("gone", "fetch it"), 3, "gone; fetch it"),
        (StorageError("full"), 1, "full"),
        (WorkerError("died"), 1, "died"),
        (Cancelled("stopped"), 130, "stopped"),
        (KeyboardInterrupt(), 130, ""),
        (Stopped(signal.SIGINT), 130, ""),
        (Stopped(signal.SIGTERM), 143, ""),
        (Stopped(signal.SIGHUP), 129, ""),
        (BrokenPipeError(), 1, ""),
        (OSError(errno.ENOSPC, "No space left on device", "/data/x"), 1, "/data/x: the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), 1, "/data: permission denied"),
        (OSError(errno.EIO, "Input/output error"), 1, "input/output error"),
        (SystemExit(4), 4, ""),
        (SystemExit(), 0, ""),
        (ZeroDivisionError("division by zero"), 1, "ZeroDivisionError: division by zero"),
    ],
)
def test_each_error_has_its_line_and_code(error: BaseException, code: int, word: str) -> None:
    line, found = line_and_code(error)
    assert found == code
    assert word in line
    assert bool(line) == bool(word)


def test_a_message_of_several_lines_is_printed_as_one() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    with reported(stdout, stderr, {}) as outcome:
        raise InvalidInput("first\nsecond", "third\n\nfourth")
    assert stderr.getvalue() == "pasta: first second; third fourth\n"
    assert outcome.code == 2


def test_the_traceback_is_shown_only_for_debugging() -> None:
    for env, expected in (({}, False), ({"PASTA_DEBUG": "1"}, True)):
        stderr = io.StringIO()
        with reported(io.StringIO(), stderr, env):
            raise RuntimeError("a bug")
        assert ("Traceback" in stderr.getvalue()) is expected
        assert stderr.getvalue().rstrip().splitlines()[-1].startswith("pasta: ")


def test_output_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    stderr = io.StringIO()
    with Path("/dev/full").open("w") as full:
        with reported(full, stderr, {}) as outcome:
            full.write("data")
        assert outcome.code == 1
    assert "the disk is full" in stderr.getvalue()
