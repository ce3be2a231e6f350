"""The interface on small services, which paint in no time: its screens and keys are the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from pasta_core.configuration import configure
from pasta_core.domain import Candidate, History, PaintedImage, Painter, Progress, User, Writer
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_tui.app import PastaApp
from pasta_tui.desk import Desk
from pasta_tui.plain.opening import Opened
from pasta_tui.plain.request import Request, new_session
from pasta_tui.screens.end import EndScreen
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.session_state import Stage
from pasta_tui.terminal.graphics import Graphics
from tests.support.rollouts import BrightnessUser, NoisePainter, WordWriter

Steps = Callable[[Pilot[Any]], Awaitable[None]]


@dataclass
class GatedPainter(NoisePainter):
    """Paints one image for each permit; by default there are enough."""

    permits: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(10_000))

    async def paint(
        self, prompts: Sequence[str], seeds: Sequence[Sequence[int]], progress: Progress
    ) -> AsyncIterator[PaintedImage]:
        async for painted in super().paint(prompts, seeds, progress):
            await self.permits.acquire()
            yield painted


class LengthValuer:
    """Finds long prompts worth more."""

    async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
        return [len(candidate.prompt) / 2 for candidate in candidates]


@dataclass
class SmallModels:
    """A worker's models in this process."""

    writer: Writer = field(default_factory=WordWriter)
    painter: Painter = field(default_factory=GatedPainter)
    killed: bool = False

    def rater(self, spec: str, seed: int) -> User:
        return BrightnessUser()

    def valuer(self, model: str) -> LengthValuer:
        return LengthValuer()

    def kill(self) -> None:
        self.killed = True


@dataclass(frozen=True)
class SmallDesk(Desk):
    """Opens sessions on small models."""

    models: SmallModels = field(default_factory=SmallModels)
    note: str = ""

    def opening(
        self, start: StartRequest, note: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Opened]:
        return self._opened(start, note)

    @asynccontextmanager
    async def _opened(self, start: StartRequest, note: Callable[[str], None]) -> AsyncIterator[Opened]:
        with Store(self.config.paths.data) as store:
            if start.resume is not None:
                session = resume_session(store, start.resume)
            else:
                new = new_session(self._request(start), self.config, start.prompt or "")
                session = begin_session(store, new)
            with session:
                if self.note:
                    note(self.note)
                yield Opened(session, self.models)


def small_app(data: Path, request: Request, models: SmallModels | None = None, note: str = "") -> PastaApp:
    """The interface over a store in `data`, where it also looks for settings and saves images."""
    env = {"PASTA_DATA_DIR": str(data), "PASTA_CONFIG_DIR": str(data / "config")}
    # small models have no CLIP that a taste could learn with
    config = configure({"selector": "value", **request.flags}, env, data)
    return PastaApp(
        SmallDesk(request, config, env, data, models=models or SmallModels(), note=note), Graphics()
    )


def request_for(
    prompt: str | None = "a cat", turns: int = 2, columns: int = 3, images: int = 2, **other: Any
) -> Request:
    """A request for a small session."""
    return Request(prompt, flags={"turns": turns, "columns": columns, "images": images}, **other)


def shown_text(app: PastaApp) -> str:
    """What the screen shows, as plain lines."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


async def until(pilot: Pilot[Any], condition: Callable[[], bool], limit: float = 120) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(limit):
        while not condition():
            await pilot.pause(0.02)


def turn_screen(app: PastaApp) -> TurnScreen:
    """The turn screen that is shown."""
    assert isinstance(app.screen, TurnScreen), app.screen
    return app.screen


def drive(app: PastaApp, steps: Steps, size: tuple[int, int] = (80, 24)) -> None:
    """Run the interface headless, press keys, and leave."""

    async def run() -> None:
        async with app.run_test(size=size, notifications=True) as pilot:
            await steps(pilot)
        assert app.failure is None, app.failure

    asyncio.run(run())


async def asked(app: PastaApp, pilot: Pilot[Any], turn: int = 1) -> TurnScreen:
    """Wait until the person is asked."""

    def now() -> bool:
        view = app.player.view if app.player is not None else None
        return view is not None and view.stage is Stage.ASKING and view.turn == turn

    await until(pilot, now)
    await pilot.pause()
    return turn_screen(app)


async def ended(app: PastaApp, pilot: Pilot[Any]) -> None:
    """Wait for the end screen."""
    await until(pilot, lambda: isinstance(app.screen, EndScreen))
