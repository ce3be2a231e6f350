"""The start screen: what is offered, what is refused in place, and what is handed back."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from textual.pilot import Pilot

from pasta_core.errors import StorageError
from pasta_core.sessions.records import NewSession, SessionInfo, SessionStatus
from pasta_core.vocabulary import unknown_words
from pasta_tui.screens.choices import Choices
from pasta_tui.screens.facts import start_facts
from pasta_tui.screens.prompt_entry import PromptEntry
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.start import StartFacts, StartScreen
from pasta_tui.screens.when import ago
from tests.support.screens import Host, OtherScreen, on_screen, settled

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)
FACTS = StartFacts(
    profile="small",
    description="paints [very] small pictures",
    max_words=6,
    examples=("a red train", "a [blue] boat"),
    needs="any CPU",
    vocabulary=frozenset(["a", "red", "blue", "train", "boat", "in", "the", "snow"]),
)
OTHER = StartFacts("large", "paints large ones", 62, ("a city",), problem="unet is missing; fetch it")


def info(number: int, prompt: str, chosen: int, minutes: int, starred: bool = False) -> SessionInfo:
    then = NOW - timedelta(minutes=minutes)
    made_of = NewSession(prompt, 1, "small", "random")
    return SessionInfo(
        f"20261123-bcd{'fgh'[number]}", made_of, then, then, SessionStatus.ACTIVE, starred, chosen
    )


SESSIONS = (
    info(0, "a [red] train\x1b[31m", 2, 3),
    info(1, "a boat", 5, 61, starred=True),
    info(2, "x " * 90, 0, 3000),
)


def start(
    sessions: Sequence[SessionInfo] = SESSIONS, profiles: Sequence[StartFacts] = (FACTS,)
) -> StartScreen:
    return StartScreen(profiles, lambda: sessions, lambda: NOW)


def test_everything_is_in_sight_on_a_small_terminal() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        text = host.text
        for part in ("small", "any CPU", "paints [very] small pictures", "a red train", "a [blue] boat"):
            assert part in text
        for part in (
            "20261123-bcdf    2/5  3 minutes ago",
            "a [red] train",
            "1 hour ago     ★ a boat",
            "2 days ago",
        ):
            assert part in text
        assert "0 of 6 words" in text
        assert "[31m" not in text
        assert len(text.splitlines()) == 24
        assert isinstance(host.screen.focused, type(host.screen.query_one(PromptEntry).area))

    assert on_screen(start, steps) == []


def test_as_many_sessions_are_offered_as_there_is_room_for() -> None:
    many = tuple(info(number % 3, f"prompt {number}", 0, number) for number in range(20))

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert not host.screen.query_one("#form").max_scroll_y
        assert host.screen.query_one("#recent", Choices).option_count == 8
        assert "shows all 20" in host.text
        await pilot.resize_terminal(80, 20)
        await pilot.pause()
        assert not host.screen.query_one("#form").max_scroll_y
        assert host.screen.query_one("#recent", Choices).option_count == 5

    on_screen(lambda: StartScreen((FACTS,), lambda: many, lambda: NOW, OtherScreen), steps)


def test_a_typed_prompt_is_handed_back_clean_with_its_profile() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press(*"a  [red] train", "enter")

    assert on_screen(start, steps) == [StartRequest(prompt="a [red] train", profile="small")]


def test_words_are_counted_as_they_are_typed_and_too_many_are_refused_in_place() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("enter")
        assert "the prompt is empty" in host.text
        await pilot.press(*"a red train in the ")
        assert "5 of 6 words" in host.text
        await pilot.press(*"cold snow")
        assert "7 of 6 words: shorten it" in host.text
        assert host.screen.query_one(".status").has_class("-wrong")
        await pilot.press("enter")
        assert "at most 6 are allowed" in host.text
        await pilot.press(*["backspace"] * 5)
        assert "6 of 6 words" in host.text
        assert not host.screen.query_one(".status").has_class("-wrong")
        assert host.handed_back == []

    assert on_screen(start, steps) == []


def test_words_that_the_models_do_not_know_are_named_once_they_are_whole() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press(*"a dragon")
        assert "never seen" not in host.text
        await pilot.press("space")
        assert "small has never seen: dragon" in host.text

    on_screen(start, steps)


def test_a_pasted_prompt_loses_its_line_breaks_and_control_characters() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        from textual.events import Paste

        host.screen.query_one(PromptEntry).area.post_message(Paste("a red\ntrain\x1b[31m\tin snow\n"))
        await pilot.pause()
        await pilot.press("enter")

    assert on_screen(start, steps) == [StartRequest(prompt="a red train in snow", profile="small")]


def test_an_example_fills_the_prompt_and_can_be_changed() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "down", "enter")
        assert host.screen.query_one(PromptEntry).text == "a [blue] boat"
        assert host.handed_back == []
        await pilot.press(*" in snow", "enter")

    assert on_screen(start, steps) == [StartRequest(prompt="a [blue] boat in snow", profile="small")]


def test_the_arrows_walk_through_the_whole_form_and_a_session_resumes() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press(*["down"] * 4)
        assert host.screen.query_one("#recent", Choices).highlighted == 1
        assert host.screen.query_one("#examples", Choices).highlighted is None
        await pilot.press("up", "enter")

    assert on_screen(start, steps) == [StartRequest(resume=SESSIONS[0].id)]


def test_escape_returns_to_the_prompt_and_leaves_an_empty_one() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("down", "escape")
        assert host.screen.focused is host.screen.query_one(PromptEntry).area
        await pilot.press("x", "escape")
        assert host.handed_back == []
        await pilot.press("backspace", "escape")

    assert on_screen(start, steps) == [None]


def test_without_sessions_or_examples_their_headings_are_gone() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert "go on with" not in host.text
        assert "begin with" not in host.text
        await pilot.press(*"a boat", "down", "enter")

    assert on_screen(lambda: start((), (replace(FACTS, examples=()),)), steps) != [None]


def test_a_store_that_cannot_be_read_leaves_the_prompt_usable() -> None:
    def broken() -> Sequence[SessionInfo]:
        raise StorageError("sessions.sqlite3 is [damaged]", "restore it")

    async def steps(host: Host, pilot: Pilot[None]) -> None:
        assert "cannot be read: sessions.sqlite3 is [damaged]; restore it" in host.text
        await pilot.press(*"a boat", "enter")

    made = on_screen(lambda: StartScreen((FACTS,), broken, lambda: NOW), steps)
    assert made == [StartRequest(prompt="a boat", profile="small")]


def test_profiles_take_turns_and_one_without_models_begins_nothing() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press(*"a boat", "ctrl+o")
        assert "cannot be used: unet is missing; fetch it" in host.text
        assert "2 of 62 words" in host.text
        assert "a city" in host.text
        await pilot.press("enter")
        assert host.handed_back == []
        await pilot.press("ctrl+o", "enter")

    made = on_screen(lambda: start(profiles=(FACTS, OTHER)), steps)
    assert made == [StartRequest(prompt="a boat", profile="small")]


def test_what_is_chosen_while_browsing_is_resumed() -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press("ctrl+b", "n")
        await settled(pilot)
        assert "a boat" in host.text
        await pilot.press("ctrl+b", "x")

    made = on_screen(lambda: StartScreen((FACTS,), lambda: SESSIONS, lambda: NOW, OtherScreen), steps)
    assert made == [StartRequest(resume="20261123-zzzz")]


@pytest.mark.parametrize("size", [(40, 12), (20, 5), (160, 50)])
def test_other_windows_are_usable_too(size: tuple[int, int]) -> None:
    async def steps(host: Host, pilot: Pilot[None]) -> None:
        await pilot.press(*"a boat", "enter")

    assert on_screen(start, steps, size) == [StartRequest(prompt="a boat", profile="small")]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=59), "just now"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=59), "59 minutes ago"),
        (timedelta(hours=1), "1 hour ago"),
        (timedelta(hours=47), "1 day ago"),
        (timedelta(days=30), "30 days ago"),
        (timedelta(days=31), "2026-10-23"),
    ],
)
def test_times_are_said_as_people_say_them(age: timedelta, said: str) -> None:
    assert ago(NOW - age, NOW) == said


def test_the_shipped_profile_offers_what_its_models_know() -> None:
    (facts, *_) = start_facts({}, os.environ, Path.cwd())
    assert (facts.profile, facts.max_words, facts.problem) == ("micro", 62, "")
    assert len(facts.examples) >= 3
    assert all(not unknown_words(example, facts.vocabulary) for example in facts.examples)


def test_a_profile_that_cannot_be_read_or_loaded_says_why(own_directories: Path) -> None:
    profiles = own_directories / "config" / "pasta" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "broken.toml").write_text("nonsense = 1\n")
    (profiles / "empty.toml").write_text(
        '[writer]\nmodel = "w.gguf"\ntemplate = "t.txt"\n[painter]\nmodel = "p"\n[clip]\nmodel = "c"\n'
    )
    found = start_facts({"turns": 2}, os.environ, Path.cwd())
    micro, broken, empty = (facts for facts in found if facts.profile in ("micro", "broken", "empty"))
    assert (micro.problem, broken.profile, empty.profile) == ("", "broken", "empty")
    assert "nonsense" in broken.problem
    assert "w.gguf" in empty.problem
