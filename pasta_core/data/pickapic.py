"""Pick-a-Pic v1 and v2 as published: Parquet shards, with or without the images (research: PickScore)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pasta_core.data.images import AbsentImage, ImageReference, MemberImage
from pasta_core.data.parquet import ParquetCells, open_parquet, parquet_rows
from pasta_core.data.records import Kind, Pair, Tally
from pasta_core.data.splits import checked_split
from pasta_core.errors import InvalidInput

__all__ = ["COLUMNS", "PickAPic"]

COLUMNS = ("caption", "image_0_uid", "image_1_uid", "label_0")
"""Without these a file is no Pick-a-Pic; the others are read where they are there."""

_OPTIONAL = ("label_1", "user_id", "ranking_id", "created_at", "has_label", "num_example_per_prompt")
_IMAGES = ("jpg_0", "jpg_1")
_SPLITS = ("train", "validation", "test", "validation_unique", "test_unique")
_WORDS = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "testing": "test",
}
"""Other words for a split."""
_NAME = re.compile(
    r"(?<![a-z])(validation_unique|test_unique|(?:train|test)(?:ing)?|validation|valid|val|dev)(?![a-z])"
)
_QUOTE = "[single_quote]"
"""How the web application's data base stored an apostrophe."""


@dataclass(frozen=True)
class PickAPic:
    """A shard, or a folder of them.

    A shard's split is in its name (`test-00000-of-00001-HASH.parquet`), or is its folder's (`default/test/`).
    """

    path: Path
    shards: Mapping[str, tuple[Path, ...]]
    kind = Kind.PICKAPIC

    @classmethod
    def open(cls, path: Path) -> PickAPic:
        """Find the shards and look at their columns; `InvalidInput` where one is not Pick-a-Pic."""
        files = sorted(path.rglob("*.parquet")) if path.is_dir() else [path]
        if not files:
            raise InvalidInput(f"{path} holds no Parquet files", "name the folder of the shards")
        shards: dict[str, tuple[Path, ...]] = {}
        for file in files:
            with open_parquet(file) as parquet:
                missing = [name for name in COLUMNS if name not in parquet.schema_arrow.names]
            if missing:
                raise InvalidInput(f"{file} is not Pick-a-Pic: it lacks the column {missing[0]}")
            split = _split_of(file, path)
            shards[split] = (*shards.get(split, ()), file)
        return cls(path, shards)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(split for split in _SPLITS if split in self.shards)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Pair]:
        """One pair per labelled row; the `_unique` splits repeat rows of others, so all leaves them out."""
        tally = tally or Tally()
        wanted = checked_split(split, self)
        for name in wanted:
            if split is None and name.removesuffix("_unique") != name and len(wanted) > 1:
                tally.note(f"{name} repeats rows of {name.removesuffix('_unique')}: name it to read it")
                continue
            for shard in self.shards[name]:
                yield from _shard(shard, tally)


def _split_of(file: Path, root: Path) -> str:
    """The split that a shard's name says, else the nearest folder's up to `root`; else `InvalidInput`."""
    said: set[str] = {_WORDS.get(word, word) for word in _NAME.findall(file.stem.lower())}
    folder = file.absolute().parent
    while not said:
        if (whole := _NAME.fullmatch(folder.name.lower().removeprefix("partial-"))) is not None:
            said = {_WORDS.get(whole[1], whole[1])}
        elif root.absolute() in (folder, file.absolute()) or folder == folder.parent:
            break
        folder = folder.parent
    if len(said) != 1:
        raise InvalidInput(
            f"{file} does not say which split it is of",
            "name it after its split, such as test-00000-of-00001.parquet, or its folder, such as test",
        )
    return said.pop()


def _shard(path: Path, tally: Tally) -> Iterator[Pair]:
    with open_parquet(path) as file:
        schema = file.schema_arrow
    names = [name for name in (*COLUMNS, *_OPTIONAL) if name in schema.names]
    images = [name for name in _IMAGES if name in schema.names]
    if "user_id" not in names:
        tally.note("there is no user_id: labels are grouped by prompt")
    if len(images) < len(_IMAGES):
        tally.note("the images are not part of this edition")
    cells = ParquetCells(path, images)
    for number, row in parquet_rows(path, names, tally):
        if (label := _label(row, tally)) is None:
            continue
        caption = row["caption"]
        if not isinstance(caption, str) or not caption.strip():
            tally.skip("no caption")
            continue
        prompt = caption.replace(_QUOTE, "'")
        pair = tuple(_image(row, number, side, cells, path, images) for side in (0, 1))
        user = row.get("user_id")
        rater = None if user is None else f"{Kind.PICKAPIC}:{user}"
        yield Pair(
            prompt=prompt,
            images=(pair[0], pair[1]),
            label=label,
            rater=rater,
            group=rater or f"{Kind.PICKAPIC}:prompt:{prompt}",
            weight=_weight(row.get("num_example_per_prompt")),
            order=_order(row, number),
        )


def _label(row: Mapping[str, Any], tally: Tally) -> float | None:
    """The preference for image 0; None, and counted, where the row says none."""
    if row.get("has_label") is False:
        tally.skip("has_label is false")
        return None
    first = row["label_0"]
    second = row.get("label_1", _other(first))
    if (first, second) not in ((1, 0), (0, 1), (0.5, 0.5)):
        tally.skip("the labels are neither a win nor a tie")
        return None
    return float(first)


def _other(first: object) -> float | None:
    """What label_1 is where it is not there."""
    return 1 - first if isinstance(first, (int, float)) else None


def _image(
    row: Mapping[str, Any], number: int, side: int, cells: ParquetCells, path: Path, columns: list[str]
) -> ImageReference:
    name, column = f"{Kind.PICKAPIC}:{row[f'image_{side}_uid']}", f"jpg_{side}"
    if column not in columns:
        return AbsentImage(name)
    return MemberImage(name, str(path), number, partial(cells.read, number, column))


def _weight(examples: Any) -> float:
    """PickScore's weight of a label: one over the number of labels its prompt has."""
    return 1 / examples if isinstance(examples, int) and examples > 0 else 1.0


def _order(row: Mapping[str, Any], number: int) -> int:
    """When the row was made, in microseconds; else its ranking, else its place."""
    given = row.get("created_at"), row.get("ranking_id")
    return next((value for value in given if isinstance(value, int)), number)
