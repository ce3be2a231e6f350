"""One picture in the cells of the terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from pasta_core.text import clean
from pasta_tui.terminal import kitty
from pasta_tui.terminal.blocks import BlockLine, mosaic
from pasta_tui.terminal.graphics import Graphics, Protocol
from pasta_tui.terminal.text import cell_width, clipped
from pasta_tui.widgets.fitting import Box, Pixels, fitted, largest
from pasta_tui.widgets.sharp import SharpImage, encoded, is_quick
from pasta_tui.widgets.strips import BlockStrip, KittyImage, KittyStrip, Margins, SixelImage, SixelStrip

__all__ = ["Picture"]


class Picture(Widget):
    """Shows one picture as large as it fits, centred; a short dim text where there is none yet.

    Where the terminal draws pixels, blocks stand in until they are encoded, and where something covers them.
    Borders belong on the container: then a selection that moves never encodes a picture again.
    """

    DEFAULT_CSS = """
    Picture { width: 1fr; height: 1fr; }
    """
    ALLOW_SELECT = False

    def __init__(
        self,
        graphics: Graphics,
        *,
        placeholder: str = "",
        description: str = "picture",
        name: str | None = None,
        id: str | None = None,  # noqa: A002  Textual's own name
        classes: str | None = None,
    ) -> None:
        """Start empty.

        `placeholder` stands where no picture is yet, `description` where the terminal shows words only.
        """
        super().__init__(name=name, id=id, classes=classes)
        self._graphics = graphics
        self._pixels: Pixels | None = None
        self._placeholder = placeholder
        self._description = description
        self._drawn: tuple[object, list[Strip]] | None = None
        self._blocks: tuple[Box, list[BlockLine]] | None = None
        self._sharp: tuple[Box, SharpImage] | None = None
        self._wanted: Box | None = None
        self._kept: KittyImage | None = None  # what the terminal has in memory
        self._retrying = False

    @property
    def pixels(self) -> Pixels | None:
        """What is shown, RGB (height, width, 3); setting it repaints this widget and lays nothing out."""
        return self._pixels

    @pixels.setter
    def pixels(self, pixels: Pixels | None) -> None:
        if pixels is not self._pixels:
            self._pixels = pixels
            self._blocks = self._sharp = self._wanted = None
            self._repaint()

    @property
    def placeholder(self) -> str:
        """A short text shown while there is no picture; never read as markup."""
        return self._placeholder

    @placeholder.setter
    def placeholder(self, text: str) -> None:
        if text != self._placeholder:
            self._placeholder = text
            self._repaint()

    @property
    def description(self) -> str:
        """The words that stand for the picture where the terminal shows words only."""
        return self._description

    @description.setter
    def description(self, text: str) -> None:
        if text != self._description:
            self._description = text
            self._repaint()

    def render_line(self, y: int) -> Strip:
        """One line of the content."""
        lines = self._lines()
        return lines[y] if y < len(lines) else Strip.blank(self.content_size.width, self.rich_style)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The lines as they are: Textual's own way copies every segment of every line once more."""
        if self.gutter:
            return super().render_lines(crop)
        strips = self._lines()[crop.y : crop.bottom]
        return [strip.crop(crop.x, crop.right) for strip in strips]

    def on_mount(self) -> None:
        """In tmux, what was sent while the pane was hidden is lost: send it again when it is looked at."""
        if self._graphics.tmux and self._graphics.protocol is Protocol.KITTY:
            self.watch(self.app, "app_focus", self._send_again, init=False)

    def on_unmount(self, event: events.Unmount) -> None:
        """Take the picture out of the terminal's memory."""
        self._forget()

    def _repaint(self) -> None:
        self._drawn = None
        if self.is_mounted:
            self.refresh()

    def _lines(self) -> list[Strip]:
        """All lines of the content, made again only if the picture, the size or the background changed."""
        # What ends on the last line of the screen makes some terminals scroll.
        spare = self._graphics.protocol is Protocol.SIXEL and self.region.bottom >= self.screen.size.height
        key = (self.content_size, self.rich_style, spare)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = (key, self._draw(Box(*self.content_size), self.rich_style, spare))
        return self._drawn[1]

    def _draw(self, room: Box, style: Style, spare: bool) -> list[Strip]:
        if not room.cells or not room.lines:
            return []
        pixels, protocol = self._pixels, self._graphics.protocol
        if pixels is None or protocol is Protocol.NONE:
            self._forget()
            return _words(self._placeholder if pixels is None else self._description, room, style)
        cell = self._graphics.cell_now()
        usable = largest(Box(room.cells, max(1, room.lines - spare)), protocol, cell)
        box = fitted(usable, pixels, cell)
        left = (room.cells - box.cells) // 2
        margins = Margins(left, room.cells - box.cells - left, style)
        return _centred(self._picture_lines(pixels, box, margins), room, style)

    def _picture_lines(self, pixels: Pixels, box: Box, margins: Margins) -> list[Strip]:
        sharp = self._sharp_one(pixels, box)
        blocks = partial(self._block_lines, pixels, box)
        if isinstance(sharp, KittyImage):
            return [
                KittyStrip(sharp, y, range(box.cells), margins, _later(blocks, y, margins))
                for y in range(box.lines)
            ]
        if isinstance(sharp, SixelImage):
            return [SixelStrip(sharp, y, line, margins) for y, line in enumerate(blocks())]
        return [BlockStrip(line, margins) for line in blocks()]

    def _block_lines(self, pixels: Pixels, box: Box) -> list[BlockLine]:
        if self._blocks is None or self._blocks[0] != box:
            self._blocks = (box, mosaic(pixels, box.cells, box.lines, self._graphics))
        return self._blocks[1]

    def _sharp_one(self, pixels: Pixels, box: Box) -> SharpImage | None:
        """The picture in real pixels where it is ready; what takes long is begun here and comes later."""
        if self._sharp is not None and self._sharp[0] == box:
            return self._sharp[1]
        if self._wanted == box or self._graphics.protocol not in (Protocol.KITTY, Protocol.SIXEL):
            return None
        self._wanted = box
        work = partial(encoded, pixels, box, self._graphics, self._kept, self._began)
        if is_quick(pixels, self._graphics):
            self._keep(box, work())
        else:
            self.run_worker(self._encode(pixels, box, work), group="encode", exclusive=True)
        return None if self._sharp is None else self._sharp[1]

    async def _encode(self, pixels: Pixels, box: Box, work: Callable[[], SharpImage]) -> None:
        image = await asyncio.to_thread(work)
        if self._pixels is pixels and self._wanted == box:
            self._keep(box, image)
            self._repaint()

    def _keep(self, box: Box, image: SharpImage) -> None:
        self._sharp = (box, image)
        if isinstance(image, KittyImage):
            self._kept = image

    def _began(self) -> None:
        """A frame began to write cells of the picture: see what became of it when the frame is done."""
        self.call_later(self._settle)

    def _settle(self) -> None:
        """Draw a picture that the last frame tore again; once, as it stays torn under what covers it."""
        image = self._sharp[1] if self._sharp is not None else None
        if not isinstance(image, SixelImage):
            return
        self._retrying = not image.settle() and not self._retrying
        if self._retrying:
            self.refresh()

    def _send_again(self, focused: bool) -> None:
        if focused and self._kept is not None:
            self._kept.sent = False
            self.refresh()

    def _forget(self) -> None:
        driver = self.app._driver
        if driver is not None and self._kept is not None and self._kept.sent:
            driver.write(kitty.delete(self._kept.number, self._graphics.tmux))
        self._kept = None


def _later(blocks: Callable[[], list[BlockLine]], y: int, margins: Margins) -> Callable[[], list[Segment]]:
    return lambda: margins.around(blocks()[y])


def _words(text: str, room: Box, style: Style) -> list[Strip]:
    """`text` dim in the middle."""
    shown = clipped(clean(text).text, room.cells)
    if not shown:
        return [Strip.blank(room.cells, style)] * room.lines
    left = (room.cells - cell_width(shown)) // 2
    right = room.cells - cell_width(shown) - left
    line = Strip([Segment(" " * left + shown + " " * right, style + Style(dim=True))], room.cells)
    return _centred([line], room, style)


def _centred(lines: list[Strip], room: Box, style: Style) -> list[Strip]:
    blank = Strip.blank(room.cells, style)
    above = (room.lines - len(lines)) // 2
    return [*[blank] * above, *lines, *[blank] * (room.lines - len(lines) - above)]
