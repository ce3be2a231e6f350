"""Learning a taste's space from what was painted: its directions, and the map from texts to images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.users.taste_picks import Pick, ordered
from pasta_core.users.taste_space import FIDELITY, TasteSpace

__all__ = ["SpacePlan", "fit_space"]

Array = npt.NDArray[np.float64]

_GHOSTS = 5.0
"""Painted columns that the prior of the residual covariance counts as: the map explains nothing."""
_TINY = 1e-12


@dataclass(frozen=True)
class SpacePlan:
    """The size of a space and its prior, chosen on the training split's planted raters (docs/taste.md)."""

    image_rank: int = 24
    """r, directions of images."""
    text_rank: int = 16
    """s, directions of texts."""
    ridge: float = 100.0
    """How many columns the map's prior counts as: that texts move images along their own direction."""
    image_deviation: float = 0.25
    """Prior standard deviation of the taste along an image direction, in utility per deviation."""
    text_deviation: float = 0.1
    """The same along a text direction."""
    fidelity_deviation: float = 0.5
    """The same of fidelity."""
    fidelity_mean: float = 0.0
    """How much fidelity is liked before anything is known."""


def fit_space(clip: str, shown: Sequence[Pick], plan: SpacePlan | None = None) -> TasteSpace:
    """Learn a space from painted slates of one CLIP; what was chosen in them is not looked at.

    Directions are the principal ones of how the columns of a slate differ. The map is a ridge regression that
    shrinks towards moving images along the text's own direction, by one gain; its intercept is 0, as both
    sides are relative to the initial prompt. The order of the slates does not matter, and where there are
    none the space has fidelity alone.
    """
    plan = plan or SpacePlan()
    slates = ordered(shown)
    d = slates[0].dimension if slates else 0
    images = _principal([slate.images[1:] for slate in slates], d, plan.image_rank)
    texts = _principal([slate.texts[1:] for slate in slates], d, plan.text_rank)
    fidelity = _scale([slate.images[1:] @ slate.texts[0] for slate in slates])
    r, s = images.shape[1], texts.shape[1]
    deviations = np.array(
        [plan.fidelity_deviation, *[plan.image_deviation] * r, *[plan.text_deviation] * s], np.float64
    )
    mean = np.zeros((1, 1 + r + s))
    mean[0, FIDELITY] = plan.fidelity_mean
    blank = TasteSpace(
        clip=clip,
        image_basis=images,
        text_basis=texts,
        fidelity_scale=fidelity,
        slope=np.zeros((1 + r, 1 + s)),
        residual=np.eye(1 + r),
        spread=np.zeros((1 + s, 1 + s)),
        variances=deviations**2,
        type_means=mean,
        type_weights=np.ones(1),
        pairs=sum(slate.columns for slate in slates),
    )
    return _mapped(blank, slates, plan) if slates else blank


def _mapped(space: TasteSpace, slates: Sequence[Pick], plan: SpacePlan) -> TasteSpace:
    """The space with its map, by ridge regression on all columns of all slates."""
    inputs = np.concatenate(
        [space.regressors(slate.texts[0], slate.texts[1:].astype(np.float64)) for slate in slates]
    )
    outputs = np.concatenate([space.features(slate)[:, : space.painted] for slate in slates])
    aligned = _aligned(space)
    expected = inputs @ aligned.T
    gain = max(float((expected * outputs).sum() / max((expected**2).sum(), _TINY)), 0.0)
    prior = gain * aligned
    spread = np.linalg.inv(inputs.T @ inputs + plan.ridge * np.eye(inputs.shape[1]))
    slope = prior + (spread @ inputs.T @ (outputs - inputs @ prior.T)).T
    left = outputs - inputs @ slope.T
    # a space of few pairs fits them too well: its residual leans to that of a map that says nothing
    residual = (left.T @ left + _GHOSTS * np.eye(space.painted)) / (len(left) + _GHOSTS)
    return TasteSpace(**(vars(space) | {"slope": slope, "residual": residual, "spread": spread}))


def _aligned(space: TasteSpace) -> Array:
    """The map (1 + r, 1 + s) of a CLIP without a gap: a text that moves, moves its image just so."""
    scale = (space.text_basis**2).sum(0)
    back = space.text_basis / np.maximum(scale, _TINY)
    aligned = np.zeros((space.painted, 1 + space.text_basis.shape[1]))
    aligned[FIDELITY, FIDELITY] = 1.0
    aligned[1:, 1:] = space.image_basis.T @ back
    return aligned


def _principal(slates: Sequence[npt.NDArray[np.float32]], d: int, rank: int) -> Array:
    """The principal directions (d, rank) of how rows differ within slates, scaled to unit variance."""
    scatter, count = np.zeros((d, d)), 0
    for rows in slates:
        centred = rows.astype(np.float64) - rows.mean(0, dtype=np.float64)
        scatter += centred.T @ centred
        count += max(len(rows) - 1, 0)
    if not count or not d:
        return np.zeros((d, 0))
    variances, directions = np.linalg.eigh(scatter / count)
    best = np.argsort(variances)[::-1][: min(rank, count)]
    best = best[variances[best] > 1e-6 * variances.max()]
    return np.asarray(directions[:, best] / np.sqrt(variances[best]))


def _scale(slates: Sequence[npt.NDArray[np.float32]]) -> float:
    """One over the standard deviation within slates."""
    squares = sum(float(((row - row.mean()) ** 2).sum()) for row in slates)
    count = sum(max(len(row) - 1, 0) for row in slates)
    return 1.0 if not count or squares < _TINY else float(np.sqrt(count / squares))
