"""Planted raters in the paper's study (App. B): five turns of a random selector, then the evaluation."""

from __future__ import annotations

import asyncio
import io
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.agent.selectors import RandomSelector
from pasta_core.domain import Choice, History, Image, Painter, Pixels, Turn, Writer
from pasta_core.errors import StorageError
from pasta_core.files import appearing, make_directory, write_atomically
from pasta_core.microworld.captions import caption, sample_mention
from pasta_core.microworld.grammar import held_out_scenes, sample_scene
from pasta_core.microworld.raters import PlantedRater
from pasta_core.microworld.ratings.answers import Verdicts, critic_turn, rate_columns, wished_critique
from pasta_core.microworld.ratings.images import write_zip
from pasta_core.microworld.ratings.pool import Report
from pasta_core.microworld.ratings.population import Member, Population
from pasta_core.seeds import derive_seed
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder
from pasta_core.simulation.rollout import Plan, Services, rollout

__all__ = ["run_study", "write"]

SAID = 0.5
"""Chance that an initial prompt says an attribute of the scene it means."""

AT_ONCE = 3
"""Sessions side by side: one is written for while another is painted."""


@dataclass(frozen=True)
class StudyModels:
    """What a session needs beside its rater: who writes, who paints, and its shape."""

    writer: Writer
    painter: Painter
    settings: SessionSettings


@dataclass(frozen=True)
class Finished:
    """A session that is on the disk: its record, and where its pictures lie."""

    record: Mapping[str, Any]
    pictures: Path


class StudyRater:
    """A planted rater as the user of a session; in a session with a critic one choice carries a critique."""

    def __init__(self, rater: PlantedRater, seed: int) -> None:
        self._rater = rater
        self._seed = seed
        self._critic = critic_turn(seed)

    async def choose(self, history: History, turn: Turn) -> Choice:
        """Choose by the true utilities (§2.2)."""
        columns = [[image.pixels for image in column] for column in turn.columns]
        seed = derive_seed(self._seed, "choice", turn.number)
        column = self._rater.choose(history.initial_prompt, columns, seed).column
        if turn.number != self._critic:
            return Choice(column)
        seed = derive_seed(self._seed, "critique", turn.number)
        return Choice(column, wished_critique(self._rater, turn.shown[column].prompt, seed))


async def run_study(
    population: Population, models: StudyModels, seed: int, folder: Path, report: Report
) -> list[Finished]:
    """Run one session for every rater, without those that a stopped run has finished.

    Each is kept in `folder` when it ends; the same arguments give the same sessions. Raises what the models
    raise.
    """
    make_directory(folder)
    done = 0
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(number: int, member: Member) -> Finished:
        nonlocal done
        async with gate:
            finished = _kept(folder, number, member)
            if finished is None:
                finished = await _session(population, member, number, models, seed, folder)
            done += 1
            report(done, len(population.members))
            return finished

    tasks = [asyncio.create_task(one(number, member)) for number, member in enumerate(population.members)]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _session(
    population: Population, member: Member, number: int, models: StudyModels, seed: int, folder: Path
) -> Finished:
    own = derive_seed(seed, "study", member.spec)
    rater = population.rater(member)
    prompt = initial_prompt(member.split, own)
    services = Services(
        models.writer, RandomSelector(models.settings.form), models.painter, StudyRater(rater, own)
    )
    plan = Plan(member.spec, prompt, own, models.settings)
    history = await rollout(plan, services, MemoryRecorder(), lambda event: None)
    name = f"S{number:05d}"
    record = {
        "session_id": name,
        "rater_id": f"R{number:05d}",
        "split": member.split,
        "initial_prompt": prompt,
        "initial_images": [_file(name, 0, 0, index) for index in range(len(history.initial_images))],
        "turns": _turns(name, history, rater, own),
    }
    pictures = folder / f"{_stem(number, member)}.npy"
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, np.stack([image.pixels for image in _images(history)]))
    write_atomically(pictures, buffer.getvalue())
    # The record comes last: where it is, the session is whole.
    write_atomically(pictures.with_suffix(".json"), json.dumps(record).encode())
    return Finished(record, pictures)


def initial_prompt(split: str, seed: int) -> str:
    """At most 12 words (App. B.1) that name a subject; outside training of a held-out scene."""
    rng = random.Random(derive_seed(seed, "initial prompt"))
    scene = sample_scene(rng) if split == "train" else rng.choice(held_out_scenes())
    said = sample_mention(rng, scene, SAID)
    return caption(replace(said, subject=scene.subject), rng, max_words=12)


def _turns(name: str, history: History, rater: PlantedRater, seed: int) -> list[dict[str, Any]]:
    """Every turn with the evaluation phase's answers; columns count from 1, as on the screen."""
    verdicts = Verdicts(rater, seed)
    before: float | None = None
    rows = []
    for turn in history.turns:
        assert turn.choice is not None
        columns = [[image.pixels for image in column] for column in turn.columns]
        rating, before = rate_columns(verdicts, rater, history.initial_prompt, columns, before)
        rows.append(
            {
                "turn": turn.number,
                "prompts": [candidate.prompt for candidate in turn.shown],
                "images": [
                    [_file(name, turn.number, column, index) for index in range(len(images))]
                    for column, images in enumerate(turn.columns)
                ],
                "choice": turn.choice.column + 1,
                "critique": turn.choice.critique,
                **asdict(rating),
                "preferred": rating.preferred + 1,
            }
        )
    return rows


def write(population: Population, finished: Sequence[Finished], out: Path) -> dict[str, str]:
    """Write `sessions.jsonl` and `images.zip`; returns what each rater is called, by its specification."""
    make_directory(out)
    lines = "".join(json.dumps(session.record) + "\n" for session in finished)
    write_atomically(out / "sessions.jsonl", lines.encode())
    with appearing(out / "images.zip") as file:
        write_zip(file, _members(finished))
    return {
        member.spec: f"pasta:{session.record['rater_id']}"
        for member, session in zip(population.members, finished, strict=True)
    }


def _members(finished: Sequence[Finished]) -> Iterator[tuple[str, Pixels]]:
    for session in finished:
        turns = session.record["turns"]
        shown = [name for turn in turns for column in turn["images"] for name in column]
        names = [*session.record["initial_images"], *shown]
        yield from zip(names, np.load(session.pictures, allow_pickle=False), strict=True)


def _images(history: History) -> Iterator[Image]:
    """All pictures of a session, in the order of `_members`."""
    yield from history.initial_images
    for turn in history.turns:
        for column in turn.columns:
            yield from column


def _file(session: str, turn: int, column: int, index: int) -> str:
    return f"images/{session}/turn-{turn}-column-{column + 1}-image-{index + 1}.png"


def _stem(number: int, member: Member) -> str:
    return f"{number:05d}-{member.archetype}-{member.individual}"


def _kept(folder: Path, number: int, member: Member) -> Finished | None:
    path = folder / f"{_stem(number, member)}.json"
    try:
        return Finished(json.loads(path.read_bytes()), path.with_suffix(".npy"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} is damaged", "remove it: its session is run again") from error
