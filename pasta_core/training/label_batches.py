"""Mini-batches of labels grouped by their rater, drawn by the number of the step (Algorithm 1, line 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from pasta_core.seeds import derive_seed
from pasta_core.training.embedded_labels import EmbeddedLabels, Rows

__all__ = ["LabelBatch", "LabelSampler", "Pairs", "Ratings", "batch_of"]

MOST_LABELS = 32
"""Labels of one rater in a step, unless a preset says otherwise: more would crowd out other raters."""


@dataclass(frozen=True)
class Pairs:
    """Preference labels (p,): places of two images and a prompt in the batch's tables, and who won."""

    first: Tensor
    second: Tensor
    text: Tensor
    label: Tensor
    weight: Tensor
    lengths: Tensor
    """How many of them each of the g raters gave; they lie rater by rater."""


@dataclass(frozen=True)
class Ratings:
    """Ratings (r,): places of an image and a prompt in the batch's tables, and the value in [0, 1]."""

    image: Tensor
    text: Tensor
    value: Tensor
    weight: Tensor
    lengths: Tensor


@dataclass(frozen=True)
class LabelBatch:
    """The labels of g raters, on a device; every distinct image and prompt is there once."""

    images: Tensor
    """(u, d), CLIP outputs before normalisation."""
    texts: Tensor
    """(v, d)."""
    pairs: Pairs
    ratings: Ratings
    rater_weight: Tensor
    """(g,): undoes that raters of many labels are drawn more often, for the mean over raters."""
    pair_mass: float
    """Sum of what the step's preference labels count, on all devices."""
    rating_mass: float
    """The same of its ratings."""
    image_rows: Rows
    """(u,): which rows of the images' table those of `images` are."""
    text_rows: Rows
    """(v,)."""


class LabelSampler:
    """Draws about `size` labels a step; the same step draws the same ones, on however many devices.

    Raters are drawn with replacement, in proportion to their labels but never less than once for up to
    `most`, and of each one a random stretch of at most so many: so every label is equally likely.
    """

    def __init__(self, labels: EmbeddedLabels, size: int, seed: int, most: int = MOST_LABELS) -> None:
        self._labels = labels
        self._size = size
        self._seed = seed
        self._lengths = np.diff(labels.starts)
        self._most = most
        frequency = np.maximum(1.0, self._lengths / most)
        self._frequency = frequency
        self._bounds = np.cumsum(frequency) / frequency.sum()
        mean = float((frequency * np.minimum(self._lengths, most)).sum() / frequency.sum())
        self._draws = int(np.ceil(size / mean)) + 1

    def draw(self, step: int) -> tuple[Rows, Rows, npt.NDArray[np.float32]]:
        """The step's label numbers (n,), how many each rater gave (g,), and the raters' weights (g,)."""
        rng = np.random.default_rng(derive_seed(self._seed, "labels", step))
        groups = np.empty(0, np.int64)
        taken = np.empty(0, np.int64)
        while taken.sum() < self._size:
            drawn = np.searchsorted(self._bounds, rng.random(self._draws), side="right")
            groups = np.concatenate([groups, np.minimum(drawn, len(self._lengths) - 1)])
            taken = np.minimum(self._lengths[groups], self._most)
        last = int(np.searchsorted(np.cumsum(taken), self._size))
        groups, taken = groups[: last + 1], taken[: last + 1]
        taken[-1] -= taken.sum() - self._size
        offset = rng.integers(0, self._lengths[groups])
        place = np.arange(taken.sum()) - np.repeat(np.cumsum(taken) - taken, taken)
        within = (np.repeat(offset, taken) + place) % np.repeat(self._lengths[groups], taken)
        rows = np.repeat(self._labels.starts[groups], taken) + within
        return rows, taken, (1 / self._frequency[groups]).astype(np.float32)

    def batch(self, step: int, device: torch.device, index: int = 0, count: int = 1) -> LabelBatch:
        """This process's part of the step's labels: every `count`-th rater, from `index`."""
        rows, taken, weight = self.draw(step)
        paired, mass = self._labels.second[rows] >= 0, self._labels.mass[rows]
        rater = np.repeat(np.arange(len(taken)), taken)
        mine = np.arange(index, len(taken), count)
        here = rater % count == index
        part = batch_of(self._labels, rows[here], taken[mine], device)
        return LabelBatch(
            images=part.images,
            texts=part.texts,
            pairs=part.pairs,
            ratings=part.ratings,
            rater_weight=torch.from_numpy(weight[mine]).to(device),
            pair_mass=float(mass[paired].sum()),
            rating_mass=float(mass[~paired].sum()),
            image_rows=part.image_rows,
            text_rows=part.text_rows,
        )


def batch_of(labels: EmbeddedLabels, rows: Rows, taken: Rows, device: torch.device) -> LabelBatch:
    """The batch of label numbers `rows` (n,), of which each of g raters gave `taken` (g,)."""
    first, second, text = labels.first[rows], labels.second[rows], labels.text[rows]
    paired = second >= 0
    rater = np.repeat(np.arange(len(taken)), taken)
    images, image_place = np.unique(np.concatenate([first, second[paired]]), return_inverse=True)
    texts, text_place = np.unique(text, return_inverse=True)
    first_place, second_place = image_place[: len(rows)], image_place[len(rows) :]

    def to_device(array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    def lengths(which: npt.NDArray[np.bool_]) -> Tensor:
        return to_device(np.bincount(rater[which], minlength=len(taken)).astype(np.int64))

    return LabelBatch(
        images=to_device(labels.images.gather(images)),
        texts=to_device(labels.texts.gather(texts)),
        pairs=Pairs(
            first=to_device(first_place[paired]),
            second=to_device(second_place),
            text=to_device(text_place[paired]),
            label=to_device(labels.value[rows][paired]),
            weight=to_device(labels.weight[rows][paired]),
            lengths=lengths(paired),
        ),
        ratings=Ratings(
            image=to_device(first_place[~paired]),
            text=to_device(text_place[~paired]),
            value=to_device(labels.value[rows][~paired]),
            weight=to_device(labels.weight[rows][~paired]),
            lengths=lengths(~paired),
        ),
        rater_weight=torch.ones(len(taken), device=device),
        pair_mass=float(labels.mass[rows][paired].sum()),
        rating_mass=float(labels.mass[rows][~paired].sum()),
        image_rows=images,
        text_rows=texts,
    )
