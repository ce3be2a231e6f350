"""What columns of a session have in common, in words: the handles by which a change of belief is told."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_report import SMALL_WORDS
from pasta_core.users.taste_space import TasteSpace

__all__ = ["Trait", "word_traits"]

Array = npt.NDArray[np.float64]
Held = frozenset[tuple[int, int]]
"""Columns, each by the places of its pick and of itself, both from 0."""

_MOST_PHRASES = 3


@dataclass(frozen=True, eq=False)
class Trait:
    """Something that some columns have and others of their slates have not.

    Its utility under a taste w is `direction` (D,) times w: by how much columns with it are thought better
    than their slates, or than the initial prompt's picture if they were refused, the mean leaning to 0 as few
    columns prove little.
    """

    words: str
    columns: int
    direction: Array


def word_traits(space: TasteSpace, picks: Sequence[Pick]) -> tuple[Trait, ...]:
    """The phrases of the picks' prompts; what only occurs together is one trait.

    A phrase is a run of words of one clause that the same columns hold. What all columns of a slate hold says
    nothing of that slate, unless it was refused.
    """
    clauses = [[_clauses(prompt) for prompt in pick.prompts[1:]] for pick in picks]
    # what the initial prompt says, too, is not what was refused
    preferred = [_words(_clauses(pick.prompts[0])) if pick.refused else set() for pick in picks]
    held: dict[str, set[tuple[int, int]]] = defaultdict(set)
    for number, slate in enumerate(clauses):
        for column, prompt in enumerate(slate):
            for word in _words(prompt) - preferred[number]:
                held[word].add((number, column))
    telling = {word: _telling(places, picks) for word, places in held.items()}
    flat = [clause for slate in clauses for prompt in slate for clause in prompt]
    phrases: dict[Held, dict[str, None]] = defaultdict(dict)
    for clause in flat:
        for places, phrase in _runs(clause, telling):
            phrases[places][_completed(phrase, flat, telling)] = None
    named = {places: _joined(_own(places, found, phrases)) for places, found in phrases.items()}
    return _traits(space, picks, {places: words for places, words in named.items() if words})


def _traits(space: TasteSpace, picks: Sequence[Pick], named: Mapping[Held, str]) -> tuple[Trait, ...]:
    compared = [space.compared(pick) for pick in picks]
    return tuple(
        Trait(
            words,
            len(places),
            # in one order, so that equal columns give equal bits
            np.asarray(sum(compared[pick][column] for pick, column in sorted(places)) / (len(places) + 1)),
        )
        for places, words in named.items()
        if places
    )


def _telling(places: set[tuple[int, int]], picks: Sequence[Pick]) -> Held:
    """The columns that hold something which others of their slates do not, or that were refused."""
    count: dict[int, int] = defaultdict(int)
    for pick, _ in places:
        count[pick] += 1
    return frozenset(
        place for place in places if picks[place[0]].refused or count[place[0]] < picks[place[0]].columns
    )


def _clauses(prompt: str) -> list[list[str]]:
    """The words of a prompt, clause by clause."""
    return [re.findall(r"[\w'-]+", clause) for clause in re.split(r"[,.;:!?()]+", prompt.lower())]


def _words(clauses: Sequence[Sequence[str]]) -> set[str]:
    return {word for clause in clauses for word in clause if not SMALL_WORDS.fullmatch(word)}


def _runs(clause: Sequence[str], held: Mapping[str, Held]) -> list[tuple[Held, str]]:
    """The clause's longest runs of words that the same columns hold, without small words at their ends."""
    runs: list[tuple[Held, list[str]]] = []
    between: list[str] = []
    for word in clause:
        if word not in held:
            between.append(word)
            continue
        if runs and runs[-1][0] == held[word]:
            runs[-1][1].extend([*between, word])
        else:
            runs.append((held[word], [word]))
        between = []
    return [(places, " ".join(words)) for places, words in runs if places]


def _completed(phrase: str, clauses: Sequence[Sequence[str]], held: Mapping[str, Held]) -> str:
    """The phrase with the telling word that always stands beside it: not "pixel" but "pixel art"."""
    words = phrase.split()
    before, after = set(), set()
    for clause in clauses:
        for start in range(len(clause) - len(words) + 1):
            if list(clause[start : start + len(words)]) == words:
                end = start + len(words)
                before.add(clause[start - 1] if start else "")
                after.add(clause[end] if end < len(clause) else "")
    first = next(iter(before)) if len(before) == 1 else ""
    last = next(iter(after)) if len(after) == 1 else ""
    return " ".join(word for word in (held.get(first) and first, phrase, held.get(last) and last) if word)


def _own(
    places: Held, phrases: Mapping[str, None], everywhere: Mapping[Held, Mapping[str, None]]
) -> list[str]:
    """The phrases that do not stand in longer ones of other traits only: no "art" beside all kinds of it."""
    return [
        phrase
        for phrase in phrases
        if not places.issubset(
            place
            for other, longer in everywhere.items()
            if other != places and any(f" {phrase} " in f" {it} " for it in longer)
            for place in other
        )
    ]


def _joined(phrases: list[str]) -> str:
    """A few of the phrases, the first ones, without those that say a part of another."""
    kept = [
        phrase
        for phrase in phrases
        if not any(phrase != other and f" {phrase} " in f" {other} " for other in phrases)
    ]
    return ", ".join(kept[:_MOST_PHRASES])
