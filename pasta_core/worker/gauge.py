"""Measures a worker while it works: how long its steps take and how much memory they took at most.

What it finds is kept for plans (`pasta_core.planning.measured`); a disk that refuses costs nothing but that.
"""

from __future__ import annotations

import contextlib
import logging
import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pasta_core.errors import PastaError
from pasta_core.planning.measured import Measurements
from pasta_core.worker.station import Call, Handler

__all__ = ["Gauge", "process_peak"]

log = logging.getLogger(__name__)

_OFTEN = 4
"""Times of a step that one worker keeps: later ones say the same."""
_QUERY = ("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits")


class Gauge:
    """Keeps the measurements of one profile on one machine; used from several threads."""

    def __init__(self, measurements: Measurements, machine: str, profile: str, *, gpu: bool) -> None:
        self._measurements = measurements
        self._machine = machine
        self._profile = profile
        self._gpu = gpu
        self._stopped = False
        self._told: Counter[str] = Counter()
        self._lock = threading.Lock()

    def passed_over(self) -> None:
        """The CPU takes the GPU's place: where a GPU was planned for, keep nothing from now on."""
        self._stopped = self._gpu

    def timed(self, handler: Handler, what: str, units: Callable[[Call], int]) -> Handler:
        """The same handler, its time by unit kept, and after it the worker's peak of memory."""

        def measured(call: Call) -> None:
            begun = time.monotonic()
            handler(call)
            self.took(what, time.monotonic() - begun, units(call))
            if not self._stopped:
                self._worker_peak()

        return measured

    def took(self, what: str, seconds: float, units: int = 1) -> None:
        """A step of so many units took so long."""
        with self._keeping():
            if not self._stopped and units > 0 and self._told[what] < _OFTEN:
                self._told[what] += 1
                self._measurements.note_seconds(self._machine, self._profile, what, seconds / units)

    def peak(self, what: str, size: int) -> None:
        """Something took so many bytes."""
        with self._keeping():
            if not self._stopped and size > 0:
                self._measurements.note_peak(self._machine, self._profile, what, size)

    def wrote(self, pid: int, seconds: float, candidates: int) -> None:
        """The writer process met a request."""
        first = not self._told["write"] and not self._stopped
        # looked at first: a writer that takes turns leaves as soon as it has answered
        most = _gpu_of(pid) if self._gpu and first else 0 if self._gpu else process_peak(pid)
        self.took("write", seconds, candidates)
        self.peak("writer", most)

    def _worker_peak(self) -> None:
        if not self._gpu:
            self.peak("worker", process_peak("self"))
            return
        import torch

        most = int(torch.cuda.max_memory_allocated())
        self.peak("worker", most)
        # what stays are weights: the rest was needed to paint
        self.peak("painting", most - int(torch.cuda.memory_allocated()))

    @contextlib.contextmanager
    def _keeping(self) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except (PastaError, OSError) as error:
                log.warning("a measurement was not kept: %s", error)


def process_peak(pid: int | str) -> int:
    """The most memory that a process has had, in bytes; 0 where the system does not say it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    peak = next((line.split() for line in lines if line.startswith("VmHWM:")), [])
    return int(peak[1]) * 1024 if len(peak) == 3 and peak[1].isdigit() else 0


def _gpu_of(pid: int) -> int:
    """Bytes of the GPU's memory that a process has, 0 where NVIDIA's tool does not say it."""
    if shutil.which(_QUERY[0]) is None:
        return 0
    try:
        said = subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return 0
    rows = [[field.strip() for field in line.split(",")] for line in said.splitlines()]
    return sum(int(row[1]) * 2**20 for row in rows if row[0] == str(pid) and row[-1].isdigit())
