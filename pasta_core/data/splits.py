"""Which splits a source has, and which one a rater belongs to where the publisher made none."""

from __future__ import annotations

from pasta_core.data.records import Source
from pasta_core.errors import InvalidInput
from pasta_core.seeds import derive_seed

__all__ = ["HASHED", "checked_split", "split_of"]

HASHED = ("train", "validation", "test")
"""The splits that `split_of` makes."""


def split_of(key: str) -> str:
    """The split of a rater (or session) by a hash of its name: never by what else the data holds.

    One in ten is `test`, one in ten `validation`, the others are `train`.
    """
    place = derive_seed(0, "split", key) % 10
    return {0: "test", 1: "validation"}.get(place, "train")


def checked_split(split: str | None, source: Source) -> tuple[str, ...]:
    """The splits to read: the named one, or all; an unknown one is `InvalidInput`."""
    if split is None:
        return source.splits
    if split not in source.splits:
        raise InvalidInput(
            f'{source.kind}:{source.path} has no split "{split}"', f"it has {', '.join(source.splits)}"
        )
    return (split,)
