"""The trajectory schema: what `simulate` and `sessions export` write and every trainer reads.

One row is one trajectory, with its turns and their images nested in it. docs/trajectories.md says what each
column means; `VERSION` is written into every file. A newer one is refused, older ones are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pasta_core.data.embedding_bytes import embedding_from_bytes, embedding_to_bytes
from pasta_core.data.images import said
from pasta_core.data.parquet import DAMAGED
from pasta_core.data.trajectory_records import (
    ImageRecord,
    RefusalRecord,
    ReplacedRecord,
    TrajectoryRecord,
    TurnRecord,
    image_record,
    turn_record,
)
from pasta_core.data.trajectory_schema import SCHEMA, VERSION, VERSION_KEY
from pasta_core.domain import Candidate, Choice, Comparison, Slate, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.files import appearing, make_directory

__all__ = [
    "CLIP",
    "SCHEMA",
    "VERSION",
    "DamagedTrajectories",
    "ImageRecord",
    "RefusalRecord",
    "ReplacedRecord",
    "TrajectoryRecord",
    "TurnRecord",
    "clip_of",
    "image_record",
    "read_embedded",
    "read_sensible",
    "read_trajectories",
    "turn_record",
    "write_trajectories",
]

CLIP = "clip"
"""The key in `versions` of the fingerprint of the CLIP that made the embeddings."""

_ROWS_PER_GROUP = 16
_WRITTEN_BY = "name what `pasta sessions export` or `pasta simulate` wrote"


class DamagedTrajectories(InvalidInput):
    """A file that began as trajectories and cannot be read to its end."""


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

    Raises `InvalidInput` for what is no trajectory file or was written by a newer version, and
    `DamagedTrajectories` where one cannot be read to its end.
    """
    for file in _files(path):
        yield from _read_file(file)


def read_sensible(path: Path) -> Iterator[TrajectoryRecord]:
    """As `read_trajectories`, but `InvalidInput` where one names a prompt, column or type that it has not.

    So it is where a utility, a reward or a belief is no finite number.
    """
    for file in _files(path):
        for record in _read_file(file):
            if not record.makes_sense:
                why = "names a prompt, a column or a type that it has not"
            elif not record.has_numbers:
                why = "has a utility, a reward or a belief that is no finite number"
            else:
                yield record
                continue
            raise InvalidInput(f"{file}: trajectory {record.id} {why}", _WRITTEN_BY)


def read_embedded(path: Path, clip: str) -> Iterator[TrajectoryRecord]:
    """As `read_sensible`, but `InvalidInput` where the embeddings are of another CLIP than this one."""
    for record in read_sensible(path):
        if (clip_of(record) or clip) != clip:
            raise InvalidInput(f"{path} has embeddings of another CLIP", "name the profile it was made with")
        yield record


def clip_of(record: TrajectoryRecord) -> str:
    """The fingerprint of the CLIP that embedded a trajectory's images; empty where it is not known."""
    try:
        document = json.loads(record.versions)
    except (ValueError, RecursionError):
        return ""
    found = document.get(CLIP) if isinstance(document, dict) else None
    return found if isinstance(found, str) else ""


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise InvalidInput(f"there is no {path}", _WRITTEN_BY)
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    if not files:
        raise InvalidInput(f"{path} holds no trajectories", "name a Parquet file, or a folder of them")
    return files


def _read_file(path: Path) -> Iterator[TrajectoryRecord]:
    try:
        parquet = pq.ParquetFile(path)
    except DAMAGED as error:
        raise InvalidInput(
            f"{path} is no Parquet file that can be read ({said(error)})", _WRITTEN_BY
        ) from error
    with parquet:
        version = (parquet.schema_arrow.metadata or {}).get(VERSION_KEY)
        if version is None or not version.isdigit():
            raise InvalidInput(f"{path} holds no trajectories", _WRITTEN_BY)
        if int(version) > VERSION:
            raise InvalidInput(
                f"{path} has trajectory schema {int(version)}, this version reads up to {VERSION}",
                "update pasta",
            )
        yield from _records(parquet, path)


def _records(parquet: pq.ParquetFile, path: Path) -> Iterator[TrajectoryRecord]:
    batches = parquet.iter_batches(batch_size=_ROWS_PER_GROUP)
    while True:
        try:
            batch = next(batches, None)
            if batch is None:
                return
            records = [_record(row) for row in batch.to_pylist()]
        except (*DAMAGED, KeyError, TypeError, AttributeError) as error:
            raise DamagedTrajectories(f"{path} is damaged ({said(error)})", _WRITTEN_BY) from error
        yield from records


def _row(record: TrajectoryRecord) -> dict[str, Any]:
    return {
        **{name: getattr(record, name) for name in SCHEMA.names},
        "initial_images": _image_rows(record.initial_images),
        "turns": [_turn_row(turn) for turn in record.turns],
        "refusals": [{"turn": it.turn, "critique": it.critique, **_slate_row(it)} for it in record.refusals],
    }


def _turn_row(turn: TurnRecord) -> dict[str, Any]:
    return {
        "number": turn.number,
        **_slate_row(turn),
        "choice": turn.choice.column,
        "critique": turn.choice.critique,
        "utilities": turn.utilities,
        "type_utilities": turn.type_utilities,
        "posterior": turn.posterior,
        "reward": turn.reward,
        "rating": None if turn.rating is None else asdict(turn.rating),
    }


def _slate_row(it: TurnRecord | RefusalRecord) -> dict[str, Any]:
    """What was proposed: all that a chosen and a refused slate have in common."""
    return {
        "candidates": [asdict(candidate) for candidate in it.candidates],
        "slate": list(it.slate.indices),
        "values": it.slate.values,
        "all_values": it.slate.all_values,
        "columns": [_image_rows(column) for column in it.columns],
        "replaced": [
            {"column": old.column, "candidate": old.candidate, "images": _image_rows(old.images)}
            for old in it.replaced
        ],
        "max_words": it.max_words,
        "write_seed": it.write_seed,
        "select_seed": it.select_seed,
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
            "refusals": tuple(_refusal(refusal) for refusal in row.get("refusals") or ()),
        }
    )


def _turn(row: dict[str, Any]) -> TurnRecord:
    rating = row["rating"]
    return TurnRecord(
        number=row["number"],
        candidates=tuple(Candidate(**candidate) for candidate in row["candidates"]),
        slate=_slate(row),
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
        replaced=_replaced(row),
    )


def _refusal(row: dict[str, Any]) -> RefusalRecord:
    return RefusalRecord(
        turn=row["turn"],
        candidates=tuple(Candidate(**candidate) for candidate in row["candidates"]),
        slate=_slate(row),
        columns=tuple(_images(column) for column in row["columns"]),
        critique=row["critique"],
        max_words=row["max_words"],
        write_seed=row["write_seed"],
        select_seed=row["select_seed"],
        replaced=_replaced(row),
    )


def _slate(row: dict[str, Any]) -> Slate:
    return Slate(tuple(row["slate"]), _reals(row["values"]), _reals(row.get("all_values")))


def _replaced(row: dict[str, Any]) -> tuple[ReplacedRecord, ...]:
    return tuple(
        ReplacedRecord(it["column"], it["candidate"], _images(it["images"]))
        for it in row.get("replaced") or ()
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
