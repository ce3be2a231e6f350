"""What Algorithm 1 changes from step to step, in one module, so that a checkpoint holds all of it."""

from __future__ import annotations

import copy
from typing import Any, Generic, TypeVar

import torch
from torch import nn

__all__ = ["EmState"]

Model = TypeVar("Model", bound=nn.Module)


class EmState(nn.Module, Generic[Model]):
    """theta (`live`) and the target network theta~ (`target`), which the E-step sees (line 5)."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        # a weight that two layers share has two names
        named = model.named_parameters(remove_duplicate=False)
        frozen = {name: one for name, one in named if not one.requires_grad}
        self.constant = frozenset(f"{part}.{name}" for part in ("live", "target") for name in frozen)
        """Names of what stays as it was loaded, which no checkpoint need hold."""
        self.live: Model = model
        # what does not learn is the same in both
        shared: dict[int, Any] = {id(one): one for one in frozen.values()}
        self.target: Model = copy.deepcopy(model, shared).requires_grad_(False)

    @torch.no_grad()
    def update_target(self, step: int, every: int) -> None:
        """theta~ <- theta every `every` steps (line 7); called at the beginning of a step."""
        if step % every:
            return
        for target, live in zip(self.target.parameters(), self.live.parameters(), strict=True):
            target.copy_(live)
