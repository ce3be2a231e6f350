"""Small data sets of drawn scenes whose raters like warm pictures or cold ones, as files and as sessions."""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord, write_trajectories
from pasta_core.domain import Candidate, Choice, Comparison, Slate, TurnRating
from pasta_core.domain import Image as PaintedPicture
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene

__all__ = ["write_pickapic", "write_sessions"]


@dataclass(frozen=True)
class _Picture:
    pixels: npt.NDArray[np.uint8]
    png: bytes
    warmth: float


def _pictures(count: int) -> list[_Picture]:
    rng = random.Random(0)
    drawn = [draw(sample_scene(rng), seed) for seed in range(count)]
    return [
        _Picture(pixels, _png(pixels), float(pixels[..., 0].mean() - pixels[..., 2].mean()))
        for pixels in drawn
    ]


def write_pickapic(folder: Path, raters: int, labels: int, pictures: int = 24) -> Path:
    """Pick-a-Pic's train split: `raters` people, `labels` each; every other person likes the cold."""
    folder.mkdir(parents=True)
    rng, drawn = random.Random(1), _pictures(pictures)
    rows: list[dict[str, Any]] = []
    for user in range(raters):
        for number in range(labels):
            first, second = rng.sample(range(pictures), 2)
            wins = (drawn[first].warmth > drawn[second].warmth) == (user % 2 == 0)
            rows.append(
                {
                    "caption": f"a picture {number % 3}",
                    "image_0_uid": f"picture-{first}",
                    "image_1_uid": f"picture-{second}",
                    "jpg_0": drawn[first].png,
                    "jpg_1": drawn[second].png,
                    "label_0": float(wins),
                    "label_1": float(not wins),
                    "user_id": user,
                    "ranking_id": user * labels + number,
                    "has_label": True,
                }
            )
    pq.write_table(pa.Table.from_pylist(rows), folder / "train-00000-of-00001-0000.parquet")
    return folder


def write_sessions(file: Path, sessions: int, turns: int = 3, columns: int = 2, images: int = 2) -> Path:
    """Trajectories with pictures inside: who likes the cold chooses the coldest column, and says so after."""
    rng, drawn = random.Random(2), _pictures(24)

    def turn(number: int, sign: int, before: float | None) -> tuple[TurnRecord, float]:
        shown = [rng.sample(drawn, images) for _ in range(columns)]
        liking = [sign * max(sign * picture.warmth for picture in column) for column in shown]
        liking = [sign * value for value in liking]
        chosen = max(range(columns), key=lambda column: liking[column])
        scores = tuple(5 if column == chosen else 2 for column in range(columns))
        comparison = None
        if before is not None:
            comparison = Comparison.BETTER if liking[chosen] > before else Comparison.WORSE
        record = TurnRecord(
            number=number,
            candidates=tuple(Candidate(f"picture {column}", str(column)) for column in range(columns)),
            slate=Slate(tuple(range(columns))),
            columns=tuple(tuple(_record(picture) for picture in column) for column in shown),
            choice=Choice(chosen),
            rating=TurnRating(chosen, scores, 3, comparison),
        )
        return record, liking[chosen]

    def session(number: int) -> TrajectoryRecord:
        records: list[TurnRecord] = []
        before: float | None = None
        for place in range(1, turns + 1):
            record, before = turn(place, 1 if number % 2 else -1, before)
            records.append(record)
        return TrajectoryRecord(
            id=f"{number:032x}",
            source="test",
            complete=True,
            user=f"rater-{number}",
            profile="micro",
            selector="random",
            seed=number,
            initial_prompt=f"a picture {number % 3}",
            turns=tuple(records),
        )

    write_trajectories(file, (session(number) for number in range(sessions)))
    return file


def _record(picture: _Picture) -> ImageRecord:
    return ImageRecord(0, PaintedPicture(0, picture.pixels).sha256, None, picture.png)


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
