"""Which device a worker computes on, and what is wrong with a GPU that cannot be used."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from pasta_core.errors import ModelUnavailable

__all__ = ["choose_device", "explained"]


def choose_device(
    asked: str | None, available: Callable[[], bool], bearable: bool, missed: str = ""
) -> tuple[str, str]:
    """A torch device, and a line to be told of it, mostly empty.

    `asked` is the device by name, None for the best there is; `available` is torch's own test for CUDA, which
    says why it fails in a warning or not at all; `bearable` is whether a CPU can do the work in a time that
    somebody waits for; `missed` is what to say where torch finds no GPU, empty where the machine is not known
    to have one. `ModelUnavailable` where a GPU is asked for, or there and needed, and cannot be used.
    """
    if asked is not None and not asked.startswith("cuda"):
        return asked, ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        usable = available()
    if usable:
        return asked or "cuda", ""
    trouble = _trouble([str(one.message) for one in caught]) or missed
    if asked is not None or (trouble and not bearable):
        raise ModelUnavailable(f"the GPU cannot be used: {trouble or 'PyTorch finds none'}", _remedy(trouble))
    return "cpu", f"the GPU cannot be used, the CPU paints: {trouble}" if trouble else ""


def _trouble(said: list[str]) -> str:
    """What torch warned of, without where in its sources."""
    text = next((line for line in said if "CUDA" in line or "NVIDIA" in line), "")
    first = " ".join(text.removeprefix("CUDA initialization: ").split()).partition(". Please")[0]
    return first.partition(" (Triggered")[0].rstrip(".")[:200]


def _remedy(trouble: str) -> str:
    if "not built for" in trouble:
        return "install a PyTorch for CUDA, or paint on the CPU: pasta worker --device cpu"
    if "driver" in trouble:
        return "update NVIDIA's driver, or paint on the CPU: pasta worker --device cpu"
    return "see 'nvidia-smi' ('rocm-smi' of AMD's), or paint on the CPU: pasta worker --device cpu"


def explained(error: Exception, what: str) -> Exception:
    """The same error, or if the device's memory ran out while `what` was loaded, one that says so."""
    from pasta_core.painter.room import lacks_memory

    cause: BaseException | None = error
    while cause is not None:
        if lacks_memory(cause):
            return ModelUnavailable(
                f"there is no GPU memory left for the {what}",
                "'pasta plan' says what fits: close what else uses the GPU, or choose --memory swap",
            )
        cause = cause.__cause__
    return error
