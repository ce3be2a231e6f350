"""The end screen: the final images, the way there, where they lie, and what next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from pasta_core.domain import Pixels
from pasta_core.text import clean
from pasta_tui.screens.gallery import Gallery
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import EndRequest, Next, StartRequest
from pasta_tui.screens.start import BrowseFactory
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.viewer import open_outside
from pasta_tui.widgets.keys import KeyLine

__all__ = ["EndScreen", "Ending"]

_ARROWS = Binding.Group("Image", compact=True)


@dataclass(frozen=True, eq=False)
class Ending:
    """A finished session as its end screen tells it.

    `way` are the chosen prompts, oldest first, the final one last; `paths` are the files of `images`,
    `max_words` limits the prompt of a session that begins where this one ended.
    """

    session: str
    initial_prompt: str
    way: tuple[str, ...]
    images: tuple[Pixels, ...]
    paths: tuple[Path | None, ...]
    max_words: int
    blind: bool = False


class EndScreen(TellingScreen[EndRequest]):
    """Shows how a session ended and asks what next; `browse` makes the screen of past sessions."""

    CSS_PATH = "end.tcss"
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        # Priority: the words may be typed before the key has gone its way, and must not be taken for keys.
        Binding(
            "a",
            "again",
            "Again from here",
            id="end.again",
            tooltip="Begin a session with the final prompt.",
            priority=True,
        ),
        Binding("n", "new", "New", id="end.new", tooltip="Begin a session with another prompt."),
        *[
            Binding(
                key,
                f"walk({step})",
                name,
                id=f"end.{key}",
                tooltip="Select another image.",
                group=_ARROWS,
            )
            for key, name, step in (("left", "Image before", -1), ("right", "Next image", 1))
        ],
        Binding("z", "zoom", "Zoom", id="end.zoom", tooltip="Show the selected image on the whole screen."),
        Binding("o", "open", "Open", id="end.open", tooltip="Open the selected image in your image viewer."),
        Binding("f", "folder", "Folder", id="end.folder", tooltip="Open the folder that the images lie in."),
        Binding("b", "browse", "Browse", id="end.browse", tooltip="Look through past sessions."),
        Binding("q", "leave", "Quit", id="end.quit", show=False, tooltip="Leave; everything is kept."),
        Binding("escape", "back", "Back", id="end.back", tooltip="Back to all images."),
    ]

    def __init__(self, ending: Ending, graphics: Graphics, browse: BrowseFactory | None = None) -> None:
        super().__init__()
        self._ending = ending
        self._graphics = graphics
        self._browse = browse

    def compose(self) -> ComposeResult:
        """From the top: the idea, what it became, the images, the way there, the files, what next."""
        ending = self._ending
        with Horizontal(id="head"):
            yield Static(clean(ending.initial_prompt).text, id="idea", markup=False)
            yield Static(f"finished  {ending.session}", id="session", markup=False)
        yield Static(id="final", markup=False)
        yield Gallery(self._graphics, len(ending.images), leading=True, id="pictures")
        with VerticalScroll(id="way", can_focus=False):
            yield Static(_way(ending), markup=False)
        yield Static(id="file", markup=False)
        yield Static(
            "Again from here: Enter begins with this prompt, or with what you make of it",
            id="question",
            markup=False,
        )
        yield PromptEntry(ending.max_words, text=ending.way[-1] if ending.way else "", id="entry")
        yield KeyLine()

    def on_mount(self) -> None:
        """Show the pictures; the way is in sight at its end."""
        ending = self._ending
        self.set_class(ending.blind or not ending.way, "-untold")
        self.set_class(len(ending.way) < 2, "-short")
        if ending.way and not ending.blind:
            self.query_one("#final", Static).update(Content(clean(ending.way[-1]).text))
        self.query_one(Gallery).show(ending.images)
        self.query_one("#way", VerticalScroll).scroll_end(animate=False)
        self._show_file()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what there is; a blind session's prompt is not shown, so it cannot be begun with."""
        if action == "again":
            return not self._ending.blind and not self.has_class("asking")
        if action == "browse":
            return self._browse is not None
        if action == "back":
            return self.has_class("asking") or self.has_class("zoomed")
        if action in ("open", "folder"):
            return any(path is not None for path in self._ending.paths)
        return super().check_action(action, parameters)

    def action_again(self) -> None:
        """Show the final prompt, to begin with it or with what is made of it."""
        self._zoom(False)
        self.add_class("asking")
        self.set_focus(self.query_one(PromptEntry).area)

    def action_new(self) -> None:
        """To the start screen."""
        self.dismiss(EndRequest(Next.NEW))

    def action_leave(self) -> None:
        """Leave."""
        self.dismiss(EndRequest(Next.QUIT))

    def action_walk(self, step: int) -> None:
        """Select another image."""
        self.query_one(Gallery).walk(step)

    def action_zoom(self) -> None:
        """Show the selected image alone, or all again."""
        self._zoom(not self.query_one(Gallery).single)

    def action_back(self) -> None:
        """Back from the prompt, or from one image."""
        if self.has_class("asking"):
            self.remove_class("asking")
            self.set_focus(None)
            self.refresh_bindings()
        else:
            self._zoom(False)

    def action_open(self) -> None:
        """Open the selected image in a viewer."""
        self.do(self._open(self._path()))

    def action_folder(self) -> None:
        """Open the folder of the images."""
        path = self._path()
        self.do(self._open(None if path is None else path.parent))

    def action_browse(self) -> None:
        """Look through past sessions, and go on with one that is chosen there."""
        if self._browse is not None:
            self.app.push_screen(self._browse(), self._browsed)

    def _browsed(self, request: StartRequest | None) -> None:
        if request is not None:
            self.dismiss(EndRequest(Next.RESUME, resume=request.resume))

    @on(PromptEntry.Submitted)
    def _begin(self, event: PromptEntry.Submitted) -> None:
        self.dismiss(EndRequest(Next.AGAIN, prompt=event.prompt))

    @on(Gallery.Selected)
    def _selected(self, event: Gallery.Selected) -> None:
        self._show_file()
        if event.twice:
            self.action_zoom()

    def _zoom(self, single: bool) -> None:
        self.set_class(single, "zoomed")
        self.query_one(Gallery).single = single
        self.refresh_bindings()

    def _path(self) -> Path | None:
        place = self.query_one(Gallery).selected
        return self._ending.paths[place] if place < len(self._ending.paths) else None

    def _show_file(self) -> None:
        path = self._path()
        place = self.query_one(Gallery).selected + 1
        where = "it is not in a file" if path is None else clean(str(path)).text
        self.query_one("#file", Static).update(
            Content(f"image {place} of {len(self._ending.images)}: {where}")
        )

    async def _open(self, path: Path | None) -> None:
        if path is None:
            return
        complaint = await open_outside(path)
        said = clean(complaint or f"opened {path}").text
        self.notify(said, severity="warning" if complaint else "information", markup=False)


def _way(ending: Ending) -> Content:
    """The chosen prompts, a line each; a blind session only says how many there were."""
    if ending.blind:
        return Content(f"{len(ending.way)} choices led here")
    lines = [
        Content.assemble((f"turn {number}  ", "dim"), clean(prompt).text)
        for number, prompt in enumerate(ending.way, start=1)
    ]
    return Content("\n").join(lines)
