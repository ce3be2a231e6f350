"""The end screen: what it shows of a finished session, and what it hands back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from pasta_tui.screens import end
from pasta_tui.screens.end import Ending, EndScreen
from pasta_tui.screens.gallery import Gallery
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import EndRequest, Next, StartRequest
from pasta_tui.terminal.graphics import Graphics
from tests.support.screens import Host, OtherScreen, on_screen

FOLDER = Path("/data/sessions/20261123-bcdf/turn-3")
WAY = ("a red train", "a red train [at night]", "a red train [at night] in \x1b[31msnow")


def ending(images: int = 4, way: tuple[str, ...] = WAY, blind: bool = False, max_words: int = 62) -> Ending:
    return Ending(
        session="20261123-bcdf",
        initial_prompt="a [red] train",
        way=way,
        images=tuple(np.full((64, 64, 3), 15 * index, np.uint8) for index in range(images)),
        paths=tuple(FOLDER / f"column-1-image-{index + 1}.png" for index in range(images)),
        max_words=max_words,
        blind=blind,
    )


def shown(told: Ending, browse: type[Screen[StartRequest | None]] | None = None) -> EndScreen:
    return EndScreen(told, Graphics(), browse)


def test_the_prompt_the_images_the_way_and_the_file_are_in_sight() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        lines = host.text.splitlines()
        assert "a [red] train" in lines[0] and "20261123-bcdf" in lines[0]
        assert "a red train [at night] in snow" in lines[2]
        assert sum(line.startswith(" turn ") for line in lines) == 3
        assert f"image 1 of 4: {FOLDER}/column-1-image-1.png" in host.text
        assert [thumbnail.display for thumbnail in host.screen.query("Thumbnail")] == [True] * 4
        assert all(thumbnail.region.width >= 15 for thumbnail in host.screen.query("Thumbnail"))

    assert on_screen(lambda: shown(ending()), steps) == []


def test_the_arrows_select_an_image_and_tell_its_file() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("right", "right")
        assert "image 3 of 4" in host.text and "image-3.png" in host.text
        await pilot.press("left", "left", "left")
        assert "image-4.png" in host.text

    on_screen(lambda: shown(ending()), steps)


def test_one_image_takes_the_whole_screen_and_the_arrows_walk_on() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        small = host.screen.query("Thumbnail").first().region
        await pilot.press("z")
        visible = [thumbnail for thumbnail in host.screen.query("Thumbnail") if thumbnail.display]
        assert len(visible) == 1
        assert visible[0].region.height > 1.4 * small.height
        await pilot.press("right")
        assert "image 2 of 4" in host.text
        assert host.screen.query_one(Gallery).single
        await pilot.press("escape")
        assert not host.screen.query_one(Gallery).single

    on_screen(lambda: shown(ending()), steps)


def test_again_from_here_begins_with_the_final_prompt_as_it_was_left() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("a")
        assert host.screen.query_one(PromptEntry).text == "a red train [at night] in snow"
        await pilot.press(*" and fog", "enter")

    made = on_screen(lambda: shown(ending()), steps)
    assert made == [EndRequest(Next.AGAIN, prompt="a red train [at night] in snow and fog")]


def test_a_final_prompt_that_is_too_long_is_shortened_by_the_person() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("a", "enter")
        assert "the prompt has 7 words, at most 5" in host.text
        assert host.handed_back == []
        await pilot.press("ctrl+w", "ctrl+w", "enter")

    made = on_screen(lambda: shown(ending(max_words=5)), steps)
    assert made == [EndRequest(Next.AGAIN, prompt="a red train [at night]")]


def test_escape_leaves_the_prompt_and_the_keys_work_again() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("a", "n", "escape", "n")

    assert on_screen(lambda: shown(ending()), steps) == [EndRequest(Next.NEW)]


def test_quit_and_browse() -> None:
    async def leave(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("b", "q")

    async def browse(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("b", "n", "b", "x")

    assert on_screen(lambda: shown(ending()), leave) == [EndRequest(Next.QUIT)]
    made = on_screen(lambda: shown(ending(), OtherScreen), browse)
    assert made == [EndRequest(Next.RESUME, resume="20261123-zzzz")]


def test_the_folder_and_the_image_are_opened_or_it_is_said_why_not(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    async def viewer(path: Path) -> str:
        opened.append(path)
        return "" if path == FOLDER else "no [viewer] here"

    monkeypatch.setattr(end, "open_outside", viewer)

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("right", "f", "o")
        assert "no [viewer] here" in [note.message for note in host._notifications]

    on_screen(lambda: shown(ending()), steps)
    assert opened == [FOLDER, FOLDER / "column-1-image-2.png"]


def test_a_blind_session_ends_blind() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert "night" not in host.text
        assert "3 choices led here" in host.text
        await pilot.press("a")
        assert "night" not in host.text

    assert on_screen(lambda: shown(ending(blind=True)), steps) == []


@pytest.mark.parametrize("images", [1, 2, 9, 16])
@pytest.mark.parametrize("size", [(80, 24), (160, 50), (40, 12)])
def test_all_images_are_in_sight_whatever_their_number(images: int, size: tuple[int, int]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        whole = host.screen.query_one(Gallery).region
        regions = [thumbnail.region for thumbnail in host.screen.query("Thumbnail")]
        assert all(whole.contains_region(region) and region.area for region in regions)
        assert all(not one.overlaps(two) for one in regions for two in regions if one is not two)

    way = (" ".join(["word"] * 62),) * 5
    on_screen(lambda: shown(ending(images, way)), steps, size)
