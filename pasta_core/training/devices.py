"""One device or many: what the training loop asks of the processes that train beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from pasta_core.errors import InvalidInput

__all__ = ["ONE_DEVICE", "Devices", "ManyDevices", "OneDevice", "devices_named"]


class Devices(Protocol):
    """The processes of a training, each with a device, all with the same weights at every step."""

    @property
    def device(self) -> torch.device: ...

    @property
    def index(self) -> int:
        """Which process this is, from 0."""
        ...

    @property
    def count(self) -> int: ...

    @property
    def main(self) -> bool:
        """Whether this process reports and writes."""
        ...

    def mean(self, value: Tensor) -> Tensor:
        """The mean of every process's `value`, in all of them."""
        ...

    def any(self, flag: bool) -> bool:
        """Whether one process at least says yes; all get the same answer."""
        ...

    def average_gradients(self, model: nn.Module) -> None:
        """Replace each gradient by its mean over the processes."""
        ...

    def wait(self) -> None:
        """Return when every process has come here."""
        ...


class OneDevice:
    """This process alone."""

    index = 0
    count = 1
    main = True

    def __init__(self, device: str = "cpu") -> None:
        self.device = torch.device(device)

    def mean(self, value: Tensor) -> Tensor:
        return value

    def any(self, flag: bool) -> bool:
        return flag

    def average_gradients(self, model: nn.Module) -> None:
        pass

    def wait(self) -> None:
        pass


ONE_DEVICE = OneDevice()


class ManyDevices:
    """The processes that `accelerate launch` started, or one if it did not.

    The gradients are averaged in one exchange of all of them instead of by DistributedDataParallel: a batch
    without ratings leaves some without gradients, the same ones in every process only after the exchange, and
    the order of a sum must not depend on timing where a resumed run repeats it.
    """

    def __init__(self, cpu: bool = False) -> None:
        from accelerate import Accelerator

        self._accelerator = Accelerator(cpu=cpu)
        self.device: torch.device = self._accelerator.device
        self.index: int = self._accelerator.process_index
        self.count: int = self._accelerator.num_processes
        self.main: bool = self._accelerator.is_main_process

    def mean(self, value: Tensor) -> Tensor:
        if self.count == 1:
            return value
        reduced: Tensor = self._accelerator.reduce(value.to(self.device), "mean")
        return reduced

    def any(self, flag: bool) -> bool:
        if self.count == 1:
            return flag
        return bool(self.mean(torch.tensor(float(flag))).item() > 0)

    def average_gradients(self, model: nn.Module) -> None:
        if self.count == 1:
            return
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        present = self.mean(torch.tensor([float(parameter.grad is not None) for parameter in parameters]))
        used = [parameter for parameter, share in zip(parameters, present.tolist(), strict=True) if share > 0]
        gradients = [torch.zeros_like(one) if one.grad is None else one.grad for one in used]
        if not gradients:
            return
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for parameter, part in zip(used, flat.split([one.numel() for one in used]), strict=True):
            parameter.grad = part.view_as(parameter)

    def wait(self) -> None:
        self._accelerator.wait_for_everyone()


def devices_named(name: str | None, env: Mapping[str, str]) -> Devices:
    """The processes that `accelerate launch` started, by their environment, else one device.

    `name` is cpu or cuda, None for CUDA where there is one; another, or CUDA where there is none, is
    `InvalidInput`.
    """
    has_cuda = torch.cuda.is_available()
    chosen = name or ("cuda" if has_cuda else "cpu")
    if chosen not in ("cpu", "cuda") or (chosen == "cuda" and not has_cuda):
        raise InvalidInput(f"there is no device {chosen!r} here", "name cpu, or no device at all")
    if int(env.get("WORLD_SIZE", "1")) == 1:
        return OneDevice(chosen)
    try:
        return ManyDevices(cpu=chosen == "cpu")
    except ModuleNotFoundError as error:
        raise InvalidInput(
            "several processes need accelerate, which is not installed", "pip install 'pasta-t2i[train]'"
        ) from error
