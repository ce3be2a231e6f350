"""What a taste comes to, in words and pictures: what it likes, how sure it is, what it foresaw."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from pasta_core.users.taste import Belief, believe
from pasta_core.users.taste_fit import fit_space
from pasta_core.users.taste_picks import Key, Pick, ordered
from pasta_core.users.taste_record import TasteRecord
from pasta_core.users.taste_space import TasteSpace

__all__ = [
    "ENOUGH",
    "SMALL_WORDS",
    "Column",
    "Forecast",
    "Fragment",
    "TasteReport",
    "certainty",
    "report_taste",
]

Array = npt.NDArray[np.float64]

ENOUGH = 10
"""Picks from which a taste is more than a first impression: two sessions."""

_RECENT = 20
_LONGEST = 3
"""Words of the longest fragment."""
_FEWEST = 3
"""Columns, in two slates at least, that must hold a fragment before anything is said of it."""
SMALL_WORDS = re.compile(r"an?|and|as|at|by|for|from|in|into|its?|of|on|or|the|to|under|very|with")
"""Words that no fragment begins or ends with."""


@dataclass(frozen=True)
class Fragment:
    """A few words of prompts, and by how much columns with them are thought better than their slates.

    `utility` is in nats of Eq. 4's choice, `columns` is how many held them.
    """

    words: str
    utility: float
    columns: int


@dataclass(frozen=True)
class Column:
    """A painted column and its utility relative to its slate's mean, in nats; `column` counts from 0.

    That of a refused slate's columns is relative to the initial prompt's own picture. `proposal` slates of
    the turn were refused before the one that it is of.
    """

    session: str
    turn: int
    column: int
    prompt: str
    utility: float
    proposal: int = 0

    @property
    def slate(self) -> Key:
        """What tells its slate from others: session, turn and proposal."""
        return self.session, self.turn, self.proposal


@dataclass(frozen=True)
class Forecast:
    """How well the last picks were foreseen by those before them, each counted as its session counts it.

    `log_likelihood` is the mean log chance of what was chosen, in nats, `accuracy` how often the likeliest
    column was; `chance_...` what guessing comes to.
    """

    picks: int
    log_likelihood: float
    chance_log_likelihood: float
    accuracy: float
    chance_accuracy: float


@dataclass(frozen=True)
class TasteReport:
    """A taste in words; `certainty` is the share of the prior's doubt that the picks have removed, 0 to 1.

    `refused` of its `picks` took none of a slate, and none of these is in the `forecast`.
    """

    picks: int
    sessions: int
    first: datetime | None
    last: datetime | None
    weight: float
    certainty: float
    types: tuple[float, ...]
    liked: tuple[Fragment, ...]
    disliked: tuple[Fragment, ...]
    best: tuple[Column, ...]
    worst: tuple[Column, ...]
    forecast: Forecast | None
    refused: int = 0

    @property
    def enough(self) -> bool:
        """Whether it rests on more than a first impression."""
        return self.picks >= ENOUGH


def report_taste(
    record: TasteRecord, now: datetime, space: TasteSpace | None = None, most: int = 5
) -> TasteReport:
    """Report on a taste as it stands now, with at most so many fragments and columns of each sort."""
    picks = ordered(record.picks)
    space = space or fit_space(record.clip, picks)
    kept = record.kept(now)
    belief = believe(space, kept.picks, np.asarray(kept.weights, np.float64))
    columns = sorted(_columns(space, belief, picks), key=lambda it: (it.utility, *it.slate))
    fragments = sorted(_fragments(columns, picks), key=lambda it: (it.utility, it.words))
    times = [pick.when for pick in picks]
    return TasteReport(
        picks=len(picks),
        sessions=len(record.sessions),
        first=min(times, default=None),
        last=max(times, default=None),
        weight=float(sum(kept.weights)),
        certainty=certainty(space, belief),
        types=tuple(float(share) for share in belief.types) if space.types > 1 else (),
        liked=tuple(it for it in reversed(fragments) if it.utility > 0)[:most],
        disliked=tuple(it for it in fragments if it.utility < 0)[:most],
        best=tuple(it for it in reversed(columns) if it.utility > 0)[:most],
        worst=tuple(it for it in columns if it.utility < 0)[:most],
        forecast=_forecast(space, replace(record, picks=picks)),
        refused=sum(pick.refused for pick in picks),
    )


def _columns(space: TasteSpace, belief: Belief, picks: Sequence[Pick]) -> list[Column]:
    found = []
    for pick in picks:
        utilities = belief.utilities(space.compared(pick))
        found += [
            Column(pick.session, pick.turn, place, pick.prompts[place + 1], float(utility), pick.proposal)
            for place, utility in enumerate(utilities)
        ]
    return found


def _fragments(columns: Sequence[Column], picks: Sequence[Pick]) -> list[Fragment]:
    """Fragments that several columns hold; one that only stands within a longer one adds nothing.

    Nor is a word told that has no meaning of its own where columns with it are liked and disliked. What the
    initial prompt says, too, is not what was refused.
    """
    held: dict[str, list[Column]] = defaultdict(list)
    preferred = {pick.key: set(_parts(pick.prompts[0])) for pick in picks if pick.refused}
    for column in columns:
        for words in set(_parts(column.prompt)) - preferred.get(column.slate, set()):
            held[words].append(column)
    common = {
        words: found
        for words, found in held.items()
        if len(found) >= _FEWEST and len({it.slate for it in found}) > 1
    }
    tied = _tied([column.prompt for column in columns])
    return [
        # a few columns prove little: the mean leans to 0
        Fragment(words, sum(it.utility for it in found) / (len(found) + 1), len(found))
        for words, found in common.items()
        if not _within(words, found, common) and not (words in tied and _divided(found))
    ]


def _within(words: str, found: Sequence[Column], common: Mapping[str, Sequence[Column]]) -> bool:
    return any(
        words != longer and f" {words} " in f" {longer} " and len(held) == len(found)
        for longer, held in common.items()
    )


def _divided(found: Sequence[Column]) -> bool:
    """Whether some of the columns are better than their slates and others worse."""
    return len({it.utility > 0 for it in found}) > 1


def _tied(prompts: Sequence[str]) -> set[str]:
    """Words that nowhere stand without one that stands beside them only: "art" in "pixel art", "pop art"."""
    clauses = [clause for prompt in prompts for clause in _clauses(prompt)]
    before: dict[str, set[str]] = defaultdict(set)
    after: dict[str, set[str]] = defaultdict(set)
    for clause in clauses:
        for first, second in pairwise(["", *clause, ""]):
            after[first].add(second)
            before[second].add(first)

    def only(other: str, beside: set[str], word: str) -> bool:
        return beside == {word} and other != "" and not SMALL_WORDS.fullmatch(other)

    words: set[str] = set()
    free: set[str] = set()
    for clause in clauses:
        words.update(clause)
        for left, word, right in zip(["", *clause], clause, [*clause[1:], ""], strict=False):
            if not only(left, after[left], word) and not only(right, before[right], word):
                free.add(word)
    return words - free


def _clauses(prompt: str) -> list[list[str]]:
    """The words of a prompt, clause by clause."""
    return [re.findall(r"[\w'-]+", clause) for clause in re.split(r"[,.;:!?()]+", prompt.lower())]


def _parts(prompt: str) -> list[str]:
    """Runs of up to three words that neither begin nor end with a small one."""
    parts = []
    for words in _clauses(prompt):
        for start in range(len(words)):
            for end in range(start + 1, min(start + _LONGEST, len(words)) + 1):
                if not SMALL_WORDS.fullmatch(words[start]) and not SMALL_WORDS.fullmatch(words[end - 1]):
                    parts.append(" ".join(words[start:end]))
    return parts


def certainty(space: TasteSpace, belief: Belief) -> float:
    """The share of the prior's doubt that the picks have removed, 0 to 1."""
    before = believe(space, ()).covariance
    return float(np.clip(1 - np.trace(belief.covariance) / np.trace(before), 0, 1))


def _forecast(space: TasteSpace, record: TasteRecord) -> Forecast | None:
    """Each of the last picks foreseen by all that are older; ties and "none of these" are no columns."""
    by_time = sorted(record.picks, key=lambda pick: (pick.when, pick.key))
    asked = [pick for pick in by_time if len(pick.chosen) == 1][-_RECENT:]
    logs, hits = [], []
    for pick in asked:
        utilities = _before(space, record, pick).utilities(space.features(pick))
        chances = np.exp(utilities - utilities.max())
        chances /= chances.sum()
        logs.append(math.log(max(float(chances[pick.chosen[0]]), 1e-300)))
        best = np.flatnonzero(np.isclose(chances, chances.max(), rtol=1e-9))
        hits.append((pick.chosen[0] in best) / len(best))
    if not asked:
        return None
    return Forecast(
        picks=len(asked),
        log_likelihood=float(np.mean(logs)),
        chance_log_likelihood=float(np.mean([-math.log(pick.columns) for pick in asked])),
        accuracy=float(np.mean(hits)),
        chance_accuracy=float(np.mean([1 / pick.columns for pick in asked])),
    )


def _before(space: TasteSpace, record: TasteRecord, pick: Pick) -> Belief:
    """What the session of a pick believed before it: its own picks count whole, others as the taste has them.

    It began no later than its first pick, which is all that a taste knows of that.
    """
    session = [one for one in record.picks if one.session == pick.session]
    own = [one for one in session if one.when < pick.when]
    kept = record.kept(min(one.when for one in session), pick.session)
    weights = np.concatenate([np.ones(len(own)), np.asarray(kept.weights, np.float64)])
    return believe(space, (*own, *kept.picks), weights)
