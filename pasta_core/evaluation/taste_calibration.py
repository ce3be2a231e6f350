"""Weighing a value model beside a profile's taste: what it is measured on, and what its folder then says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner
from pasta_core.agent.value_calibration import save_calibration
from pasta_core.agent.value_model import ValueModel
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.sources import SourceSpec
from pasta_core.data.trajectories import TrajectoryRecord, read_embedded
from pasta_core.domain import Candidate, Embedding, History
from pasta_core.engines.calibrations import own_users
from pasta_core.engines.fingerprints import content_digest
from pasta_core.errors import InvalidInput
from pasta_core.settings import Profile
from pasta_core.training.value_calibration import FEWEST, CalibratedValue, calibrate, hear
from pasta_core.training.value_sources import check_value_sources
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.taste_space_files import load_space, space_beside

__all__ = ["WeighedValue", "calibration_records", "weigh"]

_MODEL = "model"
"""How the names of simulated users of a user model begin."""


@dataclass(frozen=True)
class WeighedValue:
    """How a value model is weighed, the file that says so, and on what it was measured (JSON types)."""

    found: CalibratedValue
    file: Path
    measured: Mapping[str, Any]


def calibration_records(specs: Sequence[SourceSpec], profile: Profile) -> list[TrajectoryRecord]:
    """The trajectories that a value model can be weighed on, under a profile; else `InvalidInput`.

    All have embeddings of its CLIP, and users of its user model where it has one: planted raters are what
    selectors are measured on, so nothing may be tuned to them.
    """
    check_value_sources(specs)
    clip, own = encoder_fingerprint(profile.clip.model), own_users(profile)
    found = []
    for spec in specs:
        if spec.weight != 1:
            raise InvalidInput(
                f"{spec}: every slate counts once here", f"leave the weight out: {spec.kind}:{spec.path}"
            )
        for record in read_embedded(spec.path, clip):
            _refuse_users(spec, record, own)
            found.append(record)
    return found


def _refuse_users(spec: SourceSpec, record: TrajectoryRecord, own: str | None) -> None:
    users = _users_of(record)
    if record.user.partition(":")[0] != _MODEL:
        raise InvalidInput(
            f"{spec} has choices of {users or record.user}, "
            "and this is measured on a user model's users alone",
            "'pasta simulate --users model --embeddings' makes them",
        )
    if own not in (None, users):
        raise InvalidInput(
            f"{spec} has choices of {users}, and the profile's user model is {own}",
            "'pasta simulate --users model --embeddings' makes some of its users",
        )


def _users_of(record: TrajectoryRecord) -> str:
    return record.user.rpartition(":")[0]


async def weigh(
    records: Sequence[TrajectoryRecord],
    model: Path,
    profile: Profile,
    report: Callable[[int, int], None],
    fewest: int = FEWEST,
) -> WeighedValue:
    """Measure on these trajectories how a value model is weighed, and keep it in the model's folder.

    `report` gets (done, total) trajectories. Raises as `hear` and `calibrate`, and `ModelUnavailable` where a
    model cannot be loaded.
    """
    clip = profile.clip.model
    fingerprint, file = encoder_fingerprint(clip), space_beside(clip)
    space = None if file is None else load_space(file, fingerprint)
    valuer, texts = _Valuer(load_value_model(model)), _Texts(ClipEncoder.load(clip))
    learner = TasteLearner(RememberedTexts(texts), space)
    slates = await hear(records, learner, valuer, lambda done: report(done, len(records)))
    found = calibrate(slates, fewest)
    measured = {
        "trajectories": len(records),
        "users": sorted({_users_of(record) for record in records}),
        "value_model": content_digest(model),
        "clip": fingerprint,
        "space": None if file is None else content_digest(file),
        **_facts(found),
    }
    return WeighedValue(found, save_calibration(model, found.calibration, measured), measured)


class _Valuer:
    """A value model in this process."""

    def __init__(self, model: ValueModel) -> None:
        self._model = model

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """f(h, p) of every candidate."""
        return await asyncio.to_thread(score, self._model, ValueRequest.from_history(history, candidates))


class _Texts:
    """The texts of a CLIP in this process."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder

    async def __call__(self, texts: Sequence[str]) -> Embedding:
        rows = await asyncio.to_thread(self._encoder.embed_texts, list(texts))
        return np.asarray(rows, np.float32)


def _facts(found: CalibratedValue) -> dict[str, object]:
    return {
        "slates": found.slates,
        "nats": found.nats,
        "doubt": found.doubt,
        "agreement": asdict(found.agreement),
        "agreement_by_turn": [asdict(one) for one in found.by_turn],
    }
