"""The one family of errors that a person may see: what happened, what to do, and how the process ends."""

from __future__ import annotations

from enum import IntEnum

__all__ = [
    "Cancelled",
    "ExitCode",
    "InvalidInput",
    "ModelUnavailable",
    "PastaError",
    "StorageError",
    "WorkerError",
]


class ExitCode(IntEnum):
    """How a `pasta` process ends."""

    OK = 0
    FAILED = 1
    USAGE = 2
    MODEL = 3
    INTERRUPTED = 130
    TERMINATED = 143


class PastaError(Exception):
    """Something that went wrong for a reason a person can act on.

    `message` says what happened in one line, `hint` what to do about it (may be empty), `exit_code` how the
    process ends if nothing handles it, `retryable` whether the same step may succeed when it is tried again.
    """

    exit_code: ExitCode = ExitCode.FAILED
    retryable: bool = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class InvalidInput(PastaError):
    """A prompt, option or file that the person gave and that cannot be used as it is."""

    exit_code = ExitCode.USAGE


class ModelUnavailable(PastaError):
    """A model file that is missing, truncated, foreign or does not load."""

    exit_code = ExitCode.MODEL


class StorageError(PastaError):
    """The data directory or the store refused: unwritable, full, locked, damaged."""


class WorkerError(PastaError):
    """A worker that died, hung or broke the protocol; a fresh one may do the step."""

    retryable = True


class Cancelled(PastaError):
    """The step was stopped because somebody asked for it; what had finished is kept."""

    exit_code = ExitCode.INTERRUPTED
