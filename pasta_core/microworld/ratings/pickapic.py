"""Planted ratings as Pick-a-Pic: series of comparisons in which the winner stays."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pasta_core.files import appearing, make_directory
from pasta_core.microworld.ratings.answers import Panel, Verdicts
from pasta_core.microworld.ratings.images import png
from pasta_core.microworld.ratings.pool import PoolPlan
from pasta_core.microworld.ratings.population import Member, Population
from pasta_core.seeds import derive_seed

__all__ = ["PER_PROMPT", "SCHEMA", "plans", "write"]

PER_PROMPT = 10
SERIES = 8
"""Comparisons of a whole series; the last of a rater may be shorter."""

UNLABELLED = 0.02
"""Share of rows that a rater left without an answer."""

_ROWS_PER_GROUP = 100
_BEGIN = datetime(2023, 1, 1)
_PAUSE = timedelta(seconds=7)

SCHEMA = pa.schema(
    [
        ("are_different", pa.bool_()),
        ("best_image_uid", pa.string()),
        ("caption", pa.string()),
        ("created_at", pa.timestamp("ns")),
        ("has_label", pa.bool_()),
        ("image_0_uid", pa.string()),
        ("image_0_url", pa.string()),
        ("image_1_uid", pa.string()),
        ("image_1_url", pa.string()),
        ("jpg_0", pa.binary()),
        ("jpg_1", pa.binary()),
        ("label_0", pa.float64()),
        ("label_1", pa.float64()),
        ("model_0", pa.string()),
        ("model_1", pa.string()),
        ("ranking_id", pa.int64()),
        ("user_id", pa.int64()),
        ("num_example_per_prompt", pa.int64()),
        ("__index_level_0__", pa.int64()),
    ]
)
"""The published columns."""


@dataclass(frozen=True)
class _Shown:
    """One comparison: where the pictures lie in the pool, and the label (None: no answer)."""

    prompt: int
    pictures: tuple[int, int]
    label: float | None
    user: int


def plans(population: Population, labels: int, images: int | None, seed: int) -> tuple[PoolPlan, ...]:
    """The pools that are needed: by default two raters a prompt."""
    found = []
    for split, share in (("train", 1.0), ("validation", 0.125), ("test", 0.25)):
        each = -(-labels // SERIES)
        shared = -(-len(population.of(split)) * each // 2)
        wanted = shared if images is None else round(images * share / PER_PROMPT)
        # A rater sees no prompt twice.
        found.append(PoolPlan(split, max(each, wanted), PER_PROMPT, seed))
    return tuple(found)


def write(
    population: Population, panels: Mapping[str, Panel], labels: int, seed: int, out: Path
) -> dict[str, str]:
    """Write `data/SPLIT-00000-of-00001-HASH.parquet`; returns what each rater is called."""
    folder = out / "data"
    make_directory(folder)
    users = {member.spec: number for number, member in enumerate(population.members, 1)}
    ranking = 0
    for split, panel in panels.items():
        shown = [
            comparison
            for member in population.of(split)
            for comparison in _labelled(population, member, panel, labels, seed, users[member.spec])
        ]
        _write_shard(folder, split, panel, shown, ranking)
        if split != "train":
            first = {comparison.prompt: comparison for comparison in reversed(shown)}
            unique = [first[prompt] for prompt in sorted(first)]
            _write_shard(folder, f"{split}_unique", panel, unique, ranking)
        ranking += len(shown)
    return {spec: f"pickapic:{number}" for spec, number in users.items()}


def _labelled(
    population: Population, member: Member, panel: Panel, labels: int, seed: int, user: int
) -> Iterator[_Shown]:
    """One rater's series: in each the winner stays, and the loser makes room for a picture not seen yet."""
    rater = population.rater(member)
    verdicts = Verdicts(rater, seed)
    rng = np.random.default_rng(derive_seed(seed, "series", member.spec))
    prompts = len(panel.pool.prompts)
    left = labels
    for prompt in rng.choice(prompts, size=min(-(-labels // SERIES), prompts), replace=False):
        utilities = panel.utilities(rater, int(prompt))
        unseen = list(rng.permutation(len(utilities)))
        pair = [int(unseen.pop()), int(unseen.pop())]
        for _ in range(min(SERIES, left)):
            answered = rng.random() >= UNLABELLED
            label = verdicts.prefer(utilities[pair[0]], utilities[pair[1]])
            yield _Shown(int(prompt), (pair[0], pair[1]), label if answered else None, user)
            left -= 1
            # On a tie a random one stays, as in the web application.
            loser = int(rng.integers(2)) if label == 0.5 else int(label == 1)
            if unseen:
                pair[loser] = int(unseen.pop())


def _write_shard(folder: Path, split: str, panel: Panel, shown: list[_Shown], ranking: int) -> None:
    per_prompt = Counter(comparison.prompt for comparison in shown)
    digest = hashlib.sha256(f"{split} {panel.pool.prompts}".encode()).hexdigest()[:16]
    # Every rater of a picture has its own copy in the file; it is encoded once.
    pictures = _Pictures(panel)
    path = folder / f"{split}-00000-of-00001-{digest}.parquet"
    with appearing(path) as file, pq.ParquetWriter(file, SCHEMA, compression="snappy") as writer:
        for start in range(0, len(shown), _ROWS_PER_GROUP):
            rows = [
                _row(comparison, pictures, ranking + start + offset, per_prompt[comparison.prompt])
                for offset, comparison in enumerate(shown[start : start + _ROWS_PER_GROUP])
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))


class _Pictures:
    """A pool's pictures as PNG, kept once they were asked for."""

    def __init__(self, panel: Panel) -> None:
        self.pool = panel.pool
        self._encoded: dict[tuple[int, int], bytes] = {}

    def __call__(self, prompt: int, picture: int) -> bytes:
        place = (prompt, picture)
        if place not in self._encoded:
            self._encoded[place] = png(self.pool.pixels[place])
        return self._encoded[place]


def _row(shown: _Shown, pictures: _Pictures, ranking: int, examples: int) -> dict[str, Any]:
    pool = pictures.pool
    encoded = [pictures(shown.prompt, picture) for picture in shown.pictures]
    uids = [f"{pool.split}-{shown.prompt:05d}-{picture:02d}" for picture in shown.pictures]
    label = shown.label
    best = "none" if label in (None, 0.5) else uids[int(label == 0)]
    return {
        "are_different": True,
        "best_image_uid": best,
        # How the web application's data base stored an apostrophe.
        "caption": pool.prompts[shown.prompt].replace("'", "[single_quote]"),
        "created_at": _BEGIN + ranking * _PAUSE,
        "has_label": label is not None,
        "image_0_uid": uids[0],
        "image_0_url": f"https://example.invalid/{uids[0]}.png",
        "image_1_uid": uids[1],
        "image_1_url": f"https://example.invalid/{uids[1]}.png",
        "jpg_0": encoded[0],
        "jpg_1": encoded[1],
        "label_0": 0.0 if label is None else label,
        "label_1": 0.0 if label is None else 1 - label,
        "model_0": "micro",
        "model_1": "micro",
        "ranking_id": ranking,
        "user_id": shown.user,
        "num_example_per_prompt": examples,
        "__index_level_0__": ranking,
    }
