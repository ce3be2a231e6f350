"""Simulacra Aesthetic Captions as published: an SQLite file, and PNG files in folders or `sac.tar`."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from pasta_core.data.archives import FolderImages, ImagePlace, archives_in
from pasta_core.data.images import AbsentImage, ImageReference, said
from pasta_core.data.records import Kind, Rating, Tally
from pasta_core.data.splits import HASHED, checked_split, split_of
from pasta_core.errors import InvalidInput

__all__ = ["SCALE", "Simulacra"]

SCALE = (1, 10)
"""The lowest and the highest rating; in [0, 1] a rating r is (r - 1) / 9."""

_DAMAGED = (sqlite3.Error, UnicodeError)
"""What reading a damaged data base raises; its own complaints may be cut from damaged text."""

_TABLES = {
    "ratings": ("sid", "iid", "rating"),
    "images": ("id", "gid", "idx"),
    "generations": ("id", "prompt"),
    "paths": ("iid", "path"),
}
_QUERY = """
    SELECT ratings.sid, ratings.iid, ratings.rating, generations.prompt, images.gid, images.idx, files.path
    FROM ratings
    LEFT JOIN images ON images.id = ratings.iid
    LEFT JOIN generations ON generations.id = images.gid
    LEFT JOIN (SELECT iid, MIN(path) AS path FROM paths GROUP BY iid) AS files ON files.iid = ratings.iid
    ORDER BY ratings.sid, ratings.iid, ratings.rating
"""
_FILE = re.compile(r"(\d+)_(?:.*_)?(\d+)\.\w+", re.DOTALL)
"""`{generation}_{prompt}_{index}.png`, or without the prompt where an extraction shortened the name."""


@dataclass(frozen=True)
class Simulacra:
    """The data base file, or the folder it lies in with the images.

    Who rated is told by `sid`, the answers to the survey: there is no table of users and no published split,
    so raters are split by a hash (`split_of`).
    """

    path: Path
    database: Path
    kind = Kind.SAC
    splits = HASHED

    @classmethod
    def open(cls, path: Path) -> Simulacra:
        """Find the data base and check its tables; `InvalidInput` where it is none or another one."""
        database = path
        if path.is_dir():
            found = sorted(file for end in ("*.sqlite", "*.sqlite3", "*.db") for file in path.glob(end))
            if not found:
                raise InvalidInput(f"{path} holds no SQLite file", "name the folder of sac_public_*.sqlite")
            database = found[0]
        try:
            with closing(_connect(database)) as connection:
                for table, columns in _TABLES.items():
                    connection.execute(f"SELECT {', '.join(columns)} FROM {table} LIMIT 1").fetchone()
        except _DAMAGED as error:
            raise InvalidInput(f"{database} is not the data base of SAC ({said(error)})") from error
        return cls(path, database)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Rating]:
        """One rating per row that has one, in the order of raters and images."""
        tally = tally or Tally()
        wanted = checked_split(split, self)
        files = _Files(self.database.parent, tally)
        for row in self._rows(tally):
            rater = None if row["sid"] is None else f"{Kind.SAC}:{row['sid']}"
            prompt = row["prompt"]
            group = rater or f"{Kind.SAC}:prompt:{prompt}"
            if split_of(group) not in wanted:
                continue
            if (value := _value(row["rating"], tally)) is None:
                continue
            if not isinstance(prompt, str) or not prompt.strip():
                tally.skip("no prompt")
            elif (image := files.find(row)) is None:
                tally.skip("an image is missing")
            else:
                yield Rating(prompt, image, value, rater, group)

    def _rows(self, tally: Tally) -> Iterator[Mapping[str, Any]]:
        try:
            with closing(_connect(self.database)) as connection:
                for row in connection.execute(_QUERY):
                    yield dict(row)
        except _DAMAGED as error:
            tally.skip("the data base is damaged from here on")
            tally.note(f"{self.database.name}: {said(error)}")


def _connect(path: Path) -> sqlite3.Connection:
    """Open for reading only: nothing is written beside the file, not even a journal."""
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(address, uri=True)
    connection.row_factory = sqlite3.Row
    connection.text_factory = lambda raw: raw.decode("utf-8", errors="replace")
    return connection


def _value(rating: object, tally: Tally) -> float | None:
    if rating is None:
        tally.skip("no rating")
        return None
    low, high = SCALE
    if not isinstance(rating, (int, float)) or not low <= rating <= high:
        tally.skip(f"a rating is not in {low} to {high}")
        return None
    return (rating - low) / (high - low)


class _Files:
    """Image files by their generation and index: paths in the data base seldom are those on the disk."""

    def __init__(self, folder: Path, tally: Tally) -> None:
        self._places: list[ImagePlace] = [FolderImages(folder), *archives_in(folder, tally)]
        self._found: dict[tuple[int, int], tuple[ImagePlace, str]] = {}
        self._by_name: dict[str, tuple[ImagePlace, str]] = {}
        for place in self._places:
            for name in place.names():
                if match := _FILE.fullmatch(PurePosixPath(name).name):
                    self._found.setdefault((int(match[1]), int(match[2])), (place, name))
                    self._by_name.setdefault(PurePosixPath(name).name, (place, name))
        if not self._found:
            tally.note("there are no images beside the data base")

    def find(self, row: Mapping[str, Any]) -> ImageReference | None:
        """The image of a rating's row; named only, where the source has no images at all."""
        name = f"{Kind.SAC}:{row['iid']}"
        if not self._found:
            return AbsentImage(name)
        path = row["path"]
        known = self._by_name.get(PurePosixPath(path).name) if isinstance(path, str) else None
        gid, idx = row["gid"], row["idx"]
        if known is None and isinstance(gid, int) and isinstance(idx, int):
            known = self._found.get((gid, idx))
        image = None if known is None else known[0].find(known[1])
        return None if image is None else replace(image, name=name)
