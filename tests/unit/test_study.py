"""The rater study without its front ends: questions, answers, going back, and what the store keeps."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pasta_core.domain import Comparison, History, Image, Turn, TurnRating
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.events import Event, Rated
from pasta_core.microworld.ratings.answers import critic_turn
from pasta_core.paths import find_assets
from pasta_core.sessions import connection, schema
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.rows import settings_to_json
from pasta_core.sessions.session import begin_session, resume_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_core.study.evaluation import Evaluation
from pasta_core.study.guide import load_guide
from pasta_core.study.questions import Question, Topic, answers_of, questions_of, read_answer
from tests.support.rollouts import small_services

SETTINGS = SessionSettings(turns=2, columns=3, images=2)
NEW = NewSession("a red train", 5, "micro", "drawn", blind=True, settings=SETTINGS, study=True)
FIRST = TurnRating(2, (1, 5, 3), 4, None, "the colour")
SECOND = TurnRating(0, (4, 4, 1), 2, Comparison.WORSE)


def typed(evaluation: Evaluation, *answers: str) -> Evaluation:
    for answer in answers:
        evaluation = evaluation.answered(answer)
    return evaluation


def all_answered() -> Evaluation:
    return typed(Evaluation.begin(2, 3), *list("3153"), "the colour", "4", *list("1441"), "", "3", "2")


def test_every_turn_is_asked_what_the_paper_asks() -> None:
    names = [question.name for question in questions_of(2, 4)]
    scores = [f"column-{number}" for number in range(1, 5)]
    first, later = ["rationale", "score"], ["rationale", "comparison", "score"]
    assert names == ["preferred", *scores, *first, "preferred", *scores, *later]


def test_answers_amount_to_ratings() -> None:
    end = all_answered()
    assert end.question is None
    assert end.ratings() == {1: FIRST, 2: SECOND}


@pytest.mark.parametrize("wrong", ["0", "4", "", "one", "-1", "²", "1 2"])
def test_what_is_no_answer_is_refused_and_changes_nothing(wrong: str) -> None:
    begun = Evaluation.begin(2, 3)
    with pytest.raises(InvalidInput, match="1 to 3"):
        begun.answered(wrong)
    assert begun == Evaluation.begin(2, 3)


def test_words_are_answers_too_and_lose_their_control_characters() -> None:
    comparison = Question(2, Topic.COMPARISON, 3)
    assert [read_answer(comparison, said) for said in ("1", "Worse", " same ")] == ["better", "worse", "same"]
    assert read_answer(Question(1, Topic.RATIONALE, 3), "the \x1b[31mred\n one") == "the red one"


def test_going_back_changes_an_answer_and_skipping_leaves_it_open() -> None:
    evaluation = typed(Evaluation.begin(1, 2), "1", "5").back()
    assert (evaluation.answer, evaluation.place()) == ("5", (2, 5))
    evaluation = evaluation.answered("2").skipped()
    assert evaluation.question == Question(1, Topic.RATIONALE, 2)
    evaluation = typed(evaluation, "because", "3")
    assert evaluation.question is None
    assert [question.name for question in evaluation.missing] == ["column-2"]
    with pytest.raises(InvalidInput, match="1 questions are not answered"):
        evaluation.ratings()
    evaluation = evaluation.to_missing().answered("4")
    assert evaluation.question is None, "who fills the last gap is at the end"
    assert evaluation.ratings()[1] == TurnRating(0, (2, 4), 3, None, "because")


def test_only_words_may_stay_unsaid() -> None:
    evaluation = typed(typed(Evaluation.begin(1, 2), "1", "5", "5").skipped(), "3")
    assert evaluation.missing == ()
    assert evaluation.ratings()[1].rationale == ""


def test_the_ends_hold() -> None:
    evaluation = Evaluation.begin(1, 2)
    assert evaluation.back() == evaluation
    end = replace(evaluation, at=len(evaluation.questions))
    assert (end.skipped(), end.place(), end.answer) == (end, (0, 0), None)
    with pytest.raises(InvalidInput):
        end.answered("1")


RATINGS = st.builds(
    TurnRating,
    st.integers(0, 3),
    st.tuples(*[st.integers(1, 5)] * 4),
    st.integers(1, 5),
    st.sampled_from(Comparison),
    st.text(st.characters(categories=["L", "N"]), max_size=9),
)


@given(st.lists(RATINGS, min_size=1, max_size=3))
def test_ratings_become_answers_and_ratings_again(ratings: list[TurnRating]) -> None:
    ratings[0] = replace(ratings[0], comparison=None)
    answers = {
        question: said
        for turn, rating in enumerate(ratings, start=1)
        for question, said in answers_of(turn, rating).items()
    }
    evaluation = Evaluation.begin(len(ratings), 4, answers)
    assert evaluation.question is None
    assert evaluation.ratings() == dict(enumerate(ratings, start=1))


def test_the_guide_words_every_question_in_few_words(tmp_path: Path) -> None:
    guide = load_guide(find_assets(), SessionSettings())
    for question in questions_of(2, 4):
        assert "{" not in guide.ask(question, 1, 2)
        assert len(guide.options(question)) == len(question.options)
    assert "column 2" in guide.ask(questions_of(1, 4)[0], 1, 2)
    told = " ".join((*guide.task, *guide.prompt, *guide.critique, *guide.evaluation))
    assert "{" not in told
    assert "12 words" in told
    assert guide.figure.isascii()
    assert load_guide(find_assets(), SessionSettings(max_words=8)).words == 8
    with pytest.raises(ModelUnavailable, match="missing or damaged"):
        load_guide(tmp_path, SessionSettings())


@pytest.mark.parametrize(
    ("there", "instead"),
    [
        ("{chosen}", "{choosen}"),
        ("{words}", "{word}"),
        ('"dissatisfied", ', ""),
        ("figure_caption", "caption"),
        ("[questions]", "[question]"),
        ("title = ", "title "),
    ],
)
def test_a_guide_that_was_changed_for_the_worse_is_refused_before_a_study(
    tmp_path: Path, there: str, instead: str
) -> None:
    text = (find_assets() / "study" / "guide.toml").read_text()
    assert there in text
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "guide.toml").write_text(text.replace(there, instead))
    with pytest.raises(ModelUnavailable, match="missing or damaged"):
        load_guide(tmp_path, SessionSettings())


# the store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


def played(store: Store, new: NewSession = NEW) -> str:
    with begin_session(store, new) as session:
        asyncio.run(session.run(small_services(), lambda event: None))
        return session.id


def test_every_answer_outlives_the_process_that_took_it(store: Store) -> None:
    session = played(store)
    assert store.get(session).waits_for_rating
    for number, said in enumerate(["3", "1", "5"]):
        with Store(store.root) as again, resume_session(again, session) as resumed:
            assert resumed.study is not None
            evaluation = asyncio.run(resumed.study.load())
            assert evaluation.at == number
            asyncio.run(resumed.study.answer(evaluation, said))
    assert all(turn.rating is None for turn in store.turns(session)), "a rating is what the task ends with"


def test_the_end_turns_answers_into_ratings_at_once(store: Store) -> None:
    session = played(store)
    told: list[Event] = []
    with resume_session(store, session) as resumed:
        study = resumed.study
        assert study is not None
        with pytest.raises(InvalidInput):
            asyncio.run(study.end(asyncio.run(study.load()), told.append))
        assert told == []
        asyncio.run(study.end(all_answered(), told.append))
        assert asyncio.run(study.ended())
        asyncio.run(study.tell(told.append))
    ratings = [(1, FIRST), (2, SECOND)]
    assert told == [
        Rated(session, turn, rating, replayed=again) for again in (False, True) for turn, rating in ratings
    ]
    assert [turn.rating for turn in store.turns(session)] == [None, FIRST, SECOND]
    info = store.get(session)
    assert not info.waits_for_rating
    assert info.rated_at is not None


@dataclass
class Steady:
    """Rates by the brightness of what it sees, and remembers what it was asked."""

    asked: list[tuple[int, int]] = field(default_factory=list)
    limit: int = 99

    async def rate(self, history: History, turn: Turn, before: Sequence[Image]) -> TurnRating:
        if len(self.asked) == self.limit:
            raise RuntimeError("killed")
        self.asked.append((turn.number, len(before)))
        return (FIRST, SECOND)[turn.number - 1]


def test_an_assessor_is_not_asked_twice(store: Store) -> None:
    session = played(store)
    assessor, told = Steady(limit=1), list[Event]()
    for _ in range(2):
        with resume_session(store, session) as resumed:
            assert resumed.study is not None
            history = asyncio.run(resumed.run(small_services(), lambda event: None))
            try:
                asyncio.run(resumed.study.assess(history, assessor, told.append))
            except RuntimeError:
                assessor.limit = 99
    assert assessor.asked == [(1, 0), (2, 2)]
    assert [(event.turn, event.rating) for event in told if isinstance(event, Rated)] == [
        (1, FIRST),
        (2, SECOND),
    ]


def test_a_person_has_one_drawn_name_and_a_planted_rater_its_own(store: Store) -> None:
    first, second = (store.get(store.create(NEW).id).rater for _ in range(2))
    assert first == second
    assert first is not None and first.startswith("rater-")
    planted = store.get(store.create(replace(NEW, user="planted:0:3")).id)
    assert planted.rater == "planted:0:3"
    plain = store.get(store.create(replace(NEW, study=False)).id)
    assert (plain.rater, plain.made_of.study, plain.waits_for_rating) == (None, False, False)


def test_a_study_begins_with_at_most_twelve_words(store: Store) -> None:
    prompt = " ".join(["word"] * 13)
    with pytest.raises(InvalidInput, match="13 words, at most 12"):
        begin_session(store, replace(NEW, prompt=prompt))
    with begin_session(store, replace(NEW, prompt=prompt, study=False)):
        pass


def test_a_store_from_before_studies_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite3"
    sql = connection.connect(path, {number: schema.MIGRATIONS[number] for number in (1, 2)})
    sql.execute(
        "INSERT INTO sessions (id, created_at, updated_at, status, prompt, seed, profile, selector, user,"
        " settings, versions) VALUES ('old', '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00',"
        " 'finished', 'a cat', 1, 'micro', 'random', 'person', ?, '{}')",
        (settings_to_json(SETTINGS),),
    )
    sql.close()
    with Store(tmp_path) as store:
        info = store.get("old")
        assert (info.made_of.study, info.rater, info.rated_at) == (False, None, None)
        assert store.answers("old") == {}
    with sqlite3.connect(path) as raw:
        assert raw.execute("SELECT version FROM schema_version").fetchall() == [(schema.VERSION,)]
    raw.close()


def test_a_fifth_of_planted_studies_has_a_critic() -> None:
    turns = [critic_turn(seed) for seed in range(2000)]
    assert 0.17 < sum(turn > 0 for turn in turns) / len(turns) < 0.23
    assert set(turns) == {0, 1, 2, 3, 4}
