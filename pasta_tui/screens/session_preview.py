"""The session that is selected in a list: what it has come to, in pictures and a few lines."""

from __future__ import annotations

import asyncio

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import Static

from pasta_core.errors import PastaError
from pasta_core.sessions.records import PERSON, SessionInfo
from pasta_core.text import clean, told
from pasta_tui.archive import Archive
from pasta_tui.screens.gallery import Gallery
from pasta_tui.terminal.graphics import Graphics

__all__ = ["SessionPreview"]

_MOST_IMAGES = 16


class SessionPreview(Vertical):
    """Shows one session of the archive; its pictures come when they are read."""

    def __init__(self, archive: Archive, graphics: Graphics) -> None:
        super().__init__(id="preview")
        self._archive = archive
        self._graphics = graphics

    def compose(self) -> ComposeResult:
        """The pictures over the words."""
        yield Gallery(self._graphics, _MOST_IMAGES, marked=False, id="pictures")
        yield Static(id="about", markup=False)

    def show(self, info: SessionInfo | None) -> None:
        """Show this session instead of the one before, or none."""
        # the screen tells what goes wrong in its workers
        self.screen.run_worker(self._show(info), group="preview", exclusive=True, exit_on_error=False)

    async def _show(self, info: SessionInfo | None) -> None:
        gallery, about = self.query_one(Gallery), self.query_one("#about", Static)
        if info is None:
            gallery.show(())
            about.update("")
            return
        about.update(_about(info, ""))
        try:
            preview = await asyncio.to_thread(self._archive.preview, info.id)
        except PastaError as error:
            about.update(Content(told(error)))
            return
        gallery.show([None if image is None else image.pixels for image in preview.images])
        about.update(_about(info, preview.prompt))


def _about(info: SessionInfo, prompt: str) -> Content:
    """The selected session in a few lines; a blind one keeps its chosen prompt to itself."""
    made_of = info.made_of
    shown = "" if made_of.blind else clean(prompt).text
    who = "" if made_of.user == PERSON else f", played by {made_of.user}"
    return Content("\n").join(
        [
            Content.assemble((clean(made_of.prompt).text, "bold")),
            *([Content(f"→ {shown}")] if shown else []),
            Content.assemble(
                (
                    f"{info.status.value}, {info.turns_chosen} of {made_of.settings.turns} turns, "
                    f"{info.updated_at.astimezone():%Y-%m-%d %H:%M}, profile {made_of.profile}{who}",
                    "dim",
                )
            ),
        ]
    )
