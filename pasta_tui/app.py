"""The full-screen interface: its start, its sessions one after another, and its end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from textual.screen import Screen

from pasta_core.domain import History
from pasta_core.errors import PastaError
from pasta_core.events import Finished
from pasta_core.text import clean, told
from pasta_tui.desk import Desk
from pasta_tui.keep import Keeper
from pasta_tui.plain.opening import Opened
from pasta_tui.player import Player
from pasta_tui.screens.requests import EndRequest, Next, StartRequest
from pasta_tui.screens.turn import TurnScreen
from pasta_tui.session_state import SessionView, Stage
from pasta_tui.shell import Shell
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.keys import key_of

if TYPE_CHECKING:
    from pasta_tui.screens.browse import BrowseScreen
    from pasta_tui.screens.end import EndScreen

__all__ = ["PastaApp"]


class _Left(Exception):
    """The person wants no more."""


class PastaApp(Shell):
    """Runs sessions and holds what outlives them: how they ended.

    `finished` tells of the sessions that came to their end, `opened` is the one that did not yet;
    `troubles` kept images from where they were asked for.
    """

    def __init__(self, desk: Desk, graphics: Graphics) -> None:
        super().__init__(desk, graphics)
        self.finished: list[Finished] = []
        self.opened: Opened | None = None
        self.troubles: list[PastaError] = []
        self.player: Player | None = None
        self._first = True
        """What was typed for one session has not been used yet."""

    def _begin(self) -> None:
        self.run_worker(self._main(), name="sessions", exit_on_error=False)

    def _let_go(self) -> None:
        if self.opened is not None:
            self.opened.models.kill()

    # the loop: start, session, end, and again

    async def _main(self) -> None:
        try:
            start = self._desk.first
            while True:
                if start is None and (start := await self._asked()) is None:
                    break
                start = await self._attempt(start)
        except _Left:
            pass
        except Exception as error:
            self.failure = error
        self.exit()

    async def _asked(self) -> StartRequest | None:
        """What the person begins with; None to leave."""
        start = await self.push_screen_wait(self._start_screen())
        return start and replace(start, first=self._first and start.resume is None)

    async def _attempt(self, start: StartRequest) -> StartRequest | None:
        """One session and what follows it; None is the start screen."""
        ground = len(self.screen_stack)
        try:
            return await self._session(start)
        except PastaError as error:
            if start == self._desk.first:
                raise
            self.say(told(error), "error")
            return None
        finally:
            while self.is_running and len(self.screen_stack) > ground:
                await self.pop_screen()

    async def _session(self, start: StartRequest) -> StartRequest | None:
        self.clear_notifications()
        keeper = Keeper(self._desk.target, self.say)
        turn = TurnScreen(self._desk.view(start), self._graphics, keeper)
        await self.push_screen(turn)
        async with self._desk.opening(start, self.say) as opened:
            self.opened = opened
            self._first = self._first and not start.first
            made_of = opened.session.info.made_of
            view = SessionView(
                clean(made_of.prompt).text, made_of.settings, made_of.blind, study=made_of.study
            )
            insight = opened.insight()
            await turn.begin(view, "" if opened.by_person else made_of.user, insight)
            self.player = Player(opened, view, partial(self._show, turn), self.say, insight)
            await self.player.play()
            finished, view = self.player.view.finished, self.player.view
            await self._evaluate(opened, self.player.history, keeper)
            self.player = self.opened = None
        assert finished is not None
        finished = await self._kept(finished)
        self.finished.append(finished)
        following = await self.push_screen_wait(self._end_screen(view, finished))
        return self._following(following, made_of.profile)

    async def _kept(self, finished: Finished) -> Finished:
        """Copy what was asked for; where that does not work, the images lie where they were painted."""
        try:
            return await asyncio.to_thread(self._desk.kept, finished)
        except PastaError as error:
            self.troubles.append(error)
            self.say(told(error), "error")
            return finished

    async def _evaluate(self, opened: Opened, history: History | None, keeper: Keeper) -> None:
        """The evaluation phase, where the session is a study and its task is not ended yet."""
        study, info = opened.session.study, opened.session.info
        if study is None or history is None or await study.ended():
            return
        if not opened.by_person:
            await opened.assess(study, history, lambda event: None)
            return
        from pasta_core.study.guide import load_guide
        from pasta_tui.screens.study_questions import EvaluationScreen

        turns = await asyncio.to_thread(self._desk.archive.turns, info.id)
        guide = load_guide(self._desk.config.paths.assets, info.made_of.settings)
        await self.push_screen_wait(EvaluationScreen(study, info, turns, guide, self._graphics, keeper))

    def _following(self, request: EndRequest, profile: str) -> StartRequest | None:
        match request.next:
            case Next.AGAIN:
                return StartRequest(prompt=request.prompt, profile=profile)
            case Next.RESUME:
                return StartRequest(resume=request.resume)
            case Next.NEW:
                return None
            case Next.QUIT:
                raise _Left

    # These screens come later than the first paint, and so do their imports.

    def _start_screen(self) -> Screen[StartRequest | None]:
        from pasta_tui.screens.start import StartScreen

        return StartScreen(self._desk.profiles(), self._desk.recent, self._desk.clock, self._browse_screen)

    def _browse_screen(self) -> BrowseScreen:
        from pasta_tui.screens.browse import BrowseScreen

        return BrowseScreen(self._desk.archive, self._graphics, self._desk.clock, self._desk.target)

    def _end_screen(self, view: SessionView, finished: Finished) -> EndScreen:
        from pasta_tui.screens.end import Ending, EndScreen

        return EndScreen(
            Ending(
                session=finished.session,
                initial_prompt=view.prompt,
                way=tuple(step.prompt for step in view.way),
                images=tuple(image.pixels for image in finished.images),
                paths=finished.paths,
                max_words=view.settings.max_words,
                blind=view.blind,
            ),
            self._graphics,
            self._browse_screen,
        )

    # what the turn screen asks for

    def _show(self, screen: TurnScreen, view: SessionView) -> None:
        """Show a view; with a slate that is finished, trouble on the way to it is over."""
        if view.stage is Stage.ASKING:
            for notice in [notice for notice in self._notifications if notice.severity != "information"]:
                self._unnotify(notice)
        screen.take(view)

    def on_turn_screen_took(self, event: TurnScreen.Took) -> None:
        """The person chose."""
        self.clear_notifications()
        if self.player is not None:
            self.player.answer(event.answer)

    def on_turn_screen_stop(self) -> None:
        """Cancel the running work."""
        if self.player is not None:
            self.player.stop()
        else:
            self.say(f"the models are starting; {key_of(self.screen, 'quit', 'Ctrl-Q')} leaves")

    def on_turn_screen_go_on(self) -> None:
        """Take up again what was stopped or has failed."""
        self.clear_notifications()
        if self.player is not None:
            self.player.go_on()
