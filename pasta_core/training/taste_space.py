"""Learning a taste's space from trajectories, and measuring how well texts foretell pictures in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pasta_core.data.trajectories import TrajectoryRecord, TurnRecord, read_embedded
from pasta_core.domain import Embedding
from pasta_core.errors import InvalidInput
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick, normalised
from pasta_core.users.taste_space import FIDELITY, TasteSpace
from pasta_core.users.taste_types import with_types

__all__ = ["Foresight", "LearnedSpace", "PaintedSlate", "foresight", "learn_space", "read_slates"]

Array = npt.NDArray[np.float64]
EmbedTexts = Callable[[Sequence[str]], Embedding]

_SOMETIME = datetime(1970, 1, 1, tzinfo=UTC)
_HELD_OUT = 8
"""One initial prompt in so many is held out to measure by."""
_FEWEST = 20
"""Slates from which a space can be learned."""
_MODEL = "model:"
"""How the names of simulated users of a user model begin."""


@dataclass(frozen=True, eq=False)
class PaintedSlate:
    """A slate as a pick, and the utilities (K, L) of every user type, where they are known.

    `users` is what trajectories call the users of those types' user model.
    """

    pick: Pick
    utilities: Array | None
    type: int | None
    users: str = ""


@dataclass(frozen=True)
class Foresight:
    """How well a map foretells the pictures of prompts that it was not learned from.

    `explained` is R^2 within slates over all image directions, `by_direction` of each, the most varying
    first, `fidelity` of fidelity; `cosine` is the mean cosine of foretold and painted image coordinates.
    """

    explained: float
    by_direction: tuple[float, ...]
    fidelity: float
    cosine: float
    columns: int
    prompts: int


@dataclass(frozen=True, eq=False)
class LearnedSpace:
    """A space learned from all slates, and what one without the held-out prompts foretells of those.

    `untyped` of the slates do not say what user types think of them; with one of these it has no types.
    """

    space: TasteSpace
    foresight: Foresight
    slates: int
    untyped: int = 0


def read_slates(
    paths: Sequence[Path], clip: str, embed: EmbedTexts, own: str | None = None
) -> list[PaintedSlate]:
    """The painted slates of trajectories whose images carry embeddings of this CLIP.

    `own` is what trajectories call the users of the profile's user model, if it has one. `InvalidInput` where
    there are too few slates, where the embeddings are another CLIP's, and where users are of several user
    models or of another than that.
    """
    texts: dict[str, Embedding] = {}
    found: list[PaintedSlate] = []
    known = ""
    for path in paths:
        for record in read_embedded(path, clip):
            users = _users_of(record)
            known = known or users
            _refuse_users(path, users, known, own)
            found += _slates(record, users, texts, embed)
    if len(found) < _FEWEST:
        raise InvalidInput(
            f"the data holds {len(found)} painted slates with embeddings, {_FEWEST} are needed",
            "'pasta simulate --embeddings' makes more",
        )
    return found


def learn_space(clip: str, slates: Sequence[PaintedSlate], plan: SpacePlan | None = None) -> LearnedSpace:
    """Learn a space, with the types as its prior if every slate knows their utilities."""
    picks = [slate.pick for slate in slates]
    training = [pick for pick in picks if not _held_out(pick)]
    measured = [pick for pick in picks if _held_out(pick)]
    if not training or not measured:
        raise InvalidInput("the data holds too few different prompts", "'pasta simulate' makes more")
    result = foresight(fit_space(clip, training, plan), measured)
    space = fit_space(clip, picks, plan)
    tables = [slate.utilities for slate in slates if slate.utilities is not None]
    if len(tables) == len(slates):
        counts = np.bincount([slate.type or 0 for slate in slates], minlength=len(tables[0]))
        users = {slate.users for slate in slates}
        named = users.pop() if len(users) == 1 else ""
        space = with_types(space, picks, tables, np.asarray(counts + 1, np.float64), named)
    return LearnedSpace(space, result, len(slates), len(slates) - len(tables))


def foresight(space: TasteSpace, slates: Sequence[Pick]) -> Foresight:
    """Measure a space's map on slates that it was not learned from."""
    true, told = [], []
    for slate in slates:
        painted = space.features(slate)[:, : space.painted]
        foreseen = space.foreseen(slate.texts[0], slate.texts[1:]).means[:, : space.painted]
        true.append(painted - painted.mean(0))
        told.append(foreseen - foreseen.mean(0))
    y, p = np.concatenate(true), np.concatenate(told)
    explained = 1 - ((y - p) ** 2).sum(0) / np.maximum((y**2).sum(0), 1e-12)
    images, foretold = np.delete(y, FIDELITY, 1), np.delete(p, FIDELITY, 1)
    lengths = np.linalg.norm(images, axis=1) * np.linalg.norm(foretold, axis=1)
    cosine = (images * foretold).sum(1) / np.maximum(lengths, 1e-12)
    return Foresight(
        explained=float(1 - ((images - foretold) ** 2).sum() / max((images**2).sum(), 1e-12)),
        by_direction=tuple(float(share) for share in np.delete(explained, FIDELITY)),
        fidelity=float(explained[FIDELITY]),
        cosine=float(cosine.mean()),
        columns=len(y),
        prompts=len({slate.prompts[0] for slate in slates}),
    )


def _users_of(record: TrajectoryRecord) -> str:
    """The name of a user model's users, without the number of their type; "" for whoever is no such user."""
    return record.user.rpartition(":")[0] if record.user.startswith(_MODEL) else ""


def _refuse_users(path: Path, users: str, known: str, own: str | None) -> None:
    """Refuse types of another user model than the profile's, or than that of what was read before."""
    if users and own not in (None, users):
        raise InvalidInput(
            f"{path} has choices of {users}, and the profile's user model is {own}",
            "'pasta simulate --users model --embeddings' makes some of its users",
        )
    if users and users != known:
        raise InvalidInput(
            f"{path} has choices of {users}, and what was read before of {known}",
            "a space has the types of one user model: learn from data of one",
        )


def _slates(
    record: TrajectoryRecord, users: str, texts: dict[str, Embedding], embed: EmbedTexts
) -> Iterator[PaintedSlate]:
    start = _mean([image.embedding for image in record.initial_images])
    for turn in record.turns:
        columns = [_mean([image.embedding for image in column]) for column in turn.columns]
        painted = [column for column in (start, *columns) if column is not None]
        if len(columns) < 2 or len(painted) < len(columns) + 1:
            continue
        prompts = (record.initial_prompt, *(turn.candidates[index].prompt for index in turn.slate.indices))
        missing = [text for text in dict.fromkeys(prompts) if text not in texts]
        if missing:
            texts.update(zip(missing, normalised(embed(missing)), strict=True))
        yield PaintedSlate(
            Pick(
                session=f"{record.source}/{record.user}/{record.id}",
                turn=turn.number,
                when=_SOMETIME,
                prompts=prompts,
                images=np.stack(painted),
                texts=np.stack([texts[text] for text in prompts]),
                chosen=(turn.choice.column,),
            ),
            _table(turn),
            record.user_type,
            users,
        )


def _table(turn: TurnRecord) -> Array | None:
    return None if turn.type_utilities is None else np.array(turn.type_utilities, np.float64)


def _mean(embeddings: Sequence[Embedding | None]) -> Embedding | None:
    found = [embedding for embedding in embeddings if embedding is not None]
    if not found or len(found) < len(embeddings):
        return None
    return np.asarray(normalised(np.stack(found)).mean(0), np.float32)


def _held_out(pick: Pick) -> bool:
    """By the initial prompt alone, so that no prompt is on both sides."""
    return hashlib.sha256(pick.prompts[0].encode()).digest()[0] % _HELD_OUT == 0
