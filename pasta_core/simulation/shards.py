"""Trajectories on the disk: whole shards, and a manifest that says what they are and where to go on.

A shard is the unit of work. It appears when all its trajectories are done, and a half-done one is redone
whole; as every trajectory comes from its own seed, the bytes are the same however often a run was stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pasta_core.data.trajectories import VERSION as SCHEMA_VERSION
from pasta_core.data.trajectories import TrajectoryRecord, write_trajectories
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import alone, make_directory, storing, sweep, write_atomically

__all__ = ["MANIFEST", "PER_SHARD", "Shard", "ShardFolder"]

MANIFEST = "manifest.json"
FORMAT = "pasta-simulation"
VERSION = 1

PER_SHARD = 16
"""Trajectories in a shard: what a kill can lose, about."""


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

        `InvalidInput` where it holds another simulation, or this one and `resume` is not set; `StorageError`
        where another process works on it.
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
        document = _document(file)
        if not resume:
            raise InvalidInput(
                f"{self.path} holds a simulation already", "go on with --resume, or choose another"
            )
        _compare(document["plan"], json.loads(json.dumps(dict(self.plan))), self.path)
        self.per_shard = int(document["per_shard"])
        self.begun_with = dict(document["versions"])
        for entry in document["shards"]:
            shard = Shard(**entry)
            number = int(Path(shard.file).stem.rpartition("-")[2])
            where = self.path / shard.file
            if (
                self._size(number) == shard.trajectories
                and where.is_file()
                and _sha256(where) == shard.sha256
            ):
                self.shards[number] = shard

    @contextmanager
    def _locked(self) -> Iterator[None]:
        path = self.path / ".lock"
        refusal = StorageError(f"another process is simulating into {self.path}", "end that one first")
        with storing(path), alone(path, refusal):
            yield


def _document(file: Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(file.read_bytes())
        if document["format"] != FORMAT or document["version"] != VERSION:
            raise ValueError(f"format {document['format']!r}, version {document['version']!r}")
        return document
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidInput(
            f"{file} does not describe a simulation ({error})", "choose another folder"
        ) from error


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
