"""Merging user types that no data tells apart into one (App. C.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from pasta_core.errors import InvalidInput
from pasta_core.users.user_model import UserModel

__all__ = ["merged"]


@torch.no_grad()
def merged(model: UserModel, groups: Sequence[Sequence[int]]) -> UserModel:
    """The model with one type for each group of types, in their order.

    A group thinks as its most frequent member does and is as frequent as all of them; what types share stays.
    `InvalidInput` where the groups do not hold every type once.
    """
    if sorted(kind for group in groups for kind in group) != list(range(model.types)):
        raise InvalidInput(f"the groups do not hold each of {model.types} types once", "check the data")
    kept = [max(group, key=lambda kind: float(model.prior[kind])) for group in groups]
    found = UserModel(replace(model.config, types=len(groups)))
    state = dict(model.state_dict())
    for name in ("image_encoder", "text_encoder"):
        for part in ("weight", "bias"):
            # the last layer's rows are the types' offsets, one type after another (D.4)
            offsets = state[f"{name}.layers.4.{part}"]
            by_type = offsets.view(model.types, -1, *offsets.shape[1:])
            state[f"{name}.layers.4.{part}"] = by_type[kept].flatten(0, 1)
    state["prior"] = torch.stack([model.prior[list(group)].sum() for group in groups])
    found.load_state_dict(state)
    return found.eval().requires_grad_(False)
