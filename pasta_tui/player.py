"""Plays one opened session: runs its rollout, again after a stop or a failure, until it is finished."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress

from pasta_core.domain import Answer, History, Turn
from pasta_core.errors import PastaError
from pasta_core.events import Event, Failed, Note
from pasta_core.sessions.insight import Insight
from pasta_tui.plain.opening import Opened
from pasta_tui.screens.telling import unexpected
from pasta_tui.session_state import SessionView, Stage, advance, stopped

__all__ = ["Player"]


class Player:
    """The session's user and the sink of its events; what a screen asks for is done through its methods.

    `show` takes the view after every event, `note` the lines that a person should read once.
    """

    def __init__(
        self,
        opened: Opened,
        view: SessionView,
        show: Callable[[SessionView], None],
        note: Callable[[str], None],
        insight: Insight | None = None,
    ) -> None:
        self.view = view
        self.history: History | None = None
        """The session's history, once it is played to its end."""
        self._opened = opened
        self._show = show
        self._note = note
        self._insight = insight
        self._running: asyncio.Task[History] | None = None
        self._stopping = False
        self._answer: asyncio.Future[Answer] | None = None
        self._again = asyncio.Event()

    async def play(self) -> None:
        """Play to the end; what fails or is stopped waits for `go_on`."""
        while not await self._run():
            self._again.clear()
            await self._again.wait()

    async def choose(self, history: History, turn: Turn) -> Answer:
        """Wait for the person (`domain.User`)."""
        self._answer = asyncio.get_running_loop().create_future()
        try:
            return await self._answer
        finally:
            self._answer = None

    def answer(self, answer: Answer) -> bool:
        """Answer the slate, if that is what the session waits for."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(answer)
        return True

    def stop(self) -> bool:
        """Cancel the work that is running; what is finished is kept. False if there is none."""
        if self._running is None or self._answer is not None:
            return False
        self._stopping = True
        return self._running.cancel()

    def go_on(self) -> None:
        """Take up again what was stopped or has failed."""
        self._again.set()

    async def _run(self) -> bool:
        """Run the session; True if it came to its end."""
        self._stopping = False
        self._running = asyncio.create_task(self._opened.run(lambda: self, self._take), name="session")
        try:
            self.history = await self._running
        except asyncio.CancelledError:
            if not self._stopping:
                await self._cancelled()
                raise
            self._become(stopped(self.view))
        except PastaError as error:
            if self.view.stage is not Stage.FAILED:
                self._take(Failed(error.message, error.hint, error.retryable))
        except Exception as error:
            self._take(Failed(unexpected(error)))
        finally:
            self._running = None
        return self.view.stage is Stage.FINISHED

    async def _cancelled(self) -> None:
        """End the run together with whoever waited for it."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await self._running

    def _take(self, event: Event) -> None:
        if self._insight is not None:
            self._insight.take(event)
        if isinstance(event, Note):
            self._note(event.text)
        else:
            self._become(advance(self.view, event))

    def _become(self, view: SessionView) -> None:
        self.view = view
        self._show(view)
