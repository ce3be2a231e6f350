"""The machine that a plan is made for: this one, found without a model library, or one that is imagined."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pasta_core.errors import InvalidInput
from pasta_core.planning.amd import SYSTEM, AmdGpu, amd_gpus
from pasta_core.planning.torch_build import torch_is_for_amd, torch_is_for_nvidia

__all__ = ["GIB", "Machine", "find_machine", "imagined"]

GIB = 2**30
DESKTOP = GIB // 2
"""What a screen and other programs take of an imagined GPU."""
_QUERY = ("nvidia-smi", "--query-gpu=name,memory.total,memory.free,driver_version", "--format=csv,noheader")
_SHOWS = "CUDA_VISIBLE_DEVICES"
_OFFLOADS = re.compile(r"ggml-(cuda|hip|musa|vulkan|sycl|metal)")


@dataclass(frozen=True)
class Machine:
    """One machine with at most one GPU; sizes in bytes."""

    name: str
    """The GPU's name, or `cpu`."""
    gpu_bytes: int
    """The GPU's memory, 0 without one."""
    gpu_free: int
    """What of it is not taken by other programs."""
    ram_bytes: int
    cores: int
    driver: str = ""
    writer_on_gpu: bool = True
    """Whether the llama.cpp that is installed can use a GPU at all."""
    imagined: bool = False
    unused: str = ""
    """Why a GPU that there may be is not counted, in one line."""
    forgone: bool = False
    """Whether that is for want of a PyTorch for NVIDIA's GPU that is there."""

    @property
    def has_gpu(self) -> bool:
        return self.gpu_bytes > 0

    @property
    def missed(self) -> str:
        """Why PyTorch can have found no GPU, in one line, where NVIDIA's tool or the kernel names one."""
        if self.has_gpu:
            return f"PyTorch finds none, though there is {self.name}"
        return self.unused if self.forgone else ""

    @property
    def key(self) -> str:
        """What its measurements are kept under."""
        return self.name if self.has_gpu else f"cpu x{self.cores}"


Run = Callable[[], str]
_Row = tuple[str, int, int, str]


def find_machine(
    device: str | None = None,
    query: Run | None = None,
    env: Mapping[str, str] = os.environ,
    amd: Callable[[], tuple[bool, list[AmdGpu]]] = lambda: (torch_is_for_amd(), amd_gpus()),
    nvidia: Callable[[], bool] = torch_is_for_nvidia,
) -> Machine:
    """This machine; `device` is a torch device's name where one is asked for (`cpu` hides the GPU).

    NVIDIA's own tool is asked, or where PyTorch was built for AMD the kernel, neither of which needs a model
    library; `amd` says whether it was, and which GPUs of AMD there are, `nvidia` whether it may have been
    built for NVIDIA's. Of several GPUs torch takes the first that `CUDA_VISIBLE_DEVICES` and its like leave
    it. GPUs of other makers are not known here.
    """
    ram = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cores = len(os.sched_getaffinity(0))
    if device == "cpu":
        return Machine("cpu", 0, 0, ram, cores, writer_on_gpu=False)
    for_amd, theirs = amd()
    rows = [(*gpu, "") for gpu in theirs] if for_amd else _gpus(query or _ask)
    unused = "" if rows else _unused(for_amd, bool(theirs))
    forgone = False
    for name in _amd_shows(env) if for_amd else (_SHOWS,):
        shown = _visible(rows, env.get(name))
        unused = f"{name} hides {rows[0][0]}" if rows and not shown else unused
        rows = shown
    if rows and not for_amd and not nvidia():
        unused = f"there is {rows[0][0]}, which this PyTorch was not built for (it needs one for CUDA)"
        forgone, rows = True, []
    number = int(device.partition(":")[2] or 0) if device and device.partition(":")[2].isdigit() else 0
    if number >= len(rows):
        return Machine("cpu", 0, 0, ram, cores, writer_on_gpu=False, unused=unused, forgone=forgone)
    name, total, free, driver = rows[number]
    return Machine(name, total, free, ram, cores, driver, llama_offloads())


def imagined(gigabytes: float, ram_bytes: int = 32 * GIB, cores: int = 8) -> Machine:
    """A machine with one GPU of so many GiB, or without one for 0. `InvalidInput` for what no GPU has."""
    if not 0 <= gigabytes <= 1024:
        raise InvalidInput(f"a GPU of {gigabytes:g} GB cannot be planned for", "choose 0 to 1024")
    total = int(gigabytes * GIB)
    if not total:
        return Machine("cpu", 0, 0, ram_bytes, cores, writer_on_gpu=False, imagined=True)
    free = max(total - DESKTOP, 0)
    return Machine(f"a GPU of {gigabytes:g} GB", total, free, ram_bytes, cores, imagined=True)


def llama_offloads() -> bool:
    """Whether the installed llama-cpp-python was built for a GPU, as the names of its libraries tell."""
    spec = find_spec("llama_cpp")
    if spec is None or spec.origin is None:
        return False
    folder = Path(spec.origin).parent / "lib"
    return any(_OFFLOADS.search(file.name) for file in folder.glob("*ggml-*"))


def _unused(for_amd: bool, found: bool) -> str:
    if for_amd:
        return f"PyTorch was built for AMD's GPUs, and the kernel names none ({SYSTEM}/kfd)"
    return (
        "there is a GPU of AMD, which this PyTorch was not built for (it needs one for ROCm)" if found else ""
    )


def _ask() -> str:
    if shutil.which(_QUERY[0]) is None:
        return ""
    try:
        return subprocess.run(_QUERY, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _gpus(query: Run) -> list[_Row]:
    found = []
    for line in query().splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != 4:
            continue
        total, free = (_mebibytes(field) for field in fields[1:3])
        if total:
            found.append((fields[0], total, free, fields[3]))
    return found


def _amd_shows(env: Mapping[str, str]) -> tuple[str, ...]:
    """What hides GPUs from ROCm, one after the other; HIP's own name counts instead of the one of NVIDIA."""
    hip = "HIP_VISIBLE_DEVICES"
    return ("ROCR_VISIBLE_DEVICES", hip if hip in env else _SHOWS)


def _visible(rows: list[_Row], shown: str | None) -> list[_Row]:
    """Those that CUDA shows, by their numbers; an id that is no number leaves the list as it is."""
    if shown is None:
        return rows
    names = [name.strip() for name in shown.split(",")]
    if not all(name.lstrip("-").isdigit() for name in names if name):
        return rows
    numbers = [int(name) for name in names if name]
    # CUDA stops at the first that is not there
    count = next((place for place, number in enumerate(numbers) if not 0 <= number < len(rows)), len(numbers))
    return [rows[number] for number in numbers[:count]]


def _mebibytes(text: str) -> int:
    """`12288 MiB` in bytes; 0 where a driver does not say it, as for memory that CPU and GPU share."""
    number, _, unit = text.partition(" ")
    return int(number) * 2**20 if number.isdigit() and unit == "MiB" else 0
