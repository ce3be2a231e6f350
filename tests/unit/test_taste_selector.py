"""The selector `taste`: what it learns from a history, what it keeps to, and how it is named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.selectors import SelectorName, make_selector
from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner, picks_of
from pasta_core.data.trajectories import TrajectoryRecord
from pasta_core.domain import Candidate, CandidateForm, Choice, Embedding, History, Image, Slate
from pasta_core.engines.fingerprints import content_digest
from pasta_core.engines.local import LocalEngine
from pasta_core.engines.specs import SelectorSpec
from pasta_core.errors import InvalidInput, PastaError
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import SessionSettings
from pasta_core.simulation.engine import cases, simulate
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick, merged
from pasta_core.users.taste_record import NO_TASTE, KeptTaste
from pasta_core.users.taste_space import TasteSpace
from pasta_core.users.taste_space_files import SPACE_FILE
from tests.support.rollouts import paint_one
from tests.support.simulated import small_crew
from tests.support.tastes import START, World, embed_texts

WORLD = World.drawn(1)
SPACE = fit_space(
    "", [WORLD.pick(f"session {n}", 1) for n in range(60)], SpacePlan(image_rank=6, text_rank=6, ridge=1.0)
)
FORM = CandidateForm()
CANDIDATES = tuple(Candidate(f"option {n}", f"kind {n // 5}") for n in range(25))


def learner(kept: Sequence[Pick] = (), space: TasteSpace | None = SPACE) -> TasteLearner:
    return TasteLearner(RememberedTexts(embed_texts), space, KeptTaste(tuple(kept), (1.0,) * len(kept)))


def slate(
    history: History, *, exploration: float = 0.0, seed: int = 0, mind: TasteLearner | None = None
) -> Slate:
    selector = make_selector(f"taste:{exploration:g}", FORM, learner=mind or learner())
    return asyncio.run(selector.select(history, CANDIDATES, 4, seed))


def test_columns_that_were_painted_alike_teach_fidelity_alone() -> None:
    alike = WORLD.history("a red train", 2)
    first = alike.turns[0].columns[0]
    turns = tuple(replace(turn, columns=(first,) * len(turn.columns)) for turn in alike.turns)
    opinion = asyncio.run(learner(space=None).opinion(replace(alike, turns=turns), CANDIDATES))
    assert opinion.picks == 2 and opinion.space.dimension == 1
    assert opinion.means.shape == (25, 1) and np.isfinite(opinion.worth.means).all()


def test_a_slate_has_the_best_of_every_category_by_what_was_chosen() -> None:
    history = WORLD.history("a red train", 4)
    found = slate(history)
    opinion = asyncio.run(learner().opinion(history, CANDIDATES))
    means = opinion.worth.means
    best = [max(range(5 * n, 5 * n + 5), key=lambda i: means[i]) for n in range(5)]
    assert set(found.indices) == set(sorted(best, key=lambda i: -means[i])[:4])
    assert found.values == pytest.approx([means[index] for index in found.indices])
    assert opinion.picks == 4


def test_other_choices_make_other_slates() -> None:
    history = WORLD.history("a red train", 4)
    other = replace(history, turns=tuple(replace(turn, choice=Choice(3)) for turn in history.turns))
    assert set(slate(history).indices) != set(slate(other).indices)


def test_before_any_pick_slates_are_drawn_evenly() -> None:
    history = WORLD.history("a red train", 0)
    counts = np.zeros(25)
    for seed in range(300):
        counts[list(slate(history, seed=seed).indices)] += 1
    # 1200 places for 25 candidates: 48 each, with a deviation below 7
    assert (abs(counts - 48) < 5 * 7).all()


def test_the_same_seed_shows_the_same_and_exploring_shows_more() -> None:
    history = WORLD.history("a red train", 3)
    assert slate(history, exploration=1.0, seed=5) == slate(history, exploration=1.0, seed=5)

    def variety(exploration: float) -> int:
        shown = [slate(history, exploration=exploration, seed=seed).indices for seed in range(12)]
        return len({index for indices in shown for index in indices})

    assert variety(0.0) == 4
    assert variety(0.3) <= variety(1.0) > 8


def test_exploring_keeps_one_prompt_per_category() -> None:
    history = WORLD.history("a red train", 2)
    for seed in range(10):
        found = slate(history, exploration=2.0, seed=seed)
        assert len({CANDIDATES[index].category for index in found.indices}) == 4


def test_kept_picks_speak_before_the_first_choice_in_any_order() -> None:
    history, texts = WORLD.history("a red train", 0), RememberedTexts(embed_texts)
    past = asyncio.run(picks_of(WORLD.history("a blue boat", 5), texts, "earlier", lambda turn: START))
    known = slate(history, mind=learner(past))
    assert any(known.values or ())
    assert known == slate(history, mind=learner(merged(reversed(past))))


def test_a_history_is_learned_as_its_kept_picks_are() -> None:
    history, texts = WORLD.history("a red train", 3), RememberedTexts(embed_texts)
    kept = asyncio.run(picks_of(history, texts, "it", lambda turn: START))
    start = replace(history, turns=())
    own = asyncio.run(learner().opinion(history, CANDIDATES))
    same = asyncio.run(learner(kept).opinion(start, CANDIDATES))
    assert own.worth.means == pytest.approx(same.worth.means, abs=1e-9)


def test_without_a_space_one_is_learned_from_the_picks() -> None:
    history = WORLD.history("a red train", 4)
    opinion = asyncio.run(learner(space=None).opinion(history, CANDIDATES))
    assert opinion.space.pairs == 16
    assert len(set(slate(history, mind=learner(space=None)).values or ())) == 4
    first = asyncio.run(learner(space=None).opinion(replace(history, turns=()), CANDIDATES))
    assert not first.worth.means.any(), "nothing is known, and no prompt is preferred"


def test_critiques_and_open_turns_are_read() -> None:
    history = WORLD.history("a red train", 3)
    first, second, third = history.turns
    turns = (replace(first, choice=Choice(2, "make it night")), replace(second, choice=None), third)
    read = asyncio.run(
        picks_of(replace(history, turns=turns), RememberedTexts(embed_texts), "it", lambda turn: START)
    )
    assert [pick.turn for pick in read] == [1, 3]
    assert read[0].critique == "make it night" and read[0].critique_text is not None
    assert read[1].critique_text is None
    assert read[0].prompts == ("a red train", *(it.prompt for it in first.shown))


def test_each_text_is_embedded_once() -> None:
    asked: list[str] = []

    async def embed(texts: Sequence[str]) -> Embedding:
        asked.extend(texts)
        return await embed_texts(texts)

    mind = TasteLearner(RememberedTexts(embed), SPACE)
    for turns in (0, 1, 2):
        asyncio.run(mind.opinion(WORLD.history("a red train", turns), CANDIDATES))
    assert len(asked) == len(set(asked)) == 1 + 25 + 8


def test_images_without_embeddings_are_an_error() -> None:
    history = WORLD.history("a red train", 1)
    blind = replace(history, initial_images=(Image(0, np.zeros((1, 1, 3), np.uint8)),))
    with pytest.raises(PastaError, match="without embeddings"):
        slate(blind)


def test_it_is_named_with_its_exploration() -> None:
    assert SelectorName.parse("taste") == SelectorName("taste")
    assert str(SelectorName.parse("taste:0.50")) == "taste:0.5"
    assert SelectorName.parse("taste:0").learns and not SelectorName.parse("random").learns
    assert str(SelectorSpec.parse("taste:0.50")) == "taste:0.5"
    plain = SelectorSpec.parse("taste")
    assert plain.learns and plain.path is None
    resolved = plain.resolved(load_profile("micro", locate({})))
    assert (resolved.name, resolved.space and resolved.space.name) == ("taste:0.25", SPACE_FILE)
    assert str(resolved) == "taste:0.25" and resolved.path is None
    assert resolved.space is not None and resolved.models == (resolved.space,)
    clip = resolved.space.parent
    assert content_digest(resolved.space) not in (content_digest(), content_digest(clip))
    with pytest.raises(InvalidInput, match="CLIP"):
        make_selector("taste")
    for text in ("taste:", "taste:much", "taste:-1", "taste:nan", "taste:1e9"):
        for parse in (SelectorName.parse, SelectorSpec.parse):
            with pytest.raises(InvalidInput):
                parse(text)


class Texts:
    """The services of an engine, as far as a taste needs them."""

    async def embed_texts(self, texts: Sequence[str]) -> Embedding:
        return np.stack([paint_one(text, 0).embedding for text in texts])  # type: ignore[misc]


def test_simulated_users_begin_anew_however_many_run_at_once() -> None:
    async def records(at_once: int, numbers: range) -> list[TrajectoryRecord]:
        crew = small_crew(at_once, SessionSettings(turns=3, columns=3, images=2))
        profile = load_profile("micro", locate({}))
        engine = LocalEngine(crew, crew.painter, Path(), Texts(), profile)  # type: ignore[arg-type]
        begun = await engine.learning(SelectorSpec("taste:1"))
        wanted = cases(crew.population, lambda seed: f"idea {seed % 7}", 5, numbers)
        return [record async for record in simulate(wanted, lambda case: begun(NO_TASTE), crew)]

    together = asyncio.run(records(4, range(4)))
    alone = asyncio.run(records(1, range(3, 4)))
    assert together[3] == alone[0]
    assert {record.selector for record in together} == {"taste"}
    values = [turn.slate.values for record in together for turn in record.turns]
    assert all(len(value or ()) == 3 for value in values)
    assert not any(any(record.turns[0].slate.values or ()) for record in together)
    assert all(any(record.turns[2].slate.values or ()) for record in together)
