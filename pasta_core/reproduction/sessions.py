"""The agent's data: simulated trajectories (§4.2), sessions of people (§4.1), and their rewards (B.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

from pasta_core.data.trajectories import (
    ImageRecord,
    TrajectoryRecord,
    TurnRecord,
    read_trajectories,
    write_trajectories,
)
from pasta_core.domain import TurnRating
from pasta_core.engines.runs import Finish, SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.raters import PlantedRater, RaterSheet
from pasta_core.microworld.ratings.answers import Verdicts, rate_columns
from pasta_core.reproduction.lab import Lab, Stop, stopped
from pasta_core.reproduction.pictures import pixels_of
from pasta_core.reproduction.ratings import PEOPLE, USERS, user_model_folder
from pasta_core.reproduction.steps import Finding, Inputs, Settings, Step
from pasta_core.sessions.provenance import versions
from pasta_core.settings import SessionSettings
from pasta_core.simulation.identifiability import type_report
from pasta_core.simulation.records import Details
from pasta_core.simulation.shards import ShardFolder
from pasta_core.training.value_rewards import rewards_by

__all__ = ["LABELLED", "SHARDS", "labels_step", "people_step", "simulation_step"]

SHARDS = PEOPLE
"""Where a step that simulates keeps its shards."""
LABELLED = "labelled.parquet"


def simulation_step(trajectories: int, session: SessionSettings) -> Step:
    """Simulate users of the learned model under random slates (C.1); ask what tells them apart (C.2)."""

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        users = UsersSpec(user_model_folder(inputs[USERS]))
        details = Details(lab.profile.name, versions())
        await _simulate(lab, users, trajectories, folder / SHARDS, details, session)
        report = await lab.in_thread(lambda stop: type_report(_until(stop, folder / SHARDS)))
        return Finding(
            {
                "trajectories": report.trajectories,
                "pairs": len(report.pairs),
                "pairs_told_apart": sum(pair.separate for pair in report.pairs),
                "groups": [list(group) for group in report.groups],
            },
            (f"{SHARDS}/manifest.json",),
        )

    return Step(
        "simulated",
        "simulate users of the model",
        {"trajectories": trajectories, "session": asdict(session)},
        (USERS,),
        work,
    )


def _until(stop: Stop, place: Path) -> Iterator[TrajectoryRecord]:
    """The trajectories in a folder; `Cancelled` where somebody asked to stop."""
    for record in read_trajectories(place):
        if stop():
            raise stopped()
        yield record


def people_step(sessions: int, pictures: int, shape: Settings) -> Step:
    """Planted raters play the humans of §4.1: they choose, then answer the evaluation phase (B.2).

    What nobody could know of a person is taken away: tastes, utilities, rewards. So many first sessions keep
    their pictures.
    """

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        details = Details(lab.profile.name, versions(), images=True, embeddings=True)
        sheet, eyes = RaterSheet.load(lab.paths.assets), Eyes.load(lab.paths.assets / "micro" / "eyes")

        def finish(record: TrajectoryRecord) -> TrajectoryRecord:
            rater = _rater(record.user, sheet, eyes)
            return _as_of_a_person(record, rater, pictures=int(record.id) < pictures)

        users = UsersSpec(None, "train")
        await _simulate(lab, users, sessions, folder / SHARDS, details, lab.settings, finish)
        return Finding({"sessions": sessions, "raters_sha256": sheet.sha256}, (f"{SHARDS}/manifest.json",))

    return Step(
        "people",
        "let planted raters play the humans",
        {"sessions": sessions, "pictures": pictures, "session": shape},
        (),
        work,
    )


async def _simulate(
    lab: Lab,
    users: UsersSpec,
    count: int,
    place: Path,
    details: Details,
    session: SessionSettings,
    finish: Finish | None = None,
) -> None:
    seed = lab.seed_of("data", users.planted)
    selector, assets = SelectorSpec("random"), lab.paths.assets
    run = SimulationRun(lab.profile, session, users, selector, None, seed, assets)
    folder = ShardFolder(place, run.plan(), count, versions(), lab.scale.shard)
    with folder.opened(resume=True) as missing:
        if not missing:
            return
        async with lab.engine(users, session) as engine:
            details = replace(details, versions=folder.begun_with)
            await run.fill(folder, missing, engine, details, lab.pace("trajectories"), finish)


def _rater(spec: str, sheet: RaterSheet, eyes: Eyes) -> PlantedRater:
    _, name, individual = spec.split(":")
    return PlantedRater(sheet, sheet.named(name), int(individual), eyes)


def _as_of_a_person(record: TrajectoryRecord, rater: PlantedRater, pictures: bool) -> TrajectoryRecord:
    """A trajectory of a planted rater with the answers of the evaluation phase, and without the truth."""
    verdicts = Verdicts(rater, record.seed)
    before: float | None = None
    turns = []
    for turn in record.turns:
        columns = [[pixels_of(image) for image in column] for column in turn.columns]
        rating, before = rate_columns(verdicts, rater, record.initial_prompt, columns, before)
        turns.append(_told(turn, rating, pictures))
    return replace(
        record,
        user=f"person {record.id}",
        user_type=None,
        initial_images=tuple(_kept(image, pictures) for image in record.initial_images),
        turns=tuple(turns),
    )


def _told(turn: TurnRecord, rating: TurnRating, pictures: bool) -> TurnRecord:
    return replace(
        turn,
        columns=tuple(tuple(_kept(image, pictures) for image in column) for column in turn.columns),
        utilities=None,
        type_utilities=None,
        posterior=None,
        reward=None,
        rating=rating,
    )


def _kept(image: ImageRecord, picture: bool) -> ImageRecord:
    return image if picture else replace(image, png=None)


def labels_step() -> Step:
    """Give people's sessions rewards by the user model's most likely type (App. B.4)."""

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        source = inputs["people"].folder / SHARDS
        users = user_model_folder(inputs[USERS])
        return Finding(
            await lab.in_thread(lambda stop: _label(lab, users, source, folder / LABELLED, stop)), (LABELLED,)
        )

    return Step("labels", "give people's sessions rewards", {}, (USERS, "people"), work)


def _label(lab: Lab, users: Path, source: Path, target: Path, stop: Stop) -> dict[str, int]:
    label = rewards_by(users, lab.paths, lab.profile.name)
    found, pace = [], lab.pace("sessions")
    records = list(read_trajectories(source))
    for number, record in enumerate(records, 1):
        if stop():
            raise stopped()
        found.append(label(record))
        pace(number, len(records))
    write_trajectories(target, found)
    paid = sum(all(turn.reward is not None for turn in record.turns) for record in found)
    return {"sessions": len(found), "with_rewards": paid}
