"""Pictures side by side, as large as they fit, one of them selected; or that one alone."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from pasta_core.domain import Pixels
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.fit import GUTTER, Place, fit
from pasta_tui.widgets.picture import Picture
from pasta_tui.widgets.slate import Thumbnail

__all__ = ["Gallery"]


_WORTH_IT = 1.5
"""How much larger the selected picture must be beside the others than among them."""
_LOWEST = 4
"""Lines of a picture that stands beside the selected one."""


class Gallery(Container):
    """Shows up to `most` pictures; `single` shows the selected one alone, as large as it fits.

    `leading` shows the selected one large and all of them beside it, where that makes it much larger.
    """

    DEFAULT_CSS = """
    Gallery { layout: horizontal; height: 1fr; width: 1fr; overflow: hidden; align: center middle; }
    Gallery .all { layout: grid; height: 1fr; width: 1fr; overflow: hidden; align: center middle; }
    Gallery .leading { display: none; height: 1fr; margin-right: 1; }
    """

    class Selected(Message):
        """Another picture is selected; `twice` if it was clicked a second time."""

        def __init__(self, index: int, twice: bool = False) -> None:
            super().__init__()
            self.index = index
            self.twice = twice

    def __init__(
        self,
        graphics: Graphics,
        most: int,
        *,
        marked: bool = True,
        leading: bool = False,
        id: str | None = None,  # noqa: A002  Textual's own name
    ) -> None:
        """Start empty; `marked` says whether the selected picture shows that it is."""
        super().__init__(id=id)
        self.selected = 0
        self._marked = marked
        self._graphics = graphics
        self._leads = leading
        self._leader = Picture(graphics)
        self._leader.add_class("leading")
        self._thumbnails = [Thumbnail(graphics, Place(0, index)) for index in range(most)]
        self._count = 0
        self._single = False
        self._pictures: tuple[Pixels | None, ...] = ()

    def compose(self) -> ComposeResult:
        """All pictures there may ever be; those that are not needed are hidden."""
        yield self._leader
        yield Container(*self._thumbnails, classes="all")

    def show(self, pictures: Sequence[Pixels | None], placeholder: str = "lost") -> None:
        """Show these pictures, None where a file is lost; the first one is selected."""
        self._pictures = tuple(pictures)
        self._count = min(len(pictures), len(self._thumbnails))
        for index, (thumbnail, pixels) in enumerate(zip(self._thumbnails, pictures, strict=False)):
            thumbnail.picture.placeholder = placeholder
            thumbnail.picture.description = f"picture {index + 1}"
            thumbnail.picture.pixels = pixels
        self.selected = 0
        self._arrange()

    @property
    def count(self) -> int:
        """How many pictures are shown."""
        return self._count

    @property
    def single(self) -> bool:
        """Whether the selected picture is shown alone."""
        return self._single

    @single.setter
    def single(self, single: bool) -> None:
        self._single = single
        self._arrange()

    def walk(self, step: int) -> None:
        """Select a picture further on; after the last one comes the first."""
        if self._count:
            self.select((self.selected + step) % self._count)

    def select(self, index: int, twice: bool = False) -> None:
        """Select a picture."""
        self.selected = index
        self._arrange()
        self.post_message(self.Selected(index, twice))

    def on_resize(self) -> None:
        """Fit again."""
        self._arrange()

    def on_thumbnail_picked(self, event: Thumbnail.Picked) -> None:
        """A click selects."""
        event.stop()
        self.select(event.place.image, event.twice)

    def _arrange(self) -> None:
        shown = 1 if self._single else self._count
        for index, thumbnail in enumerate(self._thumbnails):
            thumbnail.display = index == self.selected if self._single else index < self._count
            thumbnail.set_class(self._marked and not self._single and index == self.selected, "selected")
        width, height = self.size
        if not (shown and width and height):
            return
        cell = self._graphics.cell_now()
        aspect = cell.height / cell.width if cell else 2.0
        shape = fit(1, shown, width, height, aspect)
        strip = ceil(height // shown * aspect) + GUTTER
        large = min(width - strip - 1, round(height * aspect))
        leads = self._leads and shown > 1 and height // shown >= _LOWEST
        leads = leads and large >= _WORTH_IT * min(shape.width, shape.height * aspect)
        if leads:
            shape = fit(1, shown, strip, height - shown + 1, aspect)
        everything = self.query_one(".all").styles
        everything.width = strip if leads else "1fr"
        everything.grid_gutter_horizontal = int(leads)
        everything.grid_size_columns = shape.across
        everything.grid_columns = str(shape.width + GUTTER)
        everything.grid_rows = str(shape.height)
        self._leader.display = leads
        self._leader.styles.width = large
        self._leader.pixels = self._pictures[self.selected] if leads else None
        self._leader.description = f"picture {self.selected + 1}"
