"""What the full screen needs around its screens: sessions to open, where to save, what was played."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pasta_core.configuration import Configuration, configure
from pasta_core.events import Finished
from pasta_core.sessions.records import SessionInfo
from pasta_core.sessions.store import Store
from pasta_core.text import clean
from pasta_core.worker.launch import Launched
from pasta_tui.archive import Archive
from pasta_tui.plain.files import copy_final, usable_directory
from pasta_tui.plain.opening import Opened, begun, resumed
from pasta_tui.plain.request import Request, new_session
from pasta_tui.screens.requests import StartRequest
from pasta_tui.session_state import SessionView

if TYPE_CHECKING:
    from pasta_tui.screens.start import StartFacts

__all__ = ["Desk"]


@dataclass(frozen=True)
class Desk:
    """Opens sessions as the command line asked for them; the first one takes all that was typed."""

    request: Request
    config: Configuration
    env: Mapping[str, str]
    cwd: Path
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    launched: Launched | None = None
    """A worker that was started ahead; whoever needs another one leaves it alone."""

    @property
    def first(self) -> StartRequest | None:
        """What was asked for on the command line; None if that is for the start screen."""
        if self.request.prompt is None and self.request.resume is None:
            return None
        return StartRequest(self.request.prompt, self.request.resume, first=True)

    def view(self, start: StartRequest) -> SessionView:
        """What can be shown before anything is opened."""
        return SessionView(clean(start.prompt or "").text, self.config.session, self.request.blind)

    def opening(
        self, start: StartRequest, note: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Opened]:
        """Open what was asked for; raises `PastaError` here or when it is entered."""
        request = self._request(start)
        config = configure(request.flags, self.env, self.cwd)
        if start.resume is not None:
            return resumed(request, config, note, previews=True)
        new = new_session(request, config, start.prompt or "")
        return begun(new, config, note, self.launched, previews=True)

    def target(self) -> Path:
        """Make the directory that images are saved into."""
        return usable_directory(self.request.out or self.cwd)

    def kept(self, finished: Finished) -> Finished:
        """Copy the final images to where they were asked for; they are told to lie there. Slow."""
        if self.request.out is None:
            return finished
        copies = iter(copy_final(finished, self.target()))
        return replace(finished, paths=tuple(path and next(copies) for path in finished.paths))

    def profiles(self) -> tuple[StartFacts, ...]:
        """What the start screen offers."""
        from pasta_tui.screens.facts import start_facts

        return start_facts(self.request.flags, self.env, self.cwd)

    @property
    def archive(self) -> Archive:
        """Past sessions."""
        return Archive(self.config.paths.data)

    def recent(self) -> tuple[SessionInfo, ...]:
        """All sessions, the latest first; slow, for a thread."""
        with Store(self.config.paths.data) as store:
            return tuple(store.sessions())

    def _request(self, start: StartRequest) -> Request:
        if start == self.first:
            return self.request
        flags = {**self.request.flags, **({"profile": start.profile} if start.profile else {})}
        if start.resume is not None:
            flags = {"worker": self.request.flags.get("worker")}
        # what is gone on with says itself whether it is a study
        study = self.request.study and start.resume is None
        seed = self.request.seed if start.first else None
        return replace(
            self.request, prompt=start.prompt, resume=start.resume, flags=flags, seed=seed, study=study
        )
