"""The slate: a column for each prompt, its pictures, its category and its text."""

from __future__ import annotations

from textual import events
from textual.app import ComposeResult
from textual.containers import Container, Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from pasta_tui.session_state import Column, SessionView
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.terminal.text import clipped, wrap
from pasta_tui.widgets.fit import GUTTER, TITLE, Fit, Layout, Place, fit, lay_out
from pasta_tui.widgets.picture import Picture

__all__ = ["ColumnPanel", "Slate", "Thumbnail"]


class Thumbnail(Container):
    """A picture and the mark on its left that tells that it is selected."""

    class Picked(Message):
        """Somebody clicked on it."""

        def __init__(self, place: Place, twice: bool) -> None:
            super().__init__()
            self.place = place
            self.twice = twice

    def __init__(self, graphics: Graphics, place: Place) -> None:
        super().__init__(classes="thumbnail")
        self.place = place
        self.picture = Picture(graphics)

    def compose(self) -> ComposeResult:
        yield self.picture

    def on_click(self, event: events.Click) -> None:
        """Tell whoever holds the selection."""
        event.stop()
        self.post_message(self.Picked(self.place, event.chain > 1))


class ColumnPanel(Vertical):
    """One column: a title, its pictures, and its prompt if that is shown."""

    def __init__(self, graphics: Graphics, number: int, images: int) -> None:
        super().__init__(classes="column")
        self._number = number
        self._title = Static(markup=False, classes="title")
        self._text = Static(markup=False, classes="prompt")
        self.thumbnails = [Thumbnail(graphics, Place(number, index)) for index in range(images)]
        self._pictures = Container(*self.thumbnails, classes="pictures")

    def compose(self) -> ComposeResult:
        yield self._title
        yield self._pictures
        yield self._text

    def size_to(self, shape: Fit, text_lines: int) -> None:
        """Give everything its size in cells."""
        self.styles.width = shape.column
        self._pictures.styles.height = shape.lines
        self._pictures.styles.grid_size_columns = shape.across
        self._pictures.styles.grid_columns = str(shape.width + GUTTER)
        self._pictures.styles.grid_rows = str(shape.height)
        self._text.styles.height = text_lines
        self._text.display = text_lines > 0

    def show(self, column: Column, title: str, text: str) -> None:
        """Show a column; only what changed is painted again."""
        self._title.update(title)
        self._text.update(text)
        for index, thumbnail in enumerate(self.thumbnails):
            thumbnail.picture.placeholder = "·"
            thumbnail.picture.description = f"picture {index + 1}"
            thumbnail.picture.pixels = column.pixels(index)

    def mark(self, selected: int | None, chosen: bool) -> None:
        """Mark the selected image, and the whole column."""
        self.set_class(selected is not None, "selected")
        self.set_class(chosen, "chosen")
        for index, thumbnail in enumerate(self.thumbnails):
            thumbnail.set_class(index == selected, "selected")


class Slate(Vertical):
    """All columns of a turn, side by side; they scroll sideways where they do not fit."""

    can_focus = False

    def __init__(self, graphics: Graphics, columns: int, images: int) -> None:
        super().__init__()
        self._graphics = graphics
        self._panels = [ColumnPanel(graphics, number, images) for number in range(columns)]
        self._row = Horizontal(*self._panels, classes="columns")
        self._row.display = False
        self._detail = Static(markup=False, classes="detail")
        self._enlarged = [Picture(graphics) for _ in range(images)]
        self._large = Horizontal(*self._enlarged, classes="large")
        self._view: SessionView | None = None
        self._place = Place()
        self._texts = True
        self._arranged: tuple[Layout, int] | None = None
        self.shape = fit(columns, images, 80, 10, 2.0)

    def compose(self) -> ComposeResult:
        yield self._row
        yield self._detail
        yield self._large

    def show(self, view: SessionView, place: Place, texts: bool) -> None:
        """Show a view, with one image selected and with or without prompts."""
        # The person's own words stand at the top of the screen already.
        self._view, self._place, self._texts = view, place, texts and not view.blind and view.shown > 0
        self._refit()

    def on_resize(self) -> None:
        """Fit again."""
        self._refit()

    def _refit(self) -> None:
        view, (width, height) = self._view, self.size
        if view is None or not view.columns or not width or not height:
            return
        columns, cell = len(view.columns), self._graphics.cell_now()
        prompts = [column.prompt for column in view.columns] if self._texts else []
        aspect = cell.height / cell.width if cell else 2.0
        layout = lay_out(prompts, columns, view.settings.images, width, height, aspect)
        if (layout, columns) != self._arranged:
            self._arranged = (layout, columns)
            self.shape = layout.shape
            self._row.display = True
            scrolls = columns * layout.shape.column > width
            self._row.styles.height = TITLE + layout.shape.lines + layout.texts.columns + scrolls
            self._detail.display, self._detail.styles.height = layout.texts.detail > 0, layout.texts.detail
            self._large.display, self._large.styles.height = layout.large > 0, layout.large
            for number, panel in enumerate(self._panels):
                panel.display = number < columns
                panel.size_to(layout.shape, layout.texts.columns)
        self._fill(view, layout)

    def _fill(self, view: SessionView, layout: Layout) -> None:
        for number, (panel, column) in enumerate(zip(self._panels, view.columns, strict=False)):
            text = _clipped_lines(column.prompt, layout.shape.column - 2, layout.texts.columns)
            panel.show(column, self._title(view, number, column), text)
            selected = number == self._place.column
            panel.mark(self._place.image if selected else None, view.chosen == number)
        column = view.columns[self._place.column]
        self._detail.update(f"{self._place.column + 1}  {column.prompt}")
        for index, picture in enumerate(self._enlarged):
            picture.pixels = column.pixels(index) if layout.large else None
        if self._row.max_scroll_x:
            self._row.scroll_to_widget(self._panels[self._place.column], animate=False)

    def _title(self, view: SessionView, number: int, column: Column) -> str:
        if view.shown == 0:
            return " your words"
        mark = " ✓" if view.chosen == number else ""
        value = "" if column.value is None else f"  {column.value:z.2f}"
        words = f"{value}  {column.category}" if self._texts else ""
        return clipped(f" {number + 1}{mark}{words}", self.shape.column - 1)


def _clipped_lines(text: str, width: int, lines: int) -> str:
    """`text` wrapped into at most so many lines, with an ellipsis where something is missing."""
    wrapped = wrap(text, max(1, width))
    if len(wrapped) <= lines:
        return "\n".join(wrapped)
    return "\n".join([*wrapped[: lines - 1], clipped(f"{wrapped[lines - 1]} …", width)]) if lines else ""
