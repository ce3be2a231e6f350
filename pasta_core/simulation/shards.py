"""Trajectories on the disk: whole shards, and a manifest that says what they are and where to go on.

A shard is the unit of work. It appears when all its trajectories are done, and a half-done one is redone
whole; as every trajectory comes from its own seed, the bytes are the same however often a run was stopped.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from pasta_core.data.trajectories import VERSION as SCHEMA_VERSION
from pasta_core.data.trajectories import TrajectoryRecord, write_trajectories
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import alone, make_directory, storing, sweep, write_atomically

__all__ = ["MANIFEST", "PER_SHARD", "Shard", "ShardFolder", "reached_by"]

MANIFEST = "manifest.json"
FORMAT = "pasta-simulation"
VERSION = 1

PER_SHARD = 16
"""Trajectories in a shard: what a kill can lose, about."""

_NAME = re.compile(r"trajectories-(\d{5,})\.parquet")


@dataclass(frozen=True)
class Shard:
    """A finished shard."""

    file: str
    trajectories: int
    sha256: str


@dataclass
class ShardFolder:
    """A folder of shards; `plan` is everything that decides what is in them, as JSON types.

    `trajectories` is how many are wanted; a folder can be asked for more later on.
    """

    path: Path
    plan: Mapping[str, Any]
    trajectories: int
    begun_with: Mapping[str, str]
    """Versions of the program and its libraries; after `opened`, those that the folder was begun with."""
    per_shard: int = PER_SHARD
    shards: dict[int, Shard] = field(default_factory=dict)

    @contextmanager
    def opened(self, resume: bool) -> Iterator[list[int]]:
        """Take the folder for this process and yield the numbers of the trajectories that are missing.

        `InvalidInput` where it holds another simulation, more trajectories than are wanted, or this one and
        `resume` is not set, and then nothing is changed; `StorageError` where another process works on it.
        """
        make_directory(self.path)
        with self._locked():
            sweep(self.path)
            self._load(resume)
            self._write_manifest()
            yield self._missing()

    async def fill(
        self, records: AsyncIterable[TrajectoryRecord], report: Callable[[int, int], None]
    ) -> None:
        """Write the missing trajectories, in their order, as they come; `report` gets (done, total)."""
        done = sum(shard.trajectories for shard in self.shards.values())
        report(done, self.trajectories)
        pending: list[TrajectoryRecord] = []
        async for record in records:
            pending.append(record)
            done += 1
            report(done, self.trajectories)
            number = int(record.id) // self.per_shard
            if len(pending) == self._size(number):
                self._write(number, pending)
                pending = []

    @property
    def complete(self) -> bool:
        """Whether every wanted trajectory is in a shard."""
        return not self._missing()

    def _size(self, number: int) -> int:
        """How many trajectories shard `number` holds."""
        return min(self.per_shard, self.trajectories - number * self.per_shard)

    def _missing(self) -> list[int]:
        count = -(-self.trajectories // self.per_shard)
        return [
            number * self.per_shard + place
            for number in range(count)
            if number not in self.shards
            for place in range(self._size(number))
        ]

    def _write(self, number: int, records: Sequence[TrajectoryRecord]) -> None:
        file = self.path / f"trajectories-{number:05d}.parquet"
        write_trajectories(file, records)
        self.shards[number] = Shard(file.name, len(records), _sha256(file))
        self._write_manifest()

    def document(self) -> dict[str, Any]:
        """The manifest."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "schema": SCHEMA_VERSION,
            "plan": dict(self.plan),
            "versions": dict(self.begun_with),
            "per_shard": self.per_shard,
            "trajectories": self.trajectories,
            "complete": self.complete,
            "shards": [asdict(self.shards[number]) for number in sorted(self.shards)],
        }

    def _write_manifest(self) -> None:
        write_atomically(self.path / MANIFEST, json.dumps(self.document(), indent=2).encode() + b"\n")

    def _load(self, resume: bool) -> None:
        file = self.path / MANIFEST
        if not file.is_file():
            if any(self.path.glob("*.parquet")):
                raise InvalidInput(f"{self.path} holds other Parquet files", "choose an empty folder")
            return
        found = _Manifest.read(file)
        if not resume:
            raise InvalidInput(
                f"{self.path} holds a simulation already", "go on with --resume, or choose another"
            )
        _compare(found.plan, json.loads(json.dumps(dict(self.plan))), self.path)
        self.per_shard = found.per_shard
        self.begun_with = found.versions
        self._refuse_fewer(found)
        for number, shard in found.shards.items():
            where = self.path / shard.file
            if (
                self._size(number) == shard.trajectories
                and where.is_file()
                and _sha256(where) == shard.sha256
            ):
                self.shards[number] = shard

    def _refuse_fewer(self, found: _Manifest) -> None:
        """Readers take every shard that lies here, so none may be left beyond those that are wanted."""
        # one that was written right before a kill is not in the manifest, and holds a trajectory at least
        ends = [
            number * self.per_shard + (found.shards[number].trajectories if number in found.shards else 1)
            for number in _numbers(self.path)
        ]
        reached = max(ends, default=0)
        if reached > self.trajectories:
            raise InvalidInput(
                f"{self.path} reaches to {reached} trajectories, and {self.trajectories} are asked for",
                f"ask for {reached} or more, or choose another folder",
            )

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.path / ".lock"
        refusal = StorageError(f"another process is simulating into {self.path}", "end that one first")
        with storing(path), alone(path, refusal):
            yield


@dataclass(frozen=True)
class _Manifest:
    """What a folder says of its shards; those by their numbers."""

    plan: Mapping[str, Any]
    versions: Mapping[str, str]
    per_shard: int
    shards: Mapping[int, Shard]

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read what `ShardFolder` wrote; `InvalidInput` where it is something else or damaged."""
        try:
            document: dict[str, Any] = json.loads(file.read_bytes())
            if document["format"] != FORMAT or document["version"] != VERSION:
                raise ValueError(f"format {document['format']!r}, version {document['version']!r}")
            per_shard = int(document["per_shard"])
            if per_shard < 1:
                raise ValueError(f"{per_shard} trajectories in a shard")
            versions = {str(name): str(version) for name, version in document["versions"].items()}
            shards = {_number(entry["file"]): _shard(entry) for entry in document["shards"]}
            return cls(dict(document["plan"]), versions, per_shard, shards)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            why = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise InvalidInput(
                f"{file} does not describe a simulation ({why})", "choose another folder"
            ) from error


def reached_by(path: Path, per_shard: int) -> int:
    """How many trajectories the shards in a folder reach to, were all whole; new ones hold `per_shard`.

    `InvalidInput` where the manifest is damaged.
    """
    if (path / MANIFEST).is_file():
        per_shard = _Manifest.read(path / MANIFEST).per_shard
    return per_shard * (1 + max(_numbers(path), default=-1))


def _numbers(path: Path) -> list[int]:
    """The numbers of the shards that lie in a folder."""
    return [int(name[1]) for file in path.glob("*.parquet") if (name := _NAME.fullmatch(file.name))]


def _number(name: str) -> int:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} names no shard")
    return int(found[1])


def _shard(entry: Mapping[str, Any]) -> Shard:
    return Shard(str(entry["file"]), int(entry["trajectories"]), str(entry["sha256"]))


def _compare(before: Mapping[str, Any], now: Mapping[str, Any], path: Path) -> None:
    """Refuse to mix two simulations in one folder, naming what differs."""
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            raise InvalidInput(
                f"{path} was simulated with {name} {_said(before.get(name))}, not {_said(now.get(name))}",
                "give the same options, or choose another folder",
            )


def _said(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
