"""Small data sets as publishers lay them out, for tests of readers."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pasta_core.data.records import Record, Tally
from pasta_core.data.sources import open_source, parse_source
from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord
from pasta_core.domain import Candidate, Choice, Slate, TurnRating

ASSETS = Path(__file__).parents[2] / "assets"


def picture(shade: int, form: str = "PNG") -> bytes:
    """The bytes of a small picture of one shade."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((6, 5, 3), shade % 256, np.uint8)).save(buffer, form)
    return buffer.getvalue()


def read(kind: str, path: Path, split: str | None = None) -> tuple[list[Record], Tally]:
    """All records of a source, and what was left out."""
    tally = Tally()
    return list(open_source(parse_source(f"{kind}:{path}"), ASSETS).records(split, tally)), tally


def comparison(number: int, **changes: Any) -> dict[str, Any]:
    """A row of Pick-a-Pic v2."""
    row = {
        "are_different": True,
        "best_image_uid": f"u{number}",
        "caption": "a cat",
        "created_at": 1_700_000_000_000_000_000 + number,
        "has_label": True,
        "image_0_uid": f"u{number}",
        "image_0_url": "https://example.invalid/0",
        "image_1_uid": f"v{number}",
        "image_1_url": "https://example.invalid/1",
        "jpg_0": picture(number),
        "jpg_1": picture(number + 100, "JPEG"),
        "label_0": 1.0,
        "label_1": 0.0,
        "model_0": "m",
        "model_1": "m",
        "ranking_id": number,
        "user_id": number // 4,
        "num_example_per_prompt": 4,
        "__index_level_0__": number,
    }
    return row | changes


def write_pickapic(path: Path, rows: Sequence[Mapping[str, Any]], group: int = 8) -> Path:
    """A shard; columns are those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    if "created_at" in table.column_names and pa.types.is_integer(table.schema.field("created_at").type):
        place = table.column_names.index("created_at")
        dates = table.column("created_at").cast(pa.timestamp("ns"))
        table = table.set_column(place, "created_at", dates)
    pq.write_table(table, path, row_group_size=group)
    return path


def write_json(path: Path, value: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def write_tar(path: Path, members: Mapping[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


SAC_SCHEMA = """
    CREATE TABLE survey (id INTEGER, qid INTEGER, rating INTEGER, PRIMARY KEY (id, qid));
    CREATE TABLE generations (
        id INTEGER PRIMARY KEY, sid INTEGER, method INTEGER, prompt TEXT, verified INTEGER
    );
    CREATE TABLE images (id INTEGER PRIMARY KEY, gid INTEGER, idx INTEGER);
    CREATE TABLE paths (iid INTEGER, path TEXT);
    CREATE TABLE ratings (sid INTEGER, iid INTEGER, rating INTEGER, verified INTEGER);
    CREATE TABLE upscales (iid INTEGER, method INTEGER);
"""


def write_sac(path: Path, tables: Mapping[str, Sequence[tuple[Any, ...]]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(SAC_SCHEMA)
        for table, rows in tables.items():
            for row in rows:
                marks = ", ".join("?" * len(row))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", row)
    return path


def session(number: int = 0, turns: int = 5, base: int = 1) -> dict[str, Any]:
    """A PASTA session in the first layout: a list of turns."""
    return {
        "session_id": f"s{number}",
        "rater_id": f"r{number}",
        "initial_prompt": "an egyptian temple",
        "turns": [
            {
                "turn": turn + base,
                "prompts": [f"temple {column}" for column in range(4)],
                "images": [[f"{column}{index}.png" for index in range(4)] for column in range(4)],
                "choice": (turn + number) % 4 + base,
                "critique": "",
                "preferred": (turn + number) % 4 + base,
                "column_scores": [1, 2, 3, 5],
                "score": 4,
                "comparison": "Better" if turn else None,
                "rationale": "sharp",
            }
            for turn in range(turns)
        ],
    }


def odd_trajectory(
    name: str,
    slate: tuple[int, ...] = (0, 1),
    choice: int = 0,
    rating: TurnRating | None = None,
    sha256: str = "ab" * 32,
    png: bytes | None = None,
) -> TrajectoryRecord:
    """A trajectory of one turn of two columns, of which anything may be odd."""
    candidates = (Candidate("a cat asleep", "pose"), Candidate("a cat at night", "light"))
    images = ((ImageRecord(1, sha256, None, png),), (ImageRecord(2, "cd" * 32, None, picture(4)),))
    turn = TurnRecord(1, candidates, Slate(slate), images, Choice(choice), rating=rating)
    return TrajectoryRecord(
        name, "simulate", True, f"user {name}", "micro", "random", 0, "a cat", turns=(turn,)
    )


def grid() -> dict[str, bytes]:
    """The pictures that `session` names."""
    return {f"{column}{index}.png": picture(16 * column + index) for column in range(4) for index in range(4)}
