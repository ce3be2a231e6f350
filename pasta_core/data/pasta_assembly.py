"""One PASTA session out of rows whose fields a field map names: columns, images, choices and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pasta_core.data.archives import ImagePlace, find_image
from pasta_core.data.field_map import FieldMap, Row, as_list
from pasta_core.data.images import EncodedImage, ImageReference
from pasta_core.data.records import Kind, SessionRecord, SessionTurn, Tally
from pasta_core.domain import TurnRating

__all__ = ["Assembly", "Conventions", "is_letter", "whole_number"]

SCORES = range(1, 6)
"""Satisfaction, from very dissatisfied to very satisfied (App. B.2)."""

_LETTERS = "abcdefghi"


@dataclass(frozen=True)
class Conventions:
    """What the data does not say of itself: the number of the first column, and H, the planned turns."""

    first_column: int
    turns: int


class Assembly:
    """Makes sessions' records of their rows; a session without a name is called by its place."""

    def __init__(
        self, fields: FieldMap, conventions: Conventions, places: Sequence[ImagePlace], tally: Tally
    ) -> None:
        self._fields = fields
        self._conventions = conventions
        self._places = places
        self._tally = tally
        self._sessions = 0

    def record(self, row: Row, turn_rows: Sequence[Row]) -> SessionRecord | None:
        """The session; None, and counted, without a prompt or without a turn that can be used."""
        names = self._fields.session
        prompt = row.get("initial_prompt", names["initial_prompt"])
        if not isinstance(prompt, str) or not prompt.strip():
            self._tally.skip("a session has no initial prompt")
            return None
        self._sessions += 1
        identity = f"{Kind.PASTA}:{_name(row.get('id', names['id'])) or self._sessions}"
        numbers = self._numbers(turn_rows)
        turns = [
            turn
            for number, turn_row in zip(numbers, turn_rows, strict=True)
            if (turn := self._turn(turn_row, number, identity)) is not None
        ]
        if not turns:
            self._tally.skip("a session has no turn that can be used")
            return None
        rater = _name(row.get("rater", names["rater"]))
        named = rater and f"{Kind.PASTA}:{rater}"
        initial = self._images(as_list(row.get("initial_images", names["initial_images"])), identity)
        return SessionRecord(
            id=identity,
            initial_prompt=prompt,
            turns=tuple(sorted(turns, key=lambda turn: turn.number)),
            rater=named,
            group=named or identity,
            initial_images=initial or (),
            complete=max(turn.number for turn in turns) >= self._conventions.turns,
        )

    def _numbers(self, rows: Sequence[Row]) -> list[int]:
        """The turns' numbers from 1; their places where they are not numbered or numbered twice."""
        given = [whole_number(row.get("number", self._fields.turn["number"])) for row in rows]
        numbers = [number for number in given if number is not None]
        if len(set(numbers)) < len(rows):
            return list(range(1, len(rows) + 1))
        return [number + (min(numbers) == 0) for number in numbers]

    def _turn(self, row: Row, number: int, session: str) -> SessionTurn | None:
        names = self._fields.turn
        tables = [
            Row(table, row.usage, "column")
            for table in as_list(row.get("columns", names["columns"]))
            if isinstance(table, dict)
        ]
        columns = self._columns(row, tables, f"{session}/{number}")
        if columns is None:
            return None
        choice = self._column(row.get("choice", names["choice"]), len(columns))
        if choice is None:
            self._tally.skip("a turn's choice is missing or out of range")
            return None
        prompts = [table.get("prompt", self._fields.column["prompt"]) for table in tables]
        prompts = prompts or as_list(row.get("prompts", names["prompts"]))
        prompts = prompts or row.numbered("prompts", names["prompts"], self._fields.patterns["column"], "{l}")
        told = len(prompts) == len(columns) and all(isinstance(prompt, str) for prompt in prompts)
        critique = row.get("critique", names["critique"])
        return SessionTurn(
            number=number,
            columns=columns,
            choice=choice,
            prompts=tuple(prompts) if told else (),
            critique=critique.strip() if isinstance(critique, str) else "",
            rating=self._rating(row, tables, choice, len(columns)),
        )

    def _columns(
        self, row: Row, tables: Sequence[Row], name: str
    ) -> tuple[tuple[ImageReference, ...], ...] | None:
        """The turn's images by column; None, and counted, where one is missing or the shape is none."""
        names, wide = self._fields.turn["images"], self._fields.patterns
        inner = self._fields.column["images"]
        if tables:
            columns = [as_list(table.get("images", inner)) for table in tables]
        elif listed := as_list(row.get("images", names)):
            nested = all(isinstance(column, (list, tuple)) for column in listed)
            columns = [list(column) for column in listed] if nested else self._split(listed)
        elif apart := row.numbered("images", names, wide["column"], "{l}"):
            columns = [as_list(column) or [column] for column in apart]
        else:
            columns = self._numbered_images(row)
        if len(columns) < 2 or not all(columns):
            self._tally.skip("a turn has no columns of images")
            return None
        found = [self._images(column, f"{name}/{index}") for index, column in enumerate(columns)]
        images = tuple(column for column in found if column is not None)
        if len(images) < len(columns):
            self._tally.skip("an image is missing")
            return None
        if len(images) != self._fields.columns or any(len(c) != self._fields.images for c in images):
            shape = f"{self._fields.columns} columns of {self._fields.images} images"
            self._tally.note(f"not every turn has {shape}")
        return images

    def _split(self, images: Sequence[Any]) -> list[list[Any]]:
        """A flat list of images as columns."""
        count = self._fields.columns
        if len(images) % count:
            return []
        if self._fields.by_rows:
            return [list(images[column::count]) for column in range(count)]
        size = len(images) // count
        return [list(images[column * size : (column + 1) * size]) for column in range(count)]

    def _numbered_images(self, row: Row) -> list[list[Any]]:
        patterns, names = self._fields.patterns["image"], self._fields.turn["images"]
        columns: list[list[Any]] = []
        for column in range(10):
            filled = [pattern.replace("{l}", str(column)) for pattern in patterns]
            if images := row.numbered("images", names, filled, "{m}"):
                columns.append(images)
            elif column > 1:
                break
        return columns

    def _images(self, values: Sequence[Any], name: str) -> tuple[ImageReference, ...] | None:
        found = [self._image(value, f"{name}/{index}") for index, value in enumerate(values)]
        images = tuple(image for image in found if image is not None)
        return images if len(images) == len(values) else None

    def _image(self, value: object, name: str) -> ImageReference | None:
        """An image that is named, or whose bytes are in the row."""
        if isinstance(value, Mapping):
            value = value.get("bytes") or value.get("path") or value.get("file")
        if isinstance(value, bytes):
            return EncodedImage(name, value)
        return find_image(self._places, value) if isinstance(value, str) else None

    def _column(self, value: object, count: int) -> int | None:
        """A column from 0; letters are columns too. None where it is none, or out of range."""
        if isinstance(value, str) and is_letter(value):
            column = _LETTERS.index(value.strip().lower())
        elif (number := whole_number(value)) is not None:
            column = number - self._conventions.first_column
        else:
            return None
        return column if 0 <= column < count else None

    def _rating(self, row: Row, tables: Sequence[Row], choice: int, count: int) -> TurnRating | None:
        """The evaluation phase's answers; None where no question was answered."""
        names = self._fields.turn
        preferred = self._column(row.get("preferred", names["preferred"]), count)
        raw = [table.get("score", self._fields.column["score"]) for table in tables]
        raw = (
            raw
            if any(score is not None for score in raw)
            else as_list(row.get("column_scores", names["column_scores"]))
        )
        pattern = self._fields.patterns["column"]
        raw = raw or row.numbered("column_scores", names["column_scores"], pattern, "{l}")
        scores = [self._score(score) for score in raw]
        known = tuple(score for score in scores if score is not None)
        score = self._score(row.get("score", names["score"]))
        said = row.get("comparison", names["comparison"])
        comparison = self._fields.comparison.get(str(said).strip().lower())
        if said is not None and comparison is None and str(said).strip().lower() not in _NOTHING:
            self._tally.skip("a comparison of turns is not understood")
        rationale = row.get("rationale", names["rationale"])
        if preferred is None and not known and score is None and comparison is None and not rationale:
            return None
        return TurnRating(
            preferred=choice if preferred is None else preferred,
            column_scores=known if len(known) == count else (),
            score=score or 0,
            comparison=comparison,
            rationale=rationale.strip() if isinstance(rationale, str) else "",
        )

    def _score(self, value: object) -> int | None:
        number = whole_number(value)
        if number is not None and number not in SCORES:
            self._tally.skip("a score is not in 1 to 5")
        return number if number in SCORES else None


_NUMBER = re.compile(r"(?:[a-z]+\s*)?(\d{1,6})(?:\.0)?", re.IGNORECASE)
_NOTHING = frozenset({"", "none", "null", "nan", "n/a"})


def _name(value: object) -> str | None:
    """A session's or a rater's name; None where the field holds something else."""
    return str(value) if isinstance(value, (str, int, float)) else None


def is_letter(value: object) -> bool:
    """Whether a column is called A, B, C, ..."""
    return isinstance(value, str) and len(value.strip()) == 1 and value.strip().lower() in _LETTERS


def whole_number(value: object) -> int | None:
    """A whole number, also as text ("column 2") or as a float like Parquet's nullable columns; else None."""
    if isinstance(value, str):
        match = _NUMBER.fullmatch(value.strip())
        return None if match is None else int(match[1])
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if value == value and abs(value) < 1e6 and int(value) == value else None
