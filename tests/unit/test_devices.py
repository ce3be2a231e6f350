"""The device that a worker computes on: a GPU that cannot be used is named, with what to do about it."""

from __future__ import annotations

import warnings

import pytest
import torch

from pasta_core.errors import ExitCode, ModelUnavailable
from pasta_core.worker.devices import choose_device, explained

OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). "
    "Please update your GPU driver by downloading and installing another (Triggered internally at x.cpp:1)"
)


def too_old() -> bool:
    """As torch's own test does with a driver that it cannot use."""
    warnings.warn(OLD_DRIVER, stacklevel=1)
    return False


def test_the_best_device_is_taken() -> None:
    assert choose_device(None, lambda: True, bearable=False) == ("cuda", "")
    assert choose_device("cuda:1", lambda: True, bearable=False) == ("cuda:1", "")
    assert choose_device(None, lambda: False, bearable=False) == ("cpu", ""), "a machine without a GPU"
    assert choose_device("cpu", too_old, bearable=False, missed="one") == ("cpu", "")
    assert choose_device(None, lambda: True, bearable=False, missed="one") == ("cuda", "")
    assert choose_device(None, torch.cuda.is_available, bearable=True)[0] in ("cpu", "cuda")


def test_a_driver_that_is_too_old_is_one_line() -> None:
    device, note = choose_device(None, too_old, bearable=True)
    assert device == "cpu"
    assert note.endswith("The NVIDIA driver on your system is too old (found version 11040)")
    for asked, bearable in ((None, False), ("cuda", True)):
        with pytest.raises(ModelUnavailable) as raised:
            choose_device(asked, too_old, bearable)
        assert raised.value.exit_code == ExitCode.MODEL
        assert "too old (found version 11040)" in raised.value.message
        assert "\n" not in raised.value.message and "Triggered" not in raised.value.message
        assert "update NVIDIA's driver" in raised.value.hint


@pytest.mark.parametrize(
    ("missed", "remedy"),
    [
        ("PyTorch finds none, though there is NVIDIA H100", "see 'nvidia-smi'"),
        ("there is NVIDIA H100, which this PyTorch was not built for", "install a PyTorch for CUDA"),
    ],
)
def test_a_gpu_that_torch_does_not_find_is_never_passed_over(missed: str, remedy: str) -> None:
    # torch says nothing where it was built for the CPU alone, or where an environment hides the GPU
    device, note = choose_device(None, lambda: False, bearable=True, missed=missed)
    assert (device, note) == ("cpu", f"the GPU cannot be used, the CPU paints: {missed}")
    with pytest.raises(ModelUnavailable) as raised:
        choose_device(None, lambda: False, bearable=False, missed=missed)
    assert raised.value.exit_code == ExitCode.MODEL
    assert raised.value.message == f"the GPU cannot be used: {missed}"
    assert raised.value.hint.startswith(remedy) and "--device cpu" in raised.value.hint
    # what torch itself says is more to the point
    assert "too old" in choose_device(None, too_old, bearable=True, missed=missed)[1]


def test_a_gpu_that_is_asked_for_and_not_there_is_refused() -> None:
    with pytest.raises(ModelUnavailable, match="PyTorch finds none"):
        choose_device("cuda", lambda: False, bearable=True)


def test_memory_that_ran_out_is_told_from_a_damaged_file() -> None:
    # as the loaders wrap what a library raised
    wrapped = ModelUnavailable("the CLIP model does not load: CUDA out of memory", "fetch it again")
    wrapped.__cause__ = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
    said = explained(wrapped, "CLIP")
    assert isinstance(said, ModelUnavailable)
    assert said.message == "there is no GPU memory left for the CLIP" and "pasta plan" in said.hint
    wrapped.__cause__ = RuntimeError("CUDA error: out of memory")
    assert explained(wrapped, "CLIP").args == said.args
    damaged = ModelUnavailable("the CLIP model does not load: header too large")
    damaged.__cause__ = ValueError("header too large")
    assert explained(damaged, "CLIP") is damaged
