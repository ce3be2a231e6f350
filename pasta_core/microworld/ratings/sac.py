"""Planted ratings as Simulacra Aesthetic Captions: an SQLite file with surveys, and a tar of PNG files."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import numpy as np

from pasta_core.data.splits import split_of
from pasta_core.domain import Pixels
from pasta_core.files import appearing, make_directory, write_atomically
from pasta_core.microworld.ratings.answers import Panel, Verdicts
from pasta_core.microworld.ratings.images import write_tar
from pasta_core.microworld.ratings.pool import Pool, PoolPlan
from pasta_core.microworld.ratings.population import SPLITS, Population
from pasta_core.seeds import derive_seed

__all__ = ["plans", "write"]

PER_PROMPT = 4
DATABASE = "sac_public_2022_06_29.sqlite"
PREFIX = "home/jdp/simulacra-aesthetic-captions/"
"""How the published archive's members begin."""

UNRATED = 0.03
"""Share of ratings that are NULL."""

QUESTIONS = 20

_SCHEMA = """
    CREATE TABLE survey (id INTEGER, qid INTEGER, rating INTEGER, PRIMARY KEY (id, qid));
    CREATE TABLE generations (
        id INTEGER PRIMARY KEY, sid INTEGER, method INTEGER, prompt TEXT, verified INTEGER
    );
    CREATE TABLE images (id INTEGER PRIMARY KEY, gid INTEGER, idx INTEGER);
    CREATE TABLE paths (iid INTEGER, path TEXT);
    CREATE TABLE ratings (sid INTEGER, iid INTEGER, rating INTEGER, verified INTEGER);
    CREATE TABLE upscales (iid INTEGER, method INTEGER);
"""


def plans(population: Population, labels: int, images: int | None, seed: int) -> tuple[PoolPlan, ...]:
    """The pools that are needed: by default about two ratings an image."""
    found = []
    for split, share in (("train", 1.0), ("validation", 0.125), ("test", 0.25)):
        rated = len(population.of(split)) * labels
        wanted = max(labels, rated // 2) if images is None else round(images * share)
        found.append(PoolPlan(split, max(1, -(-wanted // PER_PROMPT)), PER_PROMPT, seed))
    return tuple(found)


def write(
    population: Population, panels: Mapping[str, Panel], labels: int, seed: int, out: Path
) -> dict[str, str]:
    """Write the data base and `sac.tar`; returns what each rater is called."""
    make_directory(out)
    surveys = _surveys(population)
    with tempfile.TemporaryDirectory(dir=out, prefix=".sac-") as folder:
        path = Path(folder) / DATABASE
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(_SCHEMA)
            _fill(connection, population, panels, labels, seed, surveys)
        write_atomically(out / DATABASE, path.read_bytes())
    with appearing(out / "sac.tar") as file:
        write_tar(file, _members(panels))
    return {spec: f"sac:{sid}" for spec, sid in surveys.items()}


def _surveys(population: Population) -> dict[str, int]:
    """A survey number for each rater, whose hash puts it into its split when it is read."""

    def of(split: str) -> Iterator[int]:
        return (sid for sid in count(1) if split_of(f"sac:{sid}") == split)

    numbers = {split: of(split) for split in SPLITS}
    return {member.spec: next(numbers[member.split]) for member in population.members}


def _fill(
    connection: sqlite3.Connection,
    population: Population,
    panels: Mapping[str, Panel],
    labels: int,
    seed: int,
    surveys: Mapping[str, int],
) -> None:
    rng = np.random.default_rng(derive_seed(seed, "surveys"))
    for sid in surveys.values():
        answers = rng.integers(1, 11, QUESTIONS)
        rows = [(sid, qid, int(answer)) for qid, answer in enumerate(answers)]
        connection.executemany("INSERT INTO survey VALUES (?, ?, ?)", rows)
    first = {split: sum(len(panel.pool.prompts) for panel in _before(panels, split)) for split in panels}
    for split, panel in panels.items():
        for prompt, text in enumerate(panel.pool.prompts):
            gid = first[split] + prompt + 1
            connection.execute("INSERT INTO generations VALUES (?, ?, 3, ?, 1)", (gid, 1, text))
            for picture in range(PER_PROMPT):
                iid = (gid - 1) * PER_PROMPT + picture + 1
                connection.execute("INSERT INTO images VALUES (?, ?, ?)", (iid, gid, picture + 1))
                path = f"{PREFIX}{_file(gid, text, picture)}"
                connection.execute("INSERT INTO paths VALUES (?, ?)", (iid, path))
    for split, panel in panels.items():
        for member in population.of(split):
            rater = population.rater(member)
            verdicts = Verdicts(rater, seed)
            rng = np.random.default_rng(derive_seed(seed, "ratings", member.spec))
            pictures = len(panel.pool.prompts) * PER_PROMPT
            for place in rng.choice(pictures, size=min(labels, pictures), replace=False):
                prompt, picture = divmod(int(place), PER_PROMPT)
                rating = verdicts.rate(float(panel.utilities(rater, prompt)[picture]))
                connection.execute(
                    "INSERT INTO ratings VALUES (?, ?, ?, 1)",
                    (
                        surveys[member.spec],
                        first[split] * PER_PROMPT + int(place) + 1,
                        None if rng.random() < UNRATED else rating,
                    ),
                )


def _before(panels: Mapping[str, Panel], split: str) -> Iterator[Panel]:
    for name, panel in panels.items():
        if name == split:
            return
        yield panel


def _members(panels: Mapping[str, Panel]) -> Iterator[tuple[str, Pixels]]:
    gid = 0
    for panel in panels.values():
        pool: Pool = panel.pool
        for prompt, text in enumerate(pool.prompts):
            gid += 1
            for picture in range(PER_PROMPT):
                yield f"{PREFIX}{_file(gid, text, picture)}", pool.pixels[prompt, picture]


def _file(gid: int, prompt: str, picture: int) -> str:
    return f"{gid}_{prompt.replace(' ', '_').replace('/', '_')}_{picture + 1}.png"
