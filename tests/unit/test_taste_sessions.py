"""Picks of sessions, kept as they are made: once each, whatever stops or repeats a session."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.taste_learner import RememberedTexts, picks_of
from pasta_core.agent.taste_selector import EXPLORATION
from pasta_core.configuration import configure
from pasta_core.domain import Candidate, Choice, Embedding, History, Turn
from pasta_core.errors import Cancelled, InvalidInput, WorkerError
from pasta_core.events import Event, Finished, Note, TurnReady
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.sessions.taste import TasteOfSession, clip_of, settled_taste
from pasta_core.settings import Profile, SessionSettings
from pasta_core.users.taste_files import taste_bytes
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_shelf import DEFAULT, TasteShelf
from pasta_tui.__main__ import main
from pasta_tui.plain.opening import resumed
from pasta_tui.plain.request import Request, new_session, refuse_contradictions
from pasta_tui.plain.taste import reset
from pasta_tui.plain.taste_forget import forget
from tests.support.rollouts import BrightnessUser, paint_one, small_services

SETTINGS = SessionSettings(turns=3, columns=3, images=2)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


async def embed(texts: Sequence[str]) -> Embedding:
    return np.stack([paint_one(text, 0).embedding for text in texts])  # type: ignore[misc]


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """The micro profile with its CLIP on another machine."""
    micro = load_profile("micro", locate({}))
    return replace(micro, clip=replace(micro.clip, model=tmp_path / "elsewhere"))


@dataclass
class Leaving(BrightnessUser):
    """Chooses until a turn comes, and leaves."""

    until: int = 0

    async def choose(self, history: History, turn: Turn) -> Choice:
        if turn.number == self.until:
            raise Cancelled("somebody left")
        return await super().choose(history, turn)


class House:
    """A data directory and its clock."""

    def __init__(self, folder: Path, profile: Profile) -> None:
        self.folder = folder
        self.profile = profile
        self.shelf = TasteShelf(folder)
        self.now = NOW

    def store(self) -> Store:
        def clock() -> datetime:
            self.now += timedelta(seconds=1)
            return self.now

        return Store(self.folder, clock, random.Random(int(self.now.timestamp())).randrange)

    def taste(self, embed: Callable[..., object] = embed) -> TasteOfSession:
        return TasteOfSession(self.shelf, self.profile, RememberedTexts(embed))  # type: ignore[arg-type]

    def play(
        self,
        prompt: str,
        taste: str | None = DEFAULT,
        embed: Callable[..., object] = embed,
        selector: str = "drawn",
        until: int | None = None,
    ) -> tuple[str, list[Event]]:
        """Play a session to its end, or until this turn is to be chosen from."""
        told: list[Event] = []
        new = NewSession(prompt, 1, "micro", selector, settings=SETTINGS, taste=taste)
        services = small_services()
        if until is not None:
            services = replace(services, user=Leaving(until))
        with self.store() as store, begin_session(store, new) as session:
            with nullcontext() if until is None else pytest.raises(Cancelled):
                asyncio.run(session.run(services, told.append, self.taste(embed)))
            return session.id, told

    def picks(self) -> tuple[Pick, ...]:
        return self.shelf.read(DEFAULT).picks


@pytest.fixture
def house(tmp_path: Path, profile: Profile) -> House:
    return House(tmp_path / "data", profile)


def test_every_choice_is_kept_as_it_was_made(house: House) -> None:
    new = NewSession("a red train", 1, "micro", "drawn", settings=SETTINGS, taste=DEFAULT)
    with house.store() as store, begin_session(store, new) as session:
        history = asyncio.run(session.run(small_services(), lambda _: None, house.taste()))
        times = {turn.number: turn.chosen_at for turn in store.turns(session.id)}
        made = picks_of(history, RememberedTexts(embed), session.id, lambda turn: times[turn] or NOW)
        expected = asyncio.run(made)
    assert house.shelf.read(DEFAULT).clip == "profile micro"
    assert len(house.picks()) == 3
    for kept, pick in zip(house.picks(), expected, strict=True):
        assert (kept.key, kept.when, kept.prompts) == (pick.key, pick.when, pick.prompts)
        assert (kept.chosen, kept.critique) == (pick.chosen, pick.critique)
        assert np.array_equal(kept.images, pick.images) and np.array_equal(kept.texts, pick.texts)
    assert house.picks()[0].critique == "brighter still" and house.picks()[0].critique_text is not None


def test_showing_a_session_again_adds_nothing_and_asks_nothing(house: House) -> None:
    session, _ = house.play("a red train")
    before = taste_bytes(house.shelf.read(DEFAULT))

    async def nobody(texts: Sequence[str]) -> Embedding:
        raise AssertionError(texts)

    with house.store() as store, resume_session(store, session) as again:
        asyncio.run(again.run(small_services(), lambda _: None, house.taste(nobody)))
    assert taste_bytes(house.shelf.read(DEFAULT)) == before


def test_a_session_of_no_taste_leaves_nothing(house: House) -> None:
    house.play("a red train", taste=None)
    assert not house.shelf.folder.exists()


def test_a_pick_that_cannot_be_kept_stops_nothing_and_comes_with_the_next(house: House) -> None:
    calls = 0

    async def shaky(texts: Sequence[str]) -> Embedding:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise WorkerError("the worker died")
        return await embed(texts)

    _, told = house.play("a red train", embed=shaky)
    assert [event.text for event in told if isinstance(event, Note)] == [
        "the pick was not kept for your taste: the worker died"
    ]
    assert [pick.turn for pick in house.picks()] == [1, 2, 3]


def test_a_session_that_was_forgotten_is_not_learned_again(house: House) -> None:
    session, _ = house.play("a red train")
    other, _ = house.play("a blue boat")
    with house.store() as store:
        store.leave_taste(session)
        house.shelf.update(DEFAULT, lambda record: record.without(session))
        with resume_session(store, session) as again:
            asyncio.run(again.run(small_services(), lambda _: None, house.taste()))
    assert {pick.session for pick in house.picks()} == {other}


def test_a_session_goes_by_what_was_picked_before_it_however_late_it_is_resumed(house: House) -> None:
    first, _ = house.play("a red train")
    second, _ = house.play("a blue boat")
    third, _ = house.play("a cat")
    candidates = tuple(Candidate(f"option {n}", "") for n in range(3))
    known = {}
    with house.store() as store:
        for session in (first, second, third):
            learner = asyncio.run(house.taste().learner(store.get(session)))
            with resume_session(store, session) as again:
                history = asyncio.run(again.run(small_services(), lambda _: None, house.taste()))
            start = replace(history, turns=())
            known[session] = asyncio.run(learner.opinion(start, candidates)).picks
    assert known == {first: 0, second: 3, third: 6}


@pytest.mark.parametrize("damaged", [True, False])
def test_a_finished_session_is_told_again_whatever_became_of_its_taste(
    house: House, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    monkeypatch.setattr("pasta_tui.plain.request.can_answer", lambda: True)
    # its features are not of the shipped CLIP, which the profile has by now
    session, told = house.play("a red train", selector="taste:0.25")
    unfinished, _ = house.play("a blue boat", selector="taste:0.25", until=2)
    if damaged:
        house.shelf.path(DEFAULT).write_bytes(b"[]")
    before = house.shelf.path(DEFAULT).read_bytes()

    async def resume(session: str) -> tuple[list[Event], list[str]]:
        again: list[Event] = []
        notes: list[str] = []
        config = configure({}, {"PASTA_DATA_DIR": str(house.folder)}, house.folder)
        async with resumed(Request(resume=session), config, notes.append) as opened:
            await opened.run(BrightnessUser, again.append)
        return again, notes

    again, notes = asyncio.run(resume(session))
    assert isinstance(again[-1], Finished) and again[-1].prompt == told[-1].prompt  # type: ignore[attr-defined]
    assert [type(event) for event in again].count(TurnReady) == 1 + SETTINGS.turns and notes == []
    assert house.shelf.path(DEFAULT).read_bytes() == before
    with pytest.raises(InvalidInput, match="no taste" if damaged else "another CLIP"):
        asyncio.run(resume(unfinished))


@pytest.mark.parametrize("command", ["forget", "reset"])
def test_what_is_forgotten_while_it_is_played_stays_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("PASTA_DATA_DIR", str(house.folder))
    calls = 0

    async def meanwhile(texts: Sequence[str]) -> Embedding:
        nonlocal calls
        calls += 1
        if calls == 2:
            assert len(house.picks()) == 1
            if command == "forget":
                forget("last", None, as_json=True)
            else:
                reset(None, yes=True, as_json=True)
        return await embed(texts)

    house.play("a red train", embed=meanwhile)
    assert calls == 2, "nothing more is embedded for a taste"
    assert house.picks() == ()


def test_a_session_of_another_taste_than_the_one_in_use_is_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PASTA_DATA_DIR", str(house.folder))
    house.shelf.create("work", TasteRecord())
    session, _ = house.play("a red train", taste="work")
    assert main(["taste", "forget", "default", "--session", session]) == 2
    assert "default does not hold" in capsys.readouterr().err
    with house.store() as store:
        assert store.get(session).made_of.taste == "work"
    assert main(["taste", "forget", "--session", session]) == 0
    assert "3 picks forgotten; work" in capsys.readouterr().err
    assert house.shelf.read("work").picks == ()
    with house.store() as store, resume_session(store, session) as again:
        asyncio.run(again.run(small_services(), lambda _: None, house.taste()))
    assert house.shelf.read("work").picks == ()
    assert main(["taste", "forget", "--session", session]) == 2, "it is in none any more"


def test_a_taste_of_another_clip_is_left_alone(house: House) -> None:
    house.play("a red train")
    before = taste_bytes(house.shelf.read(DEFAULT))
    house.profile = replace(house.profile, name="other")
    session, told = house.play("a blue boat")
    notes = [event.text for event in told if isinstance(event, Note)]
    assert len(notes) == 1 and "another CLIP" in notes[0], "said once"
    assert taste_bytes(house.shelf.read(DEFAULT)) == before
    with house.store() as store, pytest.raises(InvalidInput, match="another CLIP"):
        asyncio.run(house.taste().learner(store.get(session)))


def test_only_a_person_s_session_belongs_to_a_taste(house: House) -> None:
    assert settled_taste(house.shelf, True, "person") == DEFAULT
    assert settled_taste(house.shelf, False, "person") is None
    assert settled_taste(house.shelf, True, "planted:0") is None


def test_after_a_reset_no_session_so_far_is_learned_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PASTA_DATA_DIR", str(house.folder))
    session, _ = house.play("a red train")
    assert main(["taste", "reset", "--yes"]) == 0
    with house.store() as store, resume_session(store, session) as again:
        asyncio.run(again.run(small_services(), lambda _: None, house.taste()))
    assert house.picks() == ()
    later, _ = house.play("a blue boat")
    assert {pick.session for pick in house.picks()} == {later}


def test_a_new_session_belongs_to_the_taste_in_use_unless_told_otherwise(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure({"data_dir": house.folder}, {}, tmp_path)
    house.shelf.create("work", TasteRecord())
    house.shelf.use("work")
    assert new_session(Request("a cat"), config, "a cat").taste == "work"
    assert new_session(Request("a cat", no_taste=True), config, "a cat").taste is None
    assert new_session(Request("a cat", rater="planted:0"), config, "a cat").taste is None


def test_a_session_keeps_how_much_its_selector_explores(house: House, tmp_path: Path) -> None:
    def made(selector: str) -> NewSession:
        config = configure({"data_dir": house.folder, "selector": selector}, {}, tmp_path)
        return new_session(Request("a cat", rater="planted:0"), config, "a cat")

    assert made("taste").selector == f"taste:{EXPLORATION:g}"
    assert made("taste:0.5").selector == "taste:0.5"
    with house.store() as store:
        for stored in (made("taste").selector, "taste"):
            info = store.create(replace(made("taste"), selector=stored))
            for said in ("taste", f"taste:{EXPLORATION:g}", None):
                refuse_contradictions(Request(None, flags={"selector": said}, rater="planted:0"), info)
            with pytest.raises(InvalidInput, match="was begun with selector"):
                refuse_contradictions(Request(None, flags={"selector": "taste:0.5"}), info)


def test_a_clip_is_told_by_its_bytes_or_else_by_its_profile(profile: Profile) -> None:
    assert clip_of(profile) == "profile micro"
    assert len(clip_of(load_profile("micro", locate({})))) == 64
