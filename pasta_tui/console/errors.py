"""The one place that turns whatever ends a command into one line on stderr and an exit code."""

from __future__ import annotations

import errno
import os
import re
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, TextIO

from pasta_core.errors import ExitCode, PastaError
from pasta_core.text import clean, told

__all__ = ["EXIT_CODES", "Outcome", "Stopped", "line_and_code", "reported"]

EXIT_CODES = """\b
Exit codes:
  0 ok   1 failed   2 usage or no terminal   3 model missing or unloadable
  130 Ctrl-C   143 SIGTERM"""


_NO_COMMAND = re.compile(r"No such command '([^']*)'")


class Stopped(BaseException):
    """A signal asked the program to end; everything that had finished is kept."""

    def __init__(self, signum: int) -> None:
        super().__init__(signum)
        self.code = 128 + signum


@dataclass
class Outcome:
    """How the command inside a `reported` block ended."""

    code: int = ExitCode.OK


@contextmanager
def reported(stdout: TextIO, stderr: TextIO, env: Mapping[str, str]) -> Iterator[Outcome]:
    """Report what the block raises; `PASTA_DEBUG=1` adds the traceback."""
    outcome = Outcome()
    try:
        yield outcome
        stdout.flush()
    except BaseException as error:
        _flush_or_abandon(stdout)
        line, outcome.code = line_and_code(error)
        with suppress(OSError, ValueError):
            if env.get("PASTA_DEBUG"):
                traceback.print_exception(error, file=stderr)
            if line:
                print(f"pasta: {line}", file=stderr, flush=True)


def line_and_code(error: BaseException) -> tuple[str, int]:
    """What to print of an error, "" for nothing, and how the process ends."""
    if isinstance(error, PastaError):
        return told(error), error.exit_code
    if isinstance(error, Stopped):
        return "", error.code
    if isinstance(error, KeyboardInterrupt):
        return "", ExitCode.INTERRUPTED
    if isinstance(error, SystemExit):
        return _exit(error)
    if isinstance(error, BrokenPipeError):
        return "", ExitCode.FAILED
    if isinstance(error, OSError):
        return _os_error(error), ExitCode.FAILED
    if format_message := getattr(error, "format_message", None):
        return _usage(error, format_message())
    kind = type(error).__name__
    return _joined(
        f"something went wrong inside pasta ({kind}: {error})", "run it with PASTA_DEBUG=1 and report it"
    ), ExitCode.FAILED


def _usage(error: BaseException, message: str) -> tuple[str, int]:
    """A complaint of the command-line parser, which carries its context and its own exit code."""
    context = getattr(error, "ctx", None)
    command = getattr(context, "command_path", None) or "pasta"
    first, _, meant = message.strip().rstrip(".").partition(". Did you mean ")
    elsewhere = _elsewhere(context, first)
    meant = f"'{command} {elsewhere}'?" if elsewhere else meant
    hint = f"did you mean {meant}" if meant else f"see '{command} --help'"
    line = _joined(first[:1].lower() + first[1:], hint)
    return line, getattr(error, "exit_code", ExitCode.USAGE)


def _elsewhere(context: Any, message: str) -> str:
    """The command whose name an unknown one has in some group; "" if there is none."""
    unknown = _NO_COMMAND.match(message)
    commands: Mapping[str, Any] = getattr(getattr(context, "command", None), "commands", {})
    for name, group in commands.items():
        if unknown and unknown[1] in getattr(group, "commands", {}):
            return f"{name} {unknown[1]}"
    return ""


def _os_error(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}the disk is full; free some space and go on, nothing that was finished is lost"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        reason = (error.strerror or "not allowed").lower()
        return f"{where}{reason}; choose a place you may write to (PASTA_DATA_DIR, --out)"
    return _one_line(f"{where}{(error.strerror or str(error)).lower()}")


def _exit(error: SystemExit) -> tuple[str, int]:
    if error.code is None or isinstance(error.code, int):
        return "", error.code or ExitCode.OK
    return _one_line(str(error.code)), ExitCode.FAILED


def _joined(message: str, hint: str) -> str:
    return _one_line(f"{message}; {hint}" if hint else message)


def _one_line(text: str) -> str:
    return clean(text).text


def _flush_or_abandon(stdout: TextIO) -> None:
    """Flush; where nobody reads any more, let the interpreter's own flush at exit go nowhere."""
    try:
        stdout.flush()
    except (OSError, ValueError):
        with suppress(OSError, ValueError):
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, stdout.fileno())
            os.close(devnull)
