"""The trajectory schema: what `simulate` and `sessions export` write and every trainer reads.

One row is one trajectory, with its turns and their images nested in it. docs/trajectories.md says what each
column means; `VERSION` is written into every file, and a newer one is refused. Version 2 added what only a
simulation knows: the user's type and the utilities of every type; files of version 1 are read as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasta_core.data.embedding_bytes import embedding_from_bytes, embedding_to_bytes
from pasta_core.data.images import said
from pasta_core.data.parquet import DAMAGED
from pasta_core.domain import Candidate, Choice, Comparison, Embedding, Image, Slate, Turn, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.files import appearing, make_directory

__all__ = [
    "CLIP",
    "SCHEMA",
    "VERSION",
    "ImageRecord",
    "TrajectoryRecord",
    "TurnRecord",
    "image_record",
    "read_trajectories",
    "turn_record",
    "write_trajectories",
]

VERSION = 2

CLIP = "clip"
"""The key in `versions` of the fingerprint of the CLIP that made the embeddings."""

_VERSION_KEY = b"pasta.trajectories.version"
_ROWS_PER_GROUP = 16
_WRITTEN_BY = "name what `pasta sessions export` or `pasta simulate` wrote"

_INTEGERS = pa.list_(pa.int64())
_REALS = pa.list_(pa.float64())
_IMAGE = pa.struct(
    [
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("embedding", pa.binary()),
        pa.field("png", pa.binary()),
    ]
)
_CANDIDATE = pa.struct(
    [pa.field("category", pa.string(), nullable=False), pa.field("prompt", pa.string(), nullable=False)]
)
_RATING = pa.struct(
    [
        pa.field("preferred", pa.int64(), nullable=False),
        pa.field("column_scores", _INTEGERS, nullable=False),
        pa.field("score", pa.int64(), nullable=False),
        pa.field("comparison", pa.string()),
        pa.field("rationale", pa.string(), nullable=False),
    ]
)
_TURN = pa.struct(
    [
        pa.field("number", pa.int64(), nullable=False),
        pa.field("candidates", pa.list_(_CANDIDATE), nullable=False),
        pa.field("slate", _INTEGERS, nullable=False),
        pa.field("values", _REALS),
        pa.field("columns", pa.list_(pa.list_(_IMAGE)), nullable=False),
        pa.field("choice", pa.int64(), nullable=False),
        pa.field("critique", pa.string(), nullable=False),
        pa.field("max_words", pa.int64()),
        pa.field("write_seed", pa.int64()),
        pa.field("select_seed", pa.int64()),
        pa.field("utilities", _REALS),
        pa.field("type_utilities", pa.list_(_REALS)),
        pa.field("posterior", _REALS),
        pa.field("reward", pa.float64()),
        pa.field("rating", _RATING),
    ]
)
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("created_at", pa.timestamp("us", tz="UTC")),
        pa.field("complete", pa.bool_(), nullable=False),
        pa.field("user", pa.string(), nullable=False),
        pa.field("user_type", pa.int64()),
        pa.field("profile", pa.string(), nullable=False),
        pa.field("selector", pa.string(), nullable=False),
        pa.field("seed", pa.int64(), nullable=False),
        pa.field("settings", pa.string(), nullable=False),
        pa.field("versions", pa.string(), nullable=False),
        pa.field("initial_prompt", pa.string(), nullable=False),
        pa.field("initial_images", pa.list_(_IMAGE), nullable=False),
        pa.field("turns", pa.list_(_TURN), nullable=False),
    ],
    metadata={_VERSION_KEY: str(VERSION).encode()},
)


@dataclass(frozen=True, eq=False)
class ImageRecord:
    """One image without its pixels: seed, SHA-256 of its RGB bytes, CLIP embedding (d,), PNG bytes."""

    seed: int
    sha256: str
    embedding: Embedding | None = None
    png: bytes | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ImageRecord) and self._identity() == other._identity()

    def __hash__(self) -> int:
        return hash(self.sha256)

    def _identity(self) -> tuple[int, str, bytes | None, bytes | None]:
        return self.seed, self.sha256, embedding_to_bytes(self.embedding), self.png


@dataclass(frozen=True)
class TurnRecord:
    """One finished turn: what was written, shown, painted and chosen, and what else is known of it.

    `columns[l][m]` is image m of the slate's prompt l. `utilities` has one value per column, `type_utilities`
    one row of them per user type, `posterior` one value per type after the choice; `reward` is r_t, the
    utility of the chosen column on the rewards' scale of 0 to 10.
    """

    number: int
    candidates: tuple[Candidate, ...]
    slate: Slate
    columns: tuple[tuple[ImageRecord, ...], ...]
    choice: Choice
    max_words: int | None = None
    write_seed: int | None = None
    select_seed: int | None = None
    utilities: tuple[float, ...] | None = None
    posterior: tuple[float, ...] | None = None
    reward: float | None = None
    rating: TurnRating | None = None
    type_utilities: tuple[tuple[float, ...], ...] | None = None


@dataclass(frozen=True)
class TrajectoryRecord:
    """One trajectory: how it came about, its initial prompt with turn 0's images, and its finished turns.

    `complete` says that the last planned turn was chosen: sparse rewards exist only then. `settings` and
    `versions` are JSON documents.
    """

    id: str
    source: str
    complete: bool
    user: str
    profile: str
    selector: str
    seed: int
    initial_prompt: str
    initial_images: tuple[ImageRecord, ...] = ()
    turns: tuple[TurnRecord, ...] = ()
    settings: str = "{}"
    versions: str = "{}"
    created_at: datetime | None = None
    user_type: int | None = None


def image_record(image: Image, png: bytes | None = None) -> ImageRecord:
    """The record of an image that has just been painted."""
    return ImageRecord(image.seed, image.sha256, image.embedding, png)


def turn_record(turn: Turn) -> TurnRecord:
    """The record of a chosen turn of a rollout; what else is known of it comes in with `replace`."""
    if turn.choice is None:
        raise ValueError(f"turn {turn.number} has no choice yet")
    columns = tuple(tuple(image_record(image) for image in column) for column in turn.columns)
    return TurnRecord(turn.number, turn.candidates, turn.slate, columns, turn.choice)


def write_trajectories(path: Path, records: Iterable[TrajectoryRecord]) -> int:
    """Write records to one Parquet file, which appears when it is complete; returns how many there were.

    Records are taken as they come, a few at a time. Raises `StorageError`.
    """
    make_directory(path.absolute().parent)
    written, rest = 0, iter(records)
    with appearing(path) as file, pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer:
        while group := list(islice(rest, _ROWS_PER_GROUP)):
            writer.write_table(pa.Table.from_pylist([_row(record) for record in group], schema=SCHEMA))
            written += len(group)
    return written


def read_trajectories(path: Path) -> Iterator[TrajectoryRecord]:
    """Read a file, or every `*.parquet` of a folder in the order of their names, a few records at a time.

    Raises `InvalidInput` for what is no trajectory file or was written by a newer version.
    """
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"{path} holds no trajectories", "name a Parquet file, or a folder of them")
    for file in files:
        yield from _read_file(file)


def _read_file(path: Path) -> Iterator[TrajectoryRecord]:
    try:
        parquet = pq.ParquetFile(path)
    except DAMAGED as error:
        raise InvalidInput(
            f"{path} is no Parquet file that can be read ({said(error)})",
            "name what `pasta sessions export` or `pasta simulate` wrote",
        ) from error
    with parquet:
        version = (parquet.schema_arrow.metadata or {}).get(_VERSION_KEY)
        if version is None or not version.isdigit():
            raise InvalidInput(
                f"{path} holds no trajectories", "name what `pasta sessions export` or `pasta simulate` wrote"
            )
        if int(version) > VERSION:
            raise InvalidInput(
                f"{path} has trajectory schema {int(version)}, this version reads up to {VERSION}",
                "update pasta",
            )
        for batch in parquet.iter_batches(batch_size=_ROWS_PER_GROUP):
            yield from (_record(row) for row in batch.to_pylist())


def _row(record: TrajectoryRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in SCHEMA.names},
        "initial_images": _image_rows(record.initial_images),
        "turns": [_turn_row(turn) for turn in record.turns],
    }


def _turn_row(turn: TurnRecord) -> dict[str, Any]:
    return {
        "number": turn.number,
        "candidates": [asdict(candidate) for candidate in turn.candidates],
        "slate": list(turn.slate.indices),
        "values": turn.slate.values,
        "columns": [_image_rows(column) for column in turn.columns],
        "choice": turn.choice.column,
        "critique": turn.choice.critique,
        "max_words": turn.max_words,
        "write_seed": turn.write_seed,
        "select_seed": turn.select_seed,
        "utilities": turn.utilities,
        "type_utilities": turn.type_utilities,
        "posterior": turn.posterior,
        "reward": turn.reward,
        "rating": None if turn.rating is None else asdict(turn.rating),
    }


def _image_rows(images: Sequence[ImageRecord]) -> list[dict[str, Any]]:
    return [
        {
            "seed": image.seed,
            "sha256": image.sha256,
            "embedding": embedding_to_bytes(image.embedding),
            "png": image.png,
        }
        for image in images
    ]


def _record(row: dict[str, Any]) -> TrajectoryRecord:
    return TrajectoryRecord(
        **{
            **row,
            "initial_images": _images(row["initial_images"]),
            "turns": tuple(_turn(turn) for turn in row["turns"]),
        }
    )


def _turn(row: dict[str, Any]) -> TurnRecord:
    rating = row["rating"]
    return TurnRecord(
        number=row["number"],
        candidates=tuple(Candidate(**candidate) for candidate in row["candidates"]),
        slate=Slate(tuple(row["slate"]), _reals(row["values"])),
        columns=tuple(_images(column) for column in row["columns"]),
        choice=Choice(row["choice"], row["critique"]),
        max_words=row["max_words"],
        write_seed=row["write_seed"],
        select_seed=row["select_seed"],
        utilities=_reals(row["utilities"]),
        posterior=_reals(row["posterior"]),
        reward=row["reward"],
        rating=None if rating is None else _rating(rating),
        type_utilities=_table(row.get("type_utilities")),
    )


def _rating(row: dict[str, Any]) -> TurnRating:
    return TurnRating(
        preferred=row["preferred"],
        column_scores=tuple(row["column_scores"]),
        score=row["score"],
        comparison=None if row["comparison"] is None else Comparison(row["comparison"]),
        rationale=row["rationale"],
    )


def _images(rows: Iterable[dict[str, Any]]) -> tuple[ImageRecord, ...]:
    return tuple(
        ImageRecord(row["seed"], row["sha256"], embedding_from_bytes(row["embedding"]), row["png"])
        for row in rows
    )


def _table(rows: list[list[float]] | None) -> tuple[tuple[float, ...], ...] | None:
    return None if rows is None else tuple(map(tuple, rows))


def _reals(values: list[float] | None) -> tuple[float, ...] | None:
    return None if values is None else tuple(values)
