"""The picture widget: what it draws, when it draws again, and what stays on the terminal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
from textual.app import ComposeResult
from textual.containers import Container, Grid
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widgets import Static

from pasta_tui.terminal.capabilities import CellSize, Colours
from pasta_tui.terminal.graphics import Graphics, Protocol
from pasta_tui.terminal.kitty import Numbers
from pasta_tui.widgets import picture as module
from pasta_tui.widgets.fitting import Box, fitted, largest, reduced
from pasta_tui.widgets.picture import Picture
from tests.support.asynchronous import in_a_loop
from tests.support.graphic_terminal import GraphicTerminal, RecordingApp

Pixels = npt.NDArray[np.uint8]
WIDTH, HEIGHT = 60, 24
CELL = CellSize(10, 20)
PLACES = 4


def blotches(seed: int, height: int = 64, width: int = 64) -> Pixels:
    """Large blotches of random colours."""
    few = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3)).astype(np.uint8)
    return few.repeat(8, axis=0).repeat(8, axis=1)


class Question(ModalScreen[None]):
    CSS = "Question { align: center middle; } Question Static { width: 30; height: 10; background: red; }"

    def compose(self) -> ComposeResult:
        yield Static("a question")


class Wall(RecordingApp):
    CSS = "#wall { grid-size: 2 2; grid-gutter: 1; height: 23; } Static { height: 1; }"

    def __init__(self, graphics: Graphics) -> None:
        self.graphics = graphics
        super().__init__()

    def compose(self) -> ComposeResult:
        with Grid(id="wall"):
            for place in range(PLACES):
                with Container(classes="holder"):
                    yield Picture(
                        self.graphics, placeholder=f"[b]{place}[/b]", description=f"picture {place}"
                    )
        yield Static("below")

    @property
    def pictures(self) -> list[Picture]:
        return list(self.query(Picture))


@dataclass
class Stage:
    app: Wall
    pilot: Pilot[None]
    terminal: GraphicTerminal

    async def settled(self) -> str:
        """Wait for encoders and frames; returns what was written."""
        for _ in range(2):
            await self.pilot.pause()
            await self.app.workers.wait_for_complete()
            await self.pilot.pause()
        written = self.app.taken()
        self.terminal.feed(written)
        return written

    async def shown(self) -> str:
        for place, picture in enumerate(self.app.pictures):
            picture.pixels = blotches(place)
        return await self.settled()


@asynccontextmanager
async def stage(graphics: Graphics) -> AsyncIterator[Stage]:
    app = Wall(graphics)
    terminal = GraphicTerminal(WIDTH, HEIGHT, tmux=graphics.tmux)
    async with app.run_test(size=(WIDTH, HEIGHT), notifications=True) as pilot:
        ready = Stage(app, pilot, terminal)
        await ready.settled()
        yield ready
    terminal.feed(app.taken())


def graphics(protocol: Protocol, tmux: bool = False) -> Graphics:
    return Graphics(protocol, cell=CELL, tmux=tmux, numbers=Numbers(250))


@in_a_loop
async def test_a_placeholder_is_plain_text_in_the_middle() -> None:
    async with stage(graphics(Protocol.HALF)) as at:
        assert at.terminal.line(5).split() == ["[b]0[/b]", "[b]1[/b]"]
        at.app.pictures[0].placeholder = "painting \x1b[31m3/16"
        await at.settled()
        assert at.terminal.line(5).split()[:2] == ["painting", "3/16"]


@in_a_loop
async def test_blocks_are_centred_and_keep_the_shape() -> None:
    async with stage(graphics(Protocol.HALF)) as at:
        at.app.pictures[0].pixels = blotches(0)
        await at.settled()
        boxes = [line[:29] for line in at.terminal.screen.display[:11]]
        filled = [line.strip() for line in boxes if line.strip()]
        assert {len(line) for line in filled} == {2 * len(filled)}
        assert abs(len(boxes[3]) - len(boxes[3].rstrip()) - (len(boxes[3]) - len(boxes[3].lstrip()))) <= 1


@in_a_loop
async def test_words_stand_for_pictures_where_none_are_wanted() -> None:
    async with stage(graphics(Protocol.NONE)) as at:
        assert "38;2" not in await at.shown()
        assert at.terminal.line(5).split() == ["picture", "0", "picture", "1"]


@in_a_loop
async def test_without_colours_there_are_shades() -> None:
    async with stage(Graphics(colours=Colours.NONE)) as at:
        await at.shown()
        drawn = "".join(at.terminal.screen.display[:11])
        assert set(drawn) <= set(" ░▒▓█")
        assert len(set(drawn)) > 2


@pytest.mark.parametrize("protocol", [Protocol.HALF, Protocol.KITTY, Protocol.SIXEL])
@in_a_loop
async def test_a_new_picture_lays_nothing_out_and_moves_nobody_else(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(graphics(protocol)) as at:
        await at.shown()
        drawn: list[Picture] = []
        draw = Picture._draw
        monkeypatch.setattr(Picture, "_draw", lambda self, *a: drawn.append(self) or draw(self, *a))
        laid_out: list[object] = []
        monkeypatch.setattr(at.app.screen, "_refresh_layout", lambda *a, **k: laid_out.append(a))
        at.app.pictures[2].pixels = blotches(9)
        await at.settled()
        assert set(drawn) == {at.app.pictures[2]}
        assert laid_out == []


@pytest.mark.parametrize("protocol", [Protocol.HALF, Protocol.KITTY, Protocol.SIXEL])
@in_a_loop
async def test_a_selection_that_moves_encodes_nothing(
    protocol: Protocol, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage(graphics(protocol)) as at:
        for holder in at.app.query(".holder"):
            holder.styles.border = ("round", "gray")
        await at.settled()
        await at.shown()
        made: list[str] = []
        for name in ("mosaic", "encoded"):
            work = getattr(module, name)
            monkeypatch.setattr(module, name, lambda *a, w=work, n=name: made.append(n) or w(*a))
        for holder in at.app.query(".holder"):
            holder.styles.border = ("heavy", "yellow")
            await at.settled()
            holder.styles.border = ("round", "gray")
            await at.settled()
        assert made == []


@pytest.mark.parametrize("tmux", [False, True])
@in_a_loop
async def test_kitty_pictures_are_sent_once_and_taken_away_at_the_end(tmux: bool) -> None:
    async with stage(graphics(Protocol.KITTY, tmux)) as at:
        assert await at.shown()
        assert at.terminal.sent == PLACES
        sent = {image.pixels for image in at.terminal.kept.values()}
        assert sent == {blotches(place).tobytes() for place in range(PLACES)}
        at.app.push_screen(Question())
        await at.settled()
        at.app.pop_screen()
        await at.settled()
        at.app.screen.refresh()
        await at.settled()
        assert at.terminal.sent == PLACES
        assert sum(line.count("P") for line in at.terminal.screen.display) >= PLACES * 200
        at.app.pictures[0].pixels = blotches(77)
        await at.settled()
        assert at.terminal.sent == PLACES + 1
        assert len(at.terminal.kept) == PLACES
        at.app.pictures[0].pixels = None
        await at.settled()
        assert len(at.terminal.kept) == PLACES - 1
        terminal = at.terminal
    assert terminal.kept == {}


@in_a_loop
async def test_a_large_picture_is_sent_no_larger_than_it_is_shown() -> None:
    async with stage(graphics(Protocol.KITTY)) as at:
        at.app.pictures[0].pixels = blotches(0, 512, 512)
        await at.settled()
        (image,) = at.terminal.kept.values()
        assert (image.width, image.height) == (image.cells * 10, image.lines * 20)


@in_a_loop
async def test_in_tmux_pictures_are_sent_again_when_the_pane_is_looked_at() -> None:
    async with stage(graphics(Protocol.KITTY, tmux=True)) as at:
        await at.shown()
        at.app.app_focus = False
        await at.settled()
        at.app.app_focus = True
        await at.settled()
        assert at.terminal.sent == 2 * PLACES
        assert len(at.terminal.kept) == PLACES


@in_a_loop
async def test_sixels_lie_on_all_their_cells_and_nowhere_else() -> None:
    async with stage(graphics(Protocol.SIXEL)) as at:
        await at.shown()
        assert len(at.terminal.sixels) == PLACES * 22 * 11
        blocks = {
            (x, y)
            for y, line in enumerate(at.terminal.screen.display)
            for x, character in enumerate(line)
            if character in "▀▌▘▝▖▗▚"
        }
        assert blocks == at.terminal.sixels


@in_a_loop
async def test_a_question_above_sixels_covers_them_and_leaves_nothing_behind() -> None:
    async with stage(graphics(Protocol.SIXEL)) as at:
        await at.shown()
        before = set(at.terminal.sixels)
        at.app.push_screen(Question())
        await at.settled()
        assert at.terminal.sixels == set()
        assert "a question" in "".join(at.terminal.screen.display)
        at.app.pop_screen()
        await at.settled()
        assert at.terminal.sixels == before
        assert "a question" not in "".join(at.terminal.screen.display)


@in_a_loop
async def test_a_notice_above_sixels_stays_readable_and_they_come_back() -> None:
    async with stage(graphics(Protocol.SIXEL)) as at:
        await at.shown()
        before = set(at.terminal.sixels)
        at.app.notify("the worker was restarted", timeout=1000)
        await at.settled()
        rows = [y for y, line in enumerate(at.terminal.screen.display) if "the worker was restarted" in line]
        assert rows
        column = at.terminal.line(rows[0]).index("the worker")
        assert not {(x, rows[0]) for x in range(column, column + 24)} & at.terminal.sixels
        at.app.clear_notifications()
        await at.settled()
        assert at.terminal.sixels == before


@in_a_loop
async def test_a_picture_that_goes_takes_its_sixel_along() -> None:
    async with stage(graphics(Protocol.SIXEL)) as at:
        await at.shown()
        at.app.pictures[3].pixels = None
        await at.settled()
        assert len(at.terminal.sixels) == 3 * 22 * 11
        await at.app.query(".holder").first().remove()
        await at.settled()
        assert len(at.terminal.sixels) == 2 * 22 * 11


@in_a_loop
async def test_an_encoder_that_is_overtaken_shows_nothing_old() -> None:
    async with stage(graphics(Protocol.SIXEL)) as at:
        picture = at.app.pictures[0]
        for seed in range(5):
            picture.pixels = blotches(seed)
            await at.pilot.pause()
        await at.settled()
        last = picture._sharp
        assert last is not None
        picture.pixels = blotches(4)
        await at.settled()
        assert picture._sharp is not None
        assert picture._sharp[1].code == last[1].code


@pytest.mark.parametrize("protocol", list(Protocol))
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (100, 40)])
@in_a_loop
async def test_every_window_is_drawn(protocol: Protocol, size: tuple[int, int]) -> None:
    async with stage(graphics(protocol)) as at:
        await at.shown()
        at.terminal.screen.resize(max(size[1], HEIGHT), max(size[0], WIDTH))
        at.terminal.columns, at.terminal.rows = max(size[0], WIDTH), max(size[1], HEIGHT)
        await at.pilot.resize_terminal(*size)
        await at.settled()


@pytest.mark.parametrize(
    ("room", "shape", "cell", "box"),
    [
        (Box(24, 12), (64, 64), None, Box(24, 12)),
        (Box(24, 20), (64, 64), None, Box(24, 12)),
        (Box(40, 12), (64, 64), None, Box(24, 12)),
        (Box(40, 12), (64, 64), CellSize(8, 18), Box(27, 12)),
        (Box(40, 12), (32, 64), None, Box(40, 10)),
        (Box(1, 1), (64, 640), None, Box(1, 1)),
    ],
)
def test_the_largest_box_of_the_right_shape(
    room: Box, shape: tuple[int, int], cell: CellSize | None, box: Box
) -> None:
    assert fitted(room, np.zeros((*shape, 3), np.uint8), cell) == box


def test_protocols_have_their_limits() -> None:
    room = Box(400, 120)
    assert largest(room, Protocol.HALF, CELL) == room
    assert largest(room, Protocol.KITTY, CELL) == Box(297, 120)
    assert largest(room, Protocol.SIXEL, CELL) == Box(100, 50)


def test_a_small_picture_is_not_enlarged_before_it_is_sent() -> None:
    pixels = blotches(0)
    assert reduced(pixels, Box(24, 12), CELL) is pixels
    assert reduced(blotches(0, 480, 960), Box(24, 6), CELL).shape == (120, 240, 3)
