"""The device of the GPU benchmark: its clock, its memory, what it is, and what it can at most."""

from __future__ import annotations

import gc
import importlib
import importlib.metadata
import os
import platform
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch

GEMM_REPEATS = 20


@dataclass(frozen=True)
class Limits:
    """What the machine reached in this run: a product's FLOP/s, a copy's bytes read and written a second."""

    flops: float
    bytes: float


class Machine:
    """A GPU, timed by the wall between two synchronisations; without one the CPU, by its processor time."""

    def __init__(self, device: str) -> None:
        self.device = torch.device(device)
        self.cuda = self.device.type == "cuda"

    def now(self) -> float:
        """Seconds, once everything asked for is done."""
        if self.cuda:
            torch.cuda.synchronize()
        return self.clock()

    def clock(self) -> float:
        """Seconds, whatever the device still does."""
        return time.perf_counter() if self.cuda else time.process_time()

    def timed(self, work: Callable[[], object]) -> tuple[float, int | None]:
        """Seconds of one call, and the bytes on the device that it needed beside what already lay there."""
        before = 0
        if self.cuda:
            torch.cuda.reset_peak_memory_stats()
            before = torch.cuda.memory_allocated()
        begin = self.now()
        work()
        seconds = self.now() - begin
        return seconds, torch.cuda.max_memory_allocated() - before if self.cuda else None

    def tidy(self) -> None:
        """Give back what no tensor holds any more."""
        gc.collect()
        if self.cuda:
            torch.cuda.empty_cache()

    def describe(self) -> dict[str, Any]:
        """Device and versions, without which no figure means anything."""
        if self.cuda:
            found = torch.cuda.get_device_properties(self.device)
            name: dict[str, Any] = {
                "device": found.name,
                "memory_gib": round(found.total_memory / 2**30, 1),
                "cuda": torch.version.cuda,
                "clock": "wall",
            }
        else:
            name = {
                "device": f"CPU, {torch.get_num_threads()} threads",
                "clock": "processor time",
                "load": round(os.getloadavg()[0], 2),
            }
        versions = {"python": platform.python_version(), "torch": torch.__version__}
        for library in ("diffusers", "transformers", "open_clip_torch"):
            versions[library] = _version(library)
        return name | versions

    def limits(self, side: int, copied: int) -> Limits:
        """A square product of this side and a copy of so many bytes within the device, medians.

        bf16 on a GPU, float32 elsewhere. The factors are random: zeros are multiplied faster.
        """
        dtype = torch.bfloat16 if self.cuda else torch.float32
        left, right = (torch.randn(side, side, device=self.device, dtype=dtype) for _ in range(2))
        product = torch.empty_like(left)
        gemm = self._median(lambda: torch.mm(left, right, out=product))
        source = torch.randint(0, 256, (copied,), dtype=torch.uint8, device=self.device)
        target = torch.empty_like(source)
        copy = self._median(lambda: target.copy_(source))
        return Limits(2 * side**3 / gemm, 2 * copied / copy)

    def _median(self, work: Callable[[], object]) -> float:
        for _ in range(3):
            work()
        return statistics.median(self.timed(work)[0] for _ in range(GEMM_REPEATS))


def _version(library: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(library)
    # a folder on the path has no metadata
    with suppress(ImportError):
        found = getattr(importlib.import_module(library.removesuffix("_torch")), "__version__", None)
        return None if found is None else str(found)
    return None
