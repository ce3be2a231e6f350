"""What a refused slate teaches a taste: it is kept at once, lowers what it showed, and counts once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner, picks_of
from pasta_core.domain import Answer, Candidate, Choice, Embedding, History, Refusal, Slate, Swap, Turn
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.sessions.taste import TasteOfSession
from pasta_core.settings import Profile, SessionSettings
from pasta_core.users.taste_files import _seal, read_taste, taste_bytes, write_taste
from pasta_core.users.taste_picks import Pick, merged
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_shelf import DEFAULT, TasteShelf
from tests.support.rollouts import FussyUser, small_services
from tests.support.tastes import START, World, embed_texts

WORLD = World.drawn(2)
NOW = datetime(2026, 11, 1, tzinfo=UTC)


def refused(turn: Turn, critique: str = "") -> Refusal:
    return Refusal(replace(turn, choice=None), critique)


def picks(history: History) -> tuple[Pick, ...]:
    made = picks_of(history, RememberedTexts(embed_texts), "it", lambda turn: START)
    return asyncio.run(made)


def test_a_refusal_prefers_the_initial_prompts_picture_to_every_column() -> None:
    history = WORLD.history("a train", 2)
    history = replace(history, refusals=(refused(history.turns[1]),))
    first, refusal, second = picks(history)
    assert (refusal.key, refusal.chosen, refusal.outside) == (("it", 2, 0), (), True)
    assert (second.key, second.chosen, second.outside) == (("it", 2, 1), (1,), False)
    assert (first.key, first.outside) == (("it", 1, 0), False)


def test_a_critique_that_is_said_again_in_its_turn_counts_once() -> None:
    history = WORLD.history("a train", 2)
    said = replace(history.turns[1], choice=Choice(0, "warmer"))
    history = replace(
        history,
        turns=(replace(history.turns[0], choice=Choice(0, "warmer")), said),
        refusals=(refused(said, "warmer"), refused(said, "darker")),
    )
    made = picks(history)
    assert [pick.critique for pick in made] == ["warmer", "warmer", "darker", ""]
    assert [pick.critique_text is None for pick in made] == [False, False, False, True]


def test_the_only_column_can_be_refused_but_not_chosen_from() -> None:
    history = WORLD.history("a train", 2, columns=1)
    history = replace(history, refusals=(refused(history.turns[0]),))
    assert [pick.chosen for pick in picks(replace(history, turns=()))] == [()]


def test_what_is_refused_is_thought_worth_less() -> None:
    """The same candidates are judged before and after a slate of some of them is refused."""
    history = WORLD.history("a train", 3)
    turn = history.turns[-1]
    learner = TasteLearner(RememberedTexts(embed_texts))
    shown = list(turn.candidates)
    others = [Candidate(f"a train on a hill {n}", "kind") for n in range(4)]

    def worth(known: History) -> npt.NDArray[np.float64]:
        opinion = asyncio.run(learner.opinion(known, [*shown, *others]))
        return opinion.worth.means

    before, after = worth(history), worth(history.refusing(refused(turn)))
    assert (after - before)[:4].mean() < 0
    assert (after - before)[:4].mean() < (after - before)[4:].mean()


def test_refusals_have_no_order() -> None:
    history = WORLD.history("a train", 2)
    one, other = refused(history.turns[0]), refused(history.turns[1], "darker")
    first = picks(replace(history, refusals=(one, other)))
    assert [pick.key for pick in merged(first[::-1])] == [pick.key for pick in merged(first)]
    assert len(merged(first, first)) == len(first) == 4


# kept with a session


async def embed(texts: Sequence[str]) -> Embedding:
    return np.stack([np.random.default_rng(len(text)).normal(size=6) for text in texts]).astype(np.float32)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    micro = load_profile("micro", locate({}))
    return replace(micro, clip=replace(micro.clip, model=tmp_path / "elsewhere"))


def test_a_session_keeps_its_refusals_as_they_are_made(tmp_path: Path, profile: Profile) -> None:
    shelf = TasteShelf(tmp_path)

    class Watching(FussyUser):
        async def choose(self, history: History, turn: Turn) -> Answer:
            assert len(shelf.read(DEFAULT).picks) == len(history.turns) + len(history.refusals)
            return await super().choose(history, turn)

    new = NewSession("a red train", 1, "micro", "drawn", settings=SessionSettings(3, 3, 2), taste=DEFAULT)
    services = replace(small_services(), user=Watching())
    taste = TasteOfSession(shelf, profile, RememberedTexts(embed))
    with Store(tmp_path) as store, begin_session(store, new) as session:
        history = asyncio.run(session.run(services, lambda event: None, taste))
        times = {turn.number: turn.chosen_at for turn in store.turns(session.id)}
        made = picks_of(history, RememberedTexts(embed), session.id, lambda turn: times[turn] or NOW)
        expected = asyncio.run(made)
    kept = shelf.read(DEFAULT).picks
    assert [pick.key[1:] for pick in kept] == [(1, 0), (1, 1), (2, 0), (2, 1), (2, 2), (3, 0)]
    for one, other in zip(kept, expected, strict=True):
        assert (one.key, one.prompts, one.chosen, one.outside, one.critique) == (
            *(other.key, other.prompts, other.chosen, other.outside),
            other.critique,
        )
        assert np.array_equal(one.images, other.images)


def test_a_pick_after_a_swap_is_among_what_is_on_the_screen() -> None:
    history = WORLD.history("a train", 1)
    (turn,) = history.turns
    more = replace(turn, candidates=(*turn.candidates, Candidate("another", "kind 0")))
    swapped = replace(more, slate=Slate((0, 1, 2, 3)).swapped(Swap(0, 4)))
    (pick,) = picks(replace(history, turns=(swapped,)))
    assert pick.prompts[1] == "another"


# the file


def test_a_file_from_before_refusals_is_read(tmp_path: Path) -> None:
    record = TasteRecord((WORLD.pick("a train", 1), WORLD.pick("a train", 2, critique="warmer")), "clip")
    document = json.loads(taste_bytes(record))
    del document["sha256"]
    document["version"] = 1
    for pick in document["picks"]:
        del pick["proposal"]
    (tmp_path / "old.json").write_text(json.dumps({**document, "sha256": _seal(document)}))
    assert taste_bytes(read_taste(tmp_path / "old.json")) == taste_bytes(record)


def test_a_refusal_comes_back_from_the_file(tmp_path: Path) -> None:
    again = replace(WORLD.pick("a train", 1, chosen=(), outside=True), proposal=2)
    write_taste(TasteRecord((WORLD.pick("a train", 1), again), "clip"), tmp_path / "taste.json")
    assert [pick.key for pick in read_taste(tmp_path / "taste.json").picks] == [
        ("a train", 1, 0),
        ("a train", 1, 2),
    ]
