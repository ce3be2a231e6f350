"""What is missing of every selector, simulated on the same models, and under which name it is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Protocol, TypeVar

from pasta_core.engines.local import LocalEngine
from pasta_core.simulation.drafts import SharedFirstDrafts

__all__ = ["Announce", "EngineStart", "Placed", "Report", "fill_missing", "name_of_plan", "shared"]

Report = Callable[[int, int], None]
"""Gets (done, total), in what the caller counts."""

Announce = Callable[[Mapping[str, int]], None]
"""Gets how many are still to be simulated of each selector that lacks any."""

EngineStart = Callable[[], AbstractAsyncContextManager[LocalEngine]]


class Placed(Protocol):
    """What lies at a path."""

    @property
    def path(self) -> Path: ...


FolderT = TypeVar("FolderT", bound=Placed)


def name_of_plan(plan: Mapping[str, object]) -> str:
    """What a folder's name says of its plan, so that equal plans are simulated once."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


def shared(folders: Mapping[str, FolderT]) -> dict[str, FolderT]:
    """The same, with one folder for all selectors of one path: two names can mean the same plan."""
    first: dict[Path, FolderT] = {}
    return {name: first.setdefault(folder.path, folder) for name, folder in folders.items()}


async def fill_missing(
    folders: Mapping[str, FolderT],
    missing: Callable[[FolderT], AbstractContextManager[Sequence[int]]],
    engine: EngineStart,
    fill: Callable[[Mapping[str, Sequence[int]], LocalEngine], Awaitable[None]],
    announce: Announce = lambda lacking: None,
) -> None:
    """Fill the selectors' folders; `engine` is started only where something is missing.

    `missing` takes a folder for this process and says what it lacks; `fill` simulates that, by selector, once
    `announce` has told how much it is. Of several selectors with one path the first is asked for, and filled.
    """
    firsts: dict[Path, str] = {}
    for name, folder in folders.items():
        firsts.setdefault(folder.path, name)
    lacking: dict[str, int] = {}
    for name in firsts.values():
        with missing(folders[name]) as numbers:
            if numbers:
                lacking[name] = len(numbers)
    if not lacking:
        return
    announce(lacking)
    async with engine() as started:
        crew = replace(started.crew, writer=SharedFirstDrafts(started.crew.writer))
        running = replace(started, crew=crew)
        with ExitStack() as taken:
            await fill({name: taken.enter_context(missing(folders[name])) for name in lacking}, running)
