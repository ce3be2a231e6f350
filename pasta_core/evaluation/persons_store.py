"""What persons did over their sessions, kept one file a person: the unit of work that a kill can lose.

A file appears when all sessions of its person are done; as everything in them comes from the person's own
seeds, its bytes are the same however often a run was stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import alone, make_directory, storing, sweep, write_atomically

__all__ = ["PersonFolder", "PersonRecord", "SessionOfPerson", "TurnOfPerson"]

FORMAT = "pasta-person"
VERSION = 1
_PLAN = "plan.json"


@dataclass(frozen=True)
class TurnOfPerson:
    """One turn: the shown prompts, the chosen column, and the user's own utility of every column.

    `reward` is that of the chosen one on the scale of 0 to 10. `values` are the selector's predictions, where
    it has any; `chances` what a taste that followed along gave to each painted column before the choice.
    """

    prompts: tuple[str, ...]
    chosen: int
    utilities: tuple[float, ...]
    reward: float
    values: tuple[float, ...] | None
    chances: tuple[float, ...]


@dataclass(frozen=True)
class SessionOfPerson:
    """One session: who chose, from which prompt and root seed, and its turns."""

    user: str
    prompt: str
    seed: int
    turns: tuple[TurnOfPerson, ...]


@dataclass(frozen=True)
class PersonRecord:
    """One person's sessions under one selector, in their order."""

    person: int
    sessions: tuple[SessionOfPerson, ...]


@dataclass(frozen=True)
class PersonFolder:
    """A folder of persons; `plan` is everything that decides what is in it, as JSON types."""

    path: Path
    plan: Mapping[str, Any]
    versions: Mapping[str, str]

    @contextmanager
    def opened(self, persons: int) -> Iterator[list[int]]:
        """Take the folder for this process and yield the persons, from 0, whose file is missing or damaged.

        `InvalidInput` where it holds another evaluation, `StorageError` where another process works on it.
        """
        make_directory(self.path)
        lock = self.path / ".lock"
        refusal = StorageError(f"another process is simulating into {self.path}", "end that one first")
        with storing(lock), alone(lock, refusal):
            sweep(self.path)
            self._check_plan()
            yield [number for number in range(persons) if self._read(number) is None]

    def read(self, persons: int) -> Sequence[PersonRecord]:
        """The first persons; `InvalidInput` where one is missing."""
        found = [self._read(number) for number in range(persons)]
        if None in found:
            raise InvalidInput(f"{self.path} lacks person {found.index(None)}", "run the same command again")
        return [record for record in found if record is not None]

    def write(self, record: PersonRecord) -> None:
        """Keep a person; the file appears whole. Raises `StorageError`."""
        told = {"format": FORMAT, "version": VERSION, "plan": _digest(self.plan), **asdict(record)}
        document = told | {"sha256": _digest(told)}
        write_atomically(self._file(record.person), _encoded(document) + b"\n")

    def _file(self, person: int) -> Path:
        return self.path / f"person-{person:05d}.json"

    def _read(self, person: int) -> PersonRecord | None:
        try:
            document = json.loads(self._file(person).read_bytes())
            said = document.pop("sha256")
            same = said == _digest(document) and document["plan"] == _digest(self.plan)
            if not same or document["version"] != VERSION or document["person"] != person:
                return None
            return PersonRecord(person, tuple(map(_session, document["sessions"])))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _check_plan(self) -> None:
        file = self.path / _PLAN
        if file.is_file():
            try:
                known = json.loads(file.read_bytes())["plan"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise InvalidInput(f"{file} is damaged: {error}", "choose another folder") from error
            if known != json.loads(_encoded(self.plan)):
                raise InvalidInput(f"{self.path} holds another evaluation", "choose another folder")
            return
        if any(self.path.glob("person-*.json")):
            raise InvalidInput(f"{self.path} holds persons of an unknown plan", "choose another folder")
        document = {"format": FORMAT, "version": VERSION, "plan": self.plan, "versions": self.versions}
        write_atomically(file, json.dumps(document, indent=2).encode() + b"\n")


def _session(told: Mapping[str, Any]) -> SessionOfPerson:
    turns = tuple(_turn(turn) for turn in told["turns"])
    return SessionOfPerson(str(told["user"]), str(told["prompt"]), int(told["seed"]), turns)


def _turn(told: Mapping[str, Any]) -> TurnOfPerson:
    values = told["values"]
    return TurnOfPerson(
        prompts=tuple(map(str, told["prompts"])),
        chosen=int(told["chosen"]),
        utilities=tuple(map(float, told["utilities"])),
        reward=float(told["reward"]),
        values=None if values is None else tuple(map(float, values)),
        chances=tuple(map(float, told["chances"])),
    )


def _encoded(document: Any) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _digest(document: Any) -> str:
    return hashlib.sha256(_encoded(document)).hexdigest()
