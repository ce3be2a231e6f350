"""What a taste is said to come to: what was refused is not liked, and every slate is one of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from pasta_core.users.taste import believe
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick, normalised
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_report import TasteReport, report_taste
from tests.support.tastes import START, World, text_embedding

NOW = START + timedelta(days=9)
WORLD = World.drawn(3)
PLAN = SpacePlan(image_rank=5, text_rank=4, ridge=1.0, image_deviation=0.5, text_deviation=0.3)
SPACE = fit_space("", [WORLD.pick(f"session {n}", 1) for n in range(60)], PLAN)


def worded(turn: int, proposal: int, chosen: tuple[int, ...], *prompts: str) -> Pick:
    """A pick of columns with these prompts; without any that is chosen, a refusal."""
    texts = ("a red train", *prompts)
    images = [WORLD.image(text, number) for number, text in enumerate(texts)]
    return replace(
        WORLD.pick("s", turn, chosen, columns=len(prompts), outside=not chosen),
        prompts=texts,
        images=np.stack([normalised(image) for image in images]),
        texts=normalised(np.stack([text_embedding(text) for text in texts])),
        proposal=proposal,
    )


def report(*picks: Pick) -> TasteReport:
    return report_taste(TasteRecord(picks=picks, clip="clip"), NOW, SPACE, most=20)


def test_no_column_of_refused_slates_is_liked() -> None:
    slates = (
        ("a red train in fog, oil painting", "a red train at sea, oil painting"),
        ("a red train at dusk, oil painting", "a red train in snow, oil painting"),
    )
    told = report(*(worded(turn, 0, (), *prompts) for turn, prompts in enumerate(slates, 1)))
    assert told.best == () and len(told.worst) == 4
    assert told.liked == () and [it.words for it in told.disliked] == ["oil painting"]


def test_slates_of_one_turn_are_several() -> None:
    refused = worded(1, 0, (), "a train in fog, oil painting", "a train at sea, oil painting")
    taken = worded(1, 1, (0,), "a train at dusk", "a train in snow, oil painting")
    words = {it.words for it in report(refused, taken).disliked}
    assert "oil painting" in words


KINDS = ("pop art of a red train", "pixel art of a red train")


def told(*picks: Pick) -> dict[str, float]:
    """Every fragment that is told, with its utility."""
    said = report(*picks)
    return {it.words: it.utility for it in (*said.liked, *said.disliked)}


def test_a_word_of_which_one_kind_is_liked_and_another_is_not_is_not_told_by_itself() -> None:
    """As "pixel art" was taken, "art" was said to be liked less: each kind stood in too few columns."""
    refused = worded(1, 0, (), KINDS[0], "a photo of a red train")
    taken = worded(1, 1, (1,), *KINDS, "a photo of a red train in fog")
    said = report(refused, taken)
    assert "pixel art" in said.best[0].prompt
    assert not {"art", "pixel", "pop"} & told(refused, taken).keys()


def test_a_word_that_stands_by_itself_is_told_whatever_else_is_made_of_it() -> None:
    refused = worded(1, 0, (), KINDS[0], "a photo of a red train")
    taken = worded(1, 1, (1,), *KINDS, "art of a red train in fog")
    assert "art" in told(refused, taken)


def test_a_word_is_told_where_all_its_kinds_agree() -> None:
    first = worded(1, 0, (), KINDS[0], KINDS[1])
    again = worded(2, 0, (), KINDS[0], "a photo of a red train")
    assert told(first, again)["art"] < 0


def test_a_word_is_told_that_stands_beside_words_which_also_stand_elsewhere() -> None:
    """Only where there is nothing but "pixel" and "pop" art the word says as much as its kinds."""
    refused = worded(1, 0, (), KINDS[0], "a pop song about a red train")
    taken = worded(1, 1, (1,), *KINDS, "a photo of a red train in fog")
    assert "art" in told(refused, taken)


def visits(strength: float = 1.0, half_life_days: float | None = None) -> TasteRecord:
    """Three sessions, a month apart, of somebody who takes the same column of the same slate every time."""
    picks = [
        replace(worded(turn, 0, (0,), *SLATE), session=f"s{number}", when=when)
        for number in range(3)
        for turn in (1, 2)
        for when in [START + timedelta(days=30 * number, minutes=turn)]
    ]
    return TasteRecord(tuple(picks), "clip", strength, half_life_days)


SLATE = ("a red train in fog", "a red train at sea, oil painting", "a red train at dusk")


def foretold(record: TasteRecord) -> float:
    told = report_taste(record, START + timedelta(days=99), SPACE).forecast
    assert told is not None and told.picks == 6
    return told.log_likelihood


def test_picks_are_foreseen_by_what_their_sessions_went_by() -> None:
    record = visits()
    alone = [
        foretold_by(pick, [it for it in record.picks if it.session == pick.session and it.when < pick.when])
        for pick in record.picks
    ]
    assert foretold(visits(strength=0.0)) == pytest.approx(np.mean(alone)), "others do not count"
    # half as much a month later, and a quarter after two; a session's own picks are new
    by_half_life = []
    for pick in record.picks:
        older = [it for it in record.picks if it.when < pick.when]
        months = [int(pick.session[1:]) - int(it.session[1:]) for it in older]
        by_half_life.append(foretold_by(pick, older, [0.5**count for count in months]))
    assert foretold(visits(half_life_days=30.0)) == pytest.approx(np.mean(by_half_life), abs=1e-4)
    assert foretold(record) > foretold(visits(half_life_days=30.0)) > foretold(visits(strength=0.0))


def foretold_by(pick: Pick, older: Sequence[Pick] = (), weights: Sequence[float] | None = None) -> float:
    """The log chance of what was taken, given these picks."""
    counted = None if weights is None else np.array(weights)
    utilities = believe(SPACE, older, counted).utilities(SPACE.features(pick))
    return float(utilities[pick.chosen[0]] - np.log(np.exp(utilities).sum()))
