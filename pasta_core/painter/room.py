"""How many images are painted at a time: what is wanted, or what the device's memory holds of it.

Nothing predicts that number well: it depends on the architecture, the driver and on who else uses the device.
So it is tried out once, by a pass that paints nothing, and remembered in a file.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.files import make_directory, write_atomically

__all__ = ["Ledger", "OutOfRoom", "Room", "free_memory", "lacks_memory", "no_room", "within_memory"]

log = logging.getLogger(__name__)

T = TypeVar("T")

_MESSAGES = (
    *("can't allocate memory", "not enough memory", "CUBLAS_STATUS_ALLOC_FAILED"),
    *("CUDA error: out of memory", "CUDA driver error: out of memory"),
)
"""How else than by its class an error says that memory ran out."""
_RELIEF = 1.25
"""How much more memory must be free than when a number was found, for a larger one to be tried."""


class OutOfRoom(Exception):
    """The device's memory ran out. Raised where nothing refers to what was computed any more."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(it in str(error) for it in _MESSAGES)


def within_memory(work: Callable[[], T]) -> T:
    """Do some work; raises `OutOfRoom` where it runs out of memory."""
    try:
        return work()
    except RuntimeError as error:
        if not lacks_memory(error):
            raise
        log.warning("out of memory: %s", str(error).splitlines()[0][:200])
    # The error holds the frames that hold the tensors. Here it is gone, and no context of the one below.
    raise OutOfRoom


def no_room(what: str, *, exact: bool = False) -> ModelUnavailable:
    """What a person is told when not even the least fits, or not what has to be `exact`."""
    hint = "'pasta plan' says what fits: close what else uses it, or choose --memory swap or another profile"
    if exact:
        hint = (
            "a simulation's passes never shrink, as images would differ: set a smaller pass_size in the "
            "profile's [painter], or a smaller --pass-size where you start the worker"
        )
    return ModelUnavailable(f"there is not enough memory on the device for {what}", hint)


def free_memory(device: torch.device) -> int:
    """The device's free memory in bytes, with what this process holds in reserve."""
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    return int(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))


@dataclass(frozen=True)
class Ledger:
    """The numbers that were found, by what they are for, in a file that may vanish at any time."""

    file: Path
    key: str
    """The painter, the image's size, the device, and how it is shared."""
    free: Callable[[], int]
    """The device's free memory in bytes."""

    def find(self, wanted: int) -> int | None:
        """The number that is known to fit, at most `wanted`; None where that has to be tried."""
        entry = self._entries().get(self.key)
        if not isinstance(entry, dict):
            return None
        fits, tried, free = (entry.get(name) for name in ("fits", "tried", "free"))
        if not (isinstance(fits, int) and isinstance(tried, int) and isinstance(free, int) and fits > 0):
            return None
        if wanted <= fits:
            return wanted
        return fits if wanted <= tried and self.free() <= free * _RELIEF else None

    def keep(self, fits: int, tried: int) -> None:
        """Remember that `fits` images fit of the `tried`; a disk that refuses costs nothing but time."""
        entry = {"fits": fits, "tried": tried, "free": self.free()}
        text = json.dumps({**self._entries(), self.key: entry}, indent=1)
        try:
            make_directory(self.file.parent)
            write_atomically(self.file, f"{text}\n".encode())
        except PastaError as error:
            log.warning("%s", error)

    def _entries(self) -> dict[str, Any]:
        try:
            entries = json.loads(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return entries if isinstance(entries, dict) else {}


class Room:
    """The number of images of every pass."""

    def __init__(self, wanted: int, ledger: Ledger | None = None, *, exact: bool = False) -> None:
        """Without a ledger the wanted number is taken as it is, until memory runs out; `exact`, even then."""
        self.size = wanted
        self.exact = exact
        self._wanted = wanted
        self._ledger = ledger

    def settle(self, fits: Callable[[int], bool]) -> bool:
        """Find the size; `fits` tries one. Returns False where not even one image fits."""
        if self._ledger is None:
            return True
        if (known := self._ledger.find(self._wanted)) is not None:
            self.size = known
            return True
        while not fits(self.size):
            if self.size == 1:
                return False
            self.size //= 2
        self._ledger.keep(self.size, self._wanted)
        return True

    def halve(self) -> bool:
        """Take half from now on; False where there is no half, or none is wanted."""
        if self.size == 1 or self.exact:
            return False
        self.size //= 2
        if self._ledger is not None:
            self._ledger.keep(self.size, self._wanted)
        return True
