"""What is missing of every selector, simulated on the same models, and under which name it is kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, ExitStack
from dataclasses import replace
from typing import TypeVar

from pasta_core.engines.local import LocalEngine
from pasta_core.simulation.drafts import SharedFirstDrafts

__all__ = ["EngineStart", "Report", "fill_missing", "name_of_plan"]

Report = Callable[[int, int], None]
"""Gets (done, total), in what the caller counts."""

EngineStart = Callable[[], AbstractAsyncContextManager[LocalEngine]]

FolderT = TypeVar("FolderT")


def name_of_plan(plan: Mapping[str, object]) -> str:
    """What a folder's name says of its plan, so that equal plans are simulated once."""
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


async def fill_missing(
    folders: Mapping[str, FolderT],
    missing: Callable[[FolderT], AbstractContextManager[Sequence[int]]],
    engine: EngineStart,
    fill: Callable[[Mapping[str, Sequence[int]], LocalEngine], Awaitable[None]],
) -> None:
    """Fill the selectors' folders; `engine` is started only where something is missing.

    `missing` takes a folder for this process and says what it lacks; `fill` simulates that, by selector.
    """
    lacking = []
    for name, folder in folders.items():
        with missing(folder) as numbers:
            if numbers:
                lacking.append(name)
    if not lacking:
        return
    async with engine() as started:
        shared = replace(started.crew, writer=SharedFirstDrafts(started.crew.writer))
        running = replace(started, crew=shared)
        with ExitStack() as taken:
            await fill({name: taken.enter_context(missing(folders[name])) for name in lacking}, running)
