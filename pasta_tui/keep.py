"""Images that a person wants to have or to see elsewhere: copied, put on a sheet, opened in a viewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from textual.notifications import SeverityLevel

from pasta_core.errors import PastaError
from pasta_core.sessions.sheet import SheetTurn, write_sheet
from pasta_core.text import told
from pasta_tui.plain.files import copy_images
from pasta_tui.session_state import SessionView
from pasta_tui.viewer import open_outside

__all__ = ["Keeper"]


class Keeper:
    """Keeps images of a session below the directory that `target` makes, and says where they are.

    `tell` takes a line for the person and its severity.
    """

    def __init__(self, target: Callable[[], Path], tell: Callable[[str, SeverityLevel], None]) -> None:
        self._target = target
        self._tell = tell

    async def save(self, view: SessionView, paths: Sequence[Path | None]) -> None:
        """Copy the images that are finished."""
        ready = [path for path in paths if path is not None]
        if not ready:
            self._tell("it is not painted yet", "warning")
            return

        def work() -> list[Path]:
            return copy_images(view.session, view.shown, ready, self._target())

        copies = await self._done(work)
        if len(copies) == 1:
            self._tell(f"saved as {copies[0]}", "information")
        elif copies:
            names = ", ".join(path.name for path in copies)
            self._tell(f"saved in {copies[0].parent}: {names}", "information")

    async def sheet(self, view: SessionView) -> None:
        """Write the shown turn as one picture."""
        columns = tuple(
            tuple(None if image is None else image.pixels for image in column.images)
            for column in view.columns
        )
        prompts = tuple(column.prompt for column in view.columns)
        turn = SheetTurn(view.shown, columns, prompts, view.chosen)

        def work() -> list[Path]:
            again = f"-proposal-{view.shown_proposal + 1}" if view.shown_proposal else ""
            path = self._target() / f"{view.session}-turn-{view.shown}{again}-sheet.png"
            write_sheet(path, [turn], title=view.prompt, blind=view.blind)
            return [path]

        for path in await self._done(work):
            self._tell(f"the contact sheet is {path}", "information")

    async def open(self, path: Path | None) -> None:
        """Open an image in whatever the desktop shows images with."""
        if path is None:
            self._tell("it is not painted yet", "warning")
        elif complaint := await open_outside(path):
            self._tell(complaint, "warning")
        else:
            self._tell(f"opened {path.name}", "information")

    async def _done(self, work: Callable[[], list[Path]]) -> list[Path]:
        try:
            return await asyncio.to_thread(work)
        except PastaError as error:
            self._tell(told(error), "error")
            return []
