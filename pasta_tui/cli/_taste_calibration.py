"""Calibrating a value model beside a taste, and what came of it, as text and as JSON."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner
from pasta_core.agent.value_calibration import save_calibration
from pasta_core.agent.value_model import ValueModel
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.configuration import configure
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.sources import SourceSpec, parse_source
from pasta_core.data.trajectories import TrajectoryRecord, read_embedded
from pasta_core.domain import Candidate, Embedding, History
from pasta_core.engines.fingerprints import content_digest
from pasta_core.errors import InvalidInput
from pasta_core.training.value_calibration import Agreement, CalibratedValue, calibrate, hear
from pasta_core.training.value_sources import check_value_sources
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.taste_space_files import load_space, space_beside
from pasta_tui.console.output import Output

__all__ = ["measure"]

_MODEL = "model"
"""How the names of simulated users of a user model begin."""


def measure(data: Sequence[str], model: Path | None, profile: str | None, as_json: bool) -> None:
    """Measure how a value model is weighed beside a profile's taste, and keep it in the model's folder."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    folder = model or config.profile.value_model
    if folder is None:
        raise InvalidInput(f"profile {config.profile.name} has no value model", "name one: --value-model DIR")
    specs = [parse_source(text) for text in data]
    check_value_sources(specs)
    _refuse_weights(specs)
    clip = config.profile.clip.model
    fingerprint, file = encoder_fingerprint(clip), space_beside(clip)
    space = None if file is None else load_space(file, fingerprint)
    records = _of_model_users(specs, fingerprint)
    out.progress("loading the models")
    valuer, encoder = _Valuer(load_value_model(folder)), ClipEncoder.load(clip)
    learner = TasteLearner(RememberedTexts(_Texts(encoder)), space)
    slates = hear(records, learner, valuer, lambda done: out.progress("listening", done, len(records)))
    found = calibrate(slates)
    provenance = {
        "trajectories": len(records),
        "users": sorted({record.user.rpartition(":")[0] for record in records}),
        "value_model": content_digest(folder),
        "clip": fingerprint,
        "space": None if file is None else content_digest(file),
        **_facts(found),
    }
    place = save_calibration(folder, found.calibration, provenance)
    out.end_progress()
    if as_json:
        out.document({"path": str(place), **asdict(found.calibration), "measured": provenance})
        return
    out.message("\n".join(_lines(found)))
    out.data(str(place))


def _refuse_weights(specs: Sequence[SourceSpec]) -> None:
    for spec in specs:
        if spec.weight != 1:
            raise InvalidInput(
                f"{spec}: every slate counts once here", f"leave the weight out: {spec.kind}:{spec.path}"
            )


def _of_model_users(specs: Sequence[SourceSpec], clip: str) -> list[TrajectoryRecord]:
    """The trajectories, all with this CLIP's embeddings and of a user model's users.

    Planted raters are what selectors are measured on, so nothing may be tuned to them.
    """
    found = []
    for spec in specs:
        for record in read_embedded(spec.path, clip):
            if record.user.partition(":")[0] != _MODEL:
                raise InvalidInput(
                    f"{spec} has choices of {record.user.rpartition(':')[0] or record.user}, "
                    "and this is measured on a user model's users alone",
                    "'pasta simulate --users model --embeddings' makes them",
                )
            found.append(record)
    return found


class _Valuer:
    """A value model in this process."""

    def __init__(self, model: ValueModel) -> None:
        self._model = model

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        """f(h, p) of every candidate."""
        return score(self._model, ValueRequest.from_history(history, candidates))


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


def _lines(found: CalibratedValue) -> list[str]:
    made = found.calibration
    return [
        f"{found.slates:,} slates: f = {made.slope:.3f} g + {made.shared:.3f} m, error {made.deviation:.3f}; "
        f"it measures utilities with a variance of {made.variance:.2f} nats squared",
        f"the taste errs {found.doubt:.2f} times as much (squared) as it says",
        f"correlation with utilities within slates: {_said(found.agreement)}",
        *(f"  turn {turn}: {_said(one)}" for turn, one in enumerate(found.by_turn, 1)),
    ]


def _said(one: Agreement) -> str:
    return f"taste {one.taste:.2f}, value model {one.value:.2f}, both {one.both:.2f}"
