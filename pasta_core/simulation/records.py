"""A finished rollout as a trajectory record, with all that a simulation knows of its user."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from io import BytesIO

from pasta_core.agent.budget import word_budget
from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord, turn_record
from pasta_core.domain import History, Image, Pixels, Turn
from pasta_core.simulation.rollout import Plan
from pasta_core.simulation.users import Judgement, Population, SimulatedUser
from pasta_core.text import count_words
from pasta_core.users.posterior import observe, prior_belief, probabilities

__all__ = ["SOURCE", "Details", "trajectory_record"]

SOURCE = "simulate"


@dataclass(frozen=True)
class Details:
    """What records say beside what happened: names, versions, and whether they carry images."""

    profile: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    images: bool = False
    embeddings: bool = False


def trajectory_record(
    name: str,
    plan: Plan,
    history: History,
    selector: str,
    user: SimulatedUser,
    judgements: Sequence[Judgement],
    population: Population,
    details: Details,
) -> TrajectoryRecord:
    """The record of a finished rollout; `judgements` are what its user thought, one a turn."""
    posteriors = _posteriors(judgements, population)
    return TrajectoryRecord(
        id=name,
        source=SOURCE,
        complete=True,
        user=user.spec,
        user_type=user.type,
        profile=details.profile,
        selector=selector,
        seed=plan.seed,
        initial_prompt=history.initial_prompt,
        initial_images=tuple(_image(image, details) for image in history.initial_images),
        turns=tuple(
            _judged(_turn(turn, plan, details), judgement, posterior, population)
            for turn, judgement, posterior in zip(history.turns, judgements, posteriors, strict=True)
        ),
        settings=json.dumps(asdict(plan.settings), sort_keys=True),
        versions=json.dumps(dict(details.versions), sort_keys=True),
    )


def _turn(turn: Turn, plan: Plan, details: Details) -> TurnRecord:
    settings = plan.settings
    return replace(
        turn_record(turn),
        columns=tuple(tuple(_image(image, details) for image in column) for column in turn.columns),
        max_words=word_budget(count_words(plan.prompt), turn.number, settings.turns, settings.max_words),
        write_seed=plan.seed_of(turn.number, "write"),
        select_seed=plan.seed_of(turn.number, "select"),
    )


def _judged(
    turn: TurnRecord, judgement: Judgement, posterior: tuple[float, ...] | None, population: Population
) -> TurnRecord:
    appraisal = judgement.appraisal
    return replace(
        turn,
        utilities=judgement.utilities,
        type_utilities=None if appraisal is None else tuple(map(tuple, appraisal.utilities.tolist())),
        posterior=posterior,
        reward=population.scale.reward(judgement.utilities[judgement.choice.column]),
    )


def _posteriors(
    judgements: Sequence[Judgement], population: Population
) -> Iterator[tuple[float, ...] | None]:
    """The belief over types after each turn: the prior and all choices so far (§5.3)."""
    belief = None if population.appraiser is None else prior_belief(population.appraiser.prior)
    for judgement in judgements:
        if belief is None or judgement.appraisal is None:
            yield None
            continue
        belief = observe(belief, judgement.appraisal.log_choices[:, judgement.choice.column])
        yield tuple(map(float, probabilities(belief)))


def _image(image: Image, details: Details) -> ImageRecord:
    return ImageRecord(
        image.seed,
        image.sha256,
        image.embedding if details.embeddings else None,
        _png(image.pixels) if details.images else None,
    )


def _png(pixels: Pixels) -> bytes:
    from PIL import Image as Pillow

    buffer = BytesIO()
    Pillow.fromarray(pixels).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
