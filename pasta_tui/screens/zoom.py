"""One image on the whole screen; the arrows walk through the slate."""

from __future__ import annotations

from pathlib import Path

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal
from textual.widgets import Static

from pasta_tui.keep import Keeper
from pasta_tui.screens.above import AboveScreen
from pasta_tui.screens.turn_keys import STOP
from pasta_tui.session_state import SessionView
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.fit import Place
from pasta_tui.widgets.keys import KeyLine
from pasta_tui.widgets.picture import Picture
from pasta_tui.widgets.words import shown_name

__all__ = ["ZoomScreen"]

_COLUMNS = Binding.Group("Column", compact=True)
_IMAGES = Binding.Group("Image", compact=True)


class ZoomScreen(AboveScreen[Place]):
    """Shows the image at a place as large as it fits; hands back the place where the person stopped."""

    BINDINGS = [
        *[
            Binding(
                key,
                f"walk({step}, 0)",
                name,
                id=f"zoom.{key}",
                tooltip="Go to the same image of another column.",
                group=_COLUMNS,
            )
            for key, name, step in (("left", "Column before", -1), ("right", "Next column", 1))
        ],
        *[
            Binding(
                key,
                f"walk(0, {step})",
                name,
                id=f"zoom.{key}",
                tooltip="Go to another image of the column.",
                group=_IMAGES,
            )
            for key, name, step in (("up", "Image before", -1), ("down", "Next image", 1))
        ],
        Binding("p", "prompts", "Prompt", id="zoom.prompts", tooltip="Show or hide the prompt."),
        Binding("s", "save", "Save", id="zoom.save", tooltip="Copy the image to where you work."),
        Binding("o", "open", "Open", id="zoom.open", tooltip="Open the image in your image viewer."),
        Binding("z,escape,enter,q", "back", "Back", id="zoom.back", tooltip="Back to the slate."),
        STOP,
    ]

    def __init__(
        self, view: SessionView, place: Place, graphics: Graphics, keeper: Keeper, texts: bool
    ) -> None:
        super().__init__()
        self._view = view
        self._place = place
        self._keeper = keeper
        self._texts = texts
        self._picture = Picture(graphics)

    def compose(self) -> ComposeResult:
        with Horizontal(id="head"):
            yield Static(id="where", markup=False)
            yield Static(id="turn", markup=False)
        yield self._picture
        yield Static(id="caption", markup=False)
        yield KeyLine()

    def on_mount(self) -> None:
        self._show()

    def take(self, view: SessionView) -> None:
        """Show a later view; the place is kept where it still exists."""
        if self._place.column >= len(view.columns):
            self._place = Place()
        self._view = view
        if self.is_mounted:
            self._show()

    def _show(self) -> None:
        view, place = self._view, self._place
        column = view.columns[place.column]
        what = "your words" if view.shown == 0 else f"column {place.column + 1} of {len(view.columns)}"
        self.query_one("#where", Static).update(f"{what}, image {place.image + 1} of {len(column.images)}")
        self.query_one("#turn", Static).update(shown_name(view) if view.shown else "")
        self._picture.placeholder = "not painted yet"
        self._picture.description = f"{what}, image {place.image + 1}"
        self._picture.pixels = column.pixels(place.image)
        caption = self.query_one("#caption", Static)
        caption.display = self._texts and not view.blind
        value = "" if column.value is None else f", value {column.value:z.2f}"
        caption.update(f"{column.category}{value}: {column.prompt}")

    def action_walk(self, dx: int, dy: int) -> None:
        """Walk to a neighbour; at an edge the walk goes on at the other one."""
        columns, images = len(self._view.columns), self._view.settings.images
        self._place = Place((self._place.column + dx) % columns, (self._place.image + dy) % images)
        self._show()

    def action_prompts(self) -> None:
        """Show or hide the prompt."""
        self._texts = not self._texts
        self._show()

    def action_save(self) -> None:
        """Copy the image."""
        self.do(self._keeper.save(self._view, [self._path()]))

    def action_open(self) -> None:
        """Open the image in a viewer."""
        self.do(self._keeper.open(self._path()))

    def action_back(self) -> None:
        """Back to the slate."""
        self.dismiss(self._place)

    def on_click(self, event: events.Click) -> None:
        """A click leads back."""
        event.stop()
        self.dismiss(self._place)

    def _path(self) -> Path | None:
        return self._view.columns[self._place.column].paths[self._place.image]
