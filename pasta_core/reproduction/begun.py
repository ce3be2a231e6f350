"""What a reproduction was begun with: threads, versions and devices, and what changed since."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pasta_core.errors import InvalidInput, StorageError
from pasta_core.files import alone, make_directory, write_atomically

__all__ = ["Begun", "begun_in"]

_FILE, _LOCK = "reproduction.json", ".lock"


@dataclass(frozen=True)
class Begun:
    """What decides the last digits of all that is measured, apart from seed and models.

    `threads` decide how sums round, so a resumed run keeps them; `made_with` names versions and devices;
    `changes` holds a line for each time that it was gone on with on others.
    """

    threads: int
    made_with: Mapping[str, str]
    changes: tuple[str, ...] = ()

    def gone_on_with(self, now: Mapping[str, str]) -> Begun:
        """The same, with a line more where `now` differs from all that it was made with before."""
        names = sorted(name for name in {*self.made_with, *now} if self.made_with.get(name) != now.get(name))
        told = (f"{name} {self.made_with.get(name, 'none')} -> {now.get(name, 'none')}" for name in names)
        line = ", ".join(told)
        return self if not line or line in self.changes else replace(self, changes=(*self.changes, line))


@contextmanager
def begun_in(out: Path, made_with: Mapping[str, str]) -> Iterator[Begun]:
    """Take the folder `out` for this process, and say what the reproduction in it was begun with.

    A new one begins with a thread a core and with `made_with`. Raises `InvalidInput` where `out` holds
    something else, `StorageError` where another process works in it.
    """
    file = out / _FILE
    foreign = out.exists() and (not out.is_dir() or any(path.name != _LOCK for path in out.iterdir()))
    if foreign and not file.is_file():
        raise InvalidInput(f"{out} is not an empty folder", "choose another --out")
    make_directory(out)
    refusal = StorageError(
        f"another process is reproducing into {out}", "wait for it, or choose another --out"
    )
    with alone(out / _LOCK, refusal):
        before = _kept(file)
        now = before.gone_on_with(made_with) if before else Begun(_cores(), dict(made_with))
        if now != before:
            write_atomically(file, json.dumps(asdict(now), indent=1).encode() + b"\n")
        yield now


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _kept(file: Path) -> Begun | None:
    if not file.is_file():
        return None
    try:
        kept = json.loads(file.read_bytes())
        made_with = {str(name): str(value) for name, value in kept["made_with"].items()}
        return Begun(int(kept["threads"]), made_with, tuple(map(str, kept["changes"])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{file} is damaged", "choose another --out") from error
