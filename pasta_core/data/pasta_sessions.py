"""Human PASTA sessions, whose published layout is not known: read through a field map, and told what was.

Three layouts are recognised: a row per session with a list of turns, a row per session with the turns' fields
numbered, and a row per turn. Nothing is guessed: a column out of range, a missing image or a turn without a
choice is counted and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from pasta_core.data.containers import Contents, look_into
from pasta_core.data.field_map import FieldMap, Row, Usage, as_list
from pasta_core.data.pasta_assembly import Assembly, Conventions, is_letter, whole_number
from pasta_core.data.records import Kind, SessionRecord, Tally
from pasta_core.data.splits import HASHED, checked_split, split_of
from pasta_core.errors import InvalidInput
from pasta_core.text import clean

__all__ = ["FIELD_MAP", "PastaSessions"]

FIELD_MAP = "field-maps/pasta.toml"
"""The shipped field map, below the assets."""

OWN_FIELD_MAP = "field-map.toml"
"""A field map that lies beside the data replaces the shipped one."""

_SPLIT_WORDS = {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "eval": "validation",
    "evaluation": "validation",
    "testing": "test",
}

LOOKED_AT = 500
"""Sessions whose choices tell whether columns count from 0 or from 1, and how many turns a session has."""


@dataclass(frozen=True)
class PastaSessions:
    """A folder, a file or an archive of sessions."""

    path: Path
    fields: FieldMap
    contents: Contents
    kind = Kind.PASTA
    splits = HASHED

    @classmethod
    def open(cls, path: Path, assets: Path) -> PastaSessions:
        """Sniff what is there; `InvalidInput` where it holds no rows at all."""
        own = (path if path.is_dir() else path.parent) / OWN_FIELD_MAP
        fields = FieldMap.load(own if own.is_file() else assets / FIELD_MAP)
        contents = look_into(path)
        if not contents.tables:
            what = "; ".join(f"{name} is {why}" for name, why in contents.unread[:3])
            raise InvalidInput(
                f"{path} holds no sessions that can be read" + (f": {what}" if what else ""),
                "JSON, JSON lines, CSV and Parquet are read, also in zip and tar archives (Parquet unpacked)",
            )
        return cls(path, fields, contents)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[SessionRecord]:
        """One record per session with a prompt and at least one turn."""
        tally = tally or Tally()
        wanted = checked_split(split, self)
        for name, why in self.contents.unread:
            tally.note(f"{name} is {why}")
        usage = Usage()
        assembly = Assembly(self.fields, self._conventions(tally), self.contents.places, tally)
        sessions = 0
        for session in self._sessions(usage, tally):
            record = assembly.record(session.row, session.turns)
            sessions += 1
            if record is None:
                continue
            own = session.row.get("split", self.fields.session["split"])
            published = _published(own)
            if published is None and own is not None:
                tally.skip("a session's split is not understood")
                tally.note(f"a session's split is none of {', '.join(HASHED)}: {clean(str(own)).text[:40]}")
            elif (published or split_of(record.group)) in wanted:
                yield record
        for note in usage.notes():
            tally.note(note)
        if not sessions:
            raise InvalidInput(
                f"{self.path} holds no sessions: no row has turns, or a session and a choice",
                f"name its fields in {OWN_FIELD_MAP} beside it (docs/data.md)",
            )

    def _sessions(self, usage: Usage, tally: Tally) -> Iterator[_Session]:
        for table in self.contents.tables:
            rows = (Row(values, usage, "session") for values in table.rows(tally))
            yield from _grouped(rows, self.fields, usage, tally)

    def _conventions(self, tally: Tally) -> Conventions:
        """What the first sessions tell: where columns begin to count, and how many turns were planned."""
        zeros = lasts = numbers = longest = 0
        for session in islice(self._sessions(Usage(), Tally()), LOOKED_AT):
            longest = max(longest, len(session.turns))
            for turn in session.turns:
                choice = turn.get("choice", self.fields.turn["choice"])
                if not is_letter(choice) and (number := whole_number(choice)) is not None:
                    numbers += 1
                    zeros += number == 0
                    lasts += number == self.fields.columns
        if self.fields.index_base is not None:
            return Conventions(self.fields.index_base, longest)
        if numbers and zeros == lasts == 0:
            raise InvalidInput(
                f"{self.path} does not tell whether columns count from 0 or from 1: no choice is 0 or "
                f"{self.fields.columns}",
                f"say index_base in {OWN_FIELD_MAP} beside it (docs/data.md)",
            )
        base = 0 if zeros >= lasts else 1
        tally.note(f"columns count from {base}")
        return Conventions(base, longest)


def _published(said: object) -> str | None:
    """The split that a session's own field says, in any usual word for it."""
    word = str(said).strip().lower()
    return word if word in HASHED else _SPLIT_WORDS.get(word)


@dataclass(frozen=True)
class _Session:
    """A session's own fields and its turns', before they are understood."""

    row: Row
    turns: tuple[Row, ...]


def _grouped(rows: Iterator[Row], fields: FieldMap, usage: Usage, tally: Tally) -> Iterator[_Session]:
    """Sessions of rows in any of the three layouts; rows of one session's turns must follow each other."""
    open_id: str | None = None
    closed: set[str] = set()
    gathered: list[Row] = []
    for row in rows:
        turns = _turn_rows(row, fields, usage)
        if turns:
            yield _Session(row, tuple(turns))
            continue
        if not row.has(fields.turn["choice"]) or not row.has(fields.session["id"]):
            tally.skip("a row is neither a session nor a turn")
            continue
        session = str(row.get("id", fields.session["id"]))
        if session != open_id:
            if gathered:
                yield _Session(gathered[0], tuple(gathered))
            if open_id is not None:
                closed.add(open_id)
            open_id, gathered = session, []
        if session in closed:
            tally.skip("a turn lies apart from its session's others")
        else:
            gathered.append(row.as_("turn"))
    if gathered:
        yield _Session(gathered[0], tuple(gathered))


def _turn_rows(row: Row, fields: FieldMap, usage: Usage) -> list[Row]:
    """The turns inside a session's row: those of its list, or one for each number that a choice has."""
    listed = [turn for turn in as_list(row.get("turns", fields.session["turns"])) if isinstance(turn, dict)]
    if listed:
        return [Row(turn, usage, "turn") for turn in listed]
    turns: list[Row] = []
    for number in range(100):
        turn = row.numbered_row(number, fields.patterns["turn"], "turn")
        if turn.has(fields.turn["choice"]):
            turns.append(turn)
        elif number > 1 and not turns:
            break
    return turns
