"""What travels in the frames: greetings, calls, replies, and errors that come back as what they were."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pasta_core import errors
from pasta_core.errors import PastaError, WorkerError

__all__ = ["NAME", "PROTOCOL", "Hello", "error_from_json", "error_to_json", "package_version"]

NAME = "pasta-worker"
PROTOCOL = 1
"""Raised whenever an older side could misread a newer one."""

_ERRORS: Mapping[str, type[PastaError]] = {
    name: kind
    for name in errors.__all__
    if isinstance(kind := getattr(errors, name), type) and issubclass(kind, PastaError)
}


def package_version() -> str:
    """The installed version of this distribution, "0" where it runs from a bare tree."""
    try:
        return version("pasta-t2i")
    except PackageNotFoundError:
        return "0"


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of a worker: who it is, before it has loaded anything."""

    name: str
    protocol: int
    version: str
    profile: str
    pid: int

    def to_json(self) -> dict[str, Any]:
        """The greeting as JSON types."""
        return {"kind": "hello", **asdict(self)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Hello:
        """Read a greeting; `WorkerError`, not to be retried, for anything but a worker of this protocol."""
        if data.get("kind") != "hello" or data.get("name") != NAME:
            raise final(WorkerError(f"what answered is no {NAME}", "check the worker's command"))
        if data.get("protocol") != PROTOCOL:
            raise final(
                WorkerError(
                    f"the worker speaks protocol {data.get('protocol')} (pasta {data.get('version')}), "
                    f"this program {PROTOCOL} (pasta {package_version()})",
                    "install the same version of pasta on both sides",
                )
            )
        return cls(str(data["name"]), PROTOCOL, str(data["version"]), str(data["profile"]), int(data["pid"]))


def final(error: PastaError) -> PastaError:
    """The same error, marked as not worth another try."""
    error.retryable = False
    return error


def error_to_json(error: BaseException) -> dict[str, Any]:
    """Describe an error for the other side; one that nobody foresaw becomes a `WorkerError` to give up on."""
    if not isinstance(error, PastaError):
        lines = str(error).strip().splitlines()
        text = f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
        error = final(WorkerError(f"the worker failed: {text}", "its log has the whole story"))
    return {
        "class": type(error).__name__,
        "message": error.message,
        "hint": error.hint,
        "retryable": error.retryable,
    }


def error_from_json(data: Mapping[str, Any]) -> PastaError:
    """The error that the other side described, of the same class."""
    kind = _ERRORS.get(str(data.get("class")), PastaError)
    error = kind(str(data.get("message", "the worker failed")), str(data.get("hint", "")))
    error.retryable = bool(data.get("retryable", False))
    return error
