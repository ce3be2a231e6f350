"""Training dialogues for the writer: a history with random choices, and the answer of a good writer."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pasta_core.agent.budget import word_budget
from pasta_core.agent.requests import ShownTurn, WriteRequest
from pasta_core.domain import Candidate, CandidateForm
from pasta_core.microworld.captions import (
    FILLERS,
    IDEA_LEADS,
    caption,
    parse_attributes,
    parse_idea,
    sample_mention,
)
from pasta_core.microworld.critiques import Effect, sample_critique
from pasta_core.microworld.grammar import ATTRIBUTES, IDEAS, SUBJECTS, Attributes, Scene, sample_scene
from pasta_core.microworld.image_captions import caption_sheet
from pasta_core.microworld.wording import Wording, reword

__all__ = ["CATEGORIES", "VERY_DIFFERENT", "Dialogue", "answer_text", "sample_dialogue"]

VERY_DIFFERENT = "very different"
DETAIL = "more detail"

CATEGORIES: Mapping[str, tuple[str, ...]] = {
    "time and light": ("light",),
    "setting": ("setting",),
    "style": ("style",),
    "colour": ("colour",),
    "view": ("view", "light"),
    "mood": ("colour", "light"),
    "scenery": ("setting", "light"),
    "look": ("colour", "style"),
}
"""What the candidates of a category change; `DETAIL` and `VERY_DIFFERENT` come beside these."""

_TURNS = 5
_MAX_WORDS = 62
_CAPTIONED = 0.5
"""Share of dialogues whose history says what the first images show; every session says it, or none does."""
_SHORTEST = 8
"""Below so many words an answer could not say what it should, so no dialogue asks for less."""


@dataclass(frozen=True)
class Dialogue:
    """A request, the answer to learn, and the effect that its last critique asks for, if it has one."""

    request: WriteRequest
    answer: tuple[Candidate, ...]
    effect: Effect | None


@dataclass(frozen=True)
class _State:
    """What the next answer depends on: what is said now, the idea behind it, what was picked last."""

    wording: Wording
    idea: str | None
    picked: frozenset[str]
    effect: Effect | None

    @property
    def said(self) -> Attributes:
        return self.wording.said


def answer_text(answer: Sequence[Candidate], form: CandidateForm) -> str:
    """The answer in Fig. 11's form, one line each, with a final line break."""
    if form.direct:
        return "".join(f"- {candidate.prompt}\n" for candidate in answer)
    lines = []
    for name, group in itertools.groupby(answer, key=lambda candidate: candidate.category):
        lines.append(f"* {name}\n")
        lines.extend(f"- {candidate.prompt}\n" for candidate in group)
    return "".join(lines)


def sample_dialogue(
    rng: random.Random,
    *,
    turn: int | None = None,
    form: CandidateForm | None = None,
    critique: bool | None = None,
    scene: Scene | None = None,
) -> Dialogue:
    """Draw a dialogue whose answer belongs to turn 1 to 5; what is not given is drawn too.

    `scene` is what the initial prompt describes in part, by default no held-out one; `critique` says whether
    the last choice carries one. Choices are uniform: no rater has a part in them. The history and the answer
    follow one rule: a candidate changes what its category is about and keeps the rest of the current prompt.
    """
    turn = turn or rng.randint(1, _TURNS)
    form = form or _sample_form(rng)
    horizon = max(turn, rng.choice((_TURNS, _TURNS, _TURNS, 3, 8)))
    initial, words = _initial_prompt(rng, scene)
    columns = 4 if rng.random() < 0.8 else rng.randint(2, 6)
    state = _State(Wording.read(initial), parse_idea(initial), frozenset(), None)
    turns: list[ShownTurn] = []
    for number in range(1, turn):
        shown = _slate(rng, state, columns, _budget(words, number, horizon))
        chosen = rng.randrange(columns)
        remark, effect = "", None
        wanted = critique if number == turn - 1 and critique is not None else rng.random() < 0.3
        wording = Wording.read(shown[chosen])
        said = wording.said
        if wanted:
            remark, effect = sample_critique(rng, said)
        turns.append(ShownTurn(tuple(shown), chosen, remark))
        changed = frozenset(name for name in ATTRIBUTES if getattr(said, name) != getattr(state.said, name))
        state = _State(wording, state.idea, changed, effect)
    image = ""
    if rng.random() < _CAPTIONED:
        shown_scene = sample_scene(rng, parse_attributes(initial), training=False)
        image = caption_sheet().describe(shown_scene.attributes.known())
    max_words = _budget(words, turn, horizon)
    request = WriteRequest(initial, tuple(turns), form, max_words, seed=0, caption=image)
    return Dialogue(request, _answer(rng, state, form, max_words), state.effect)


def _sample_form(rng: random.Random) -> CandidateForm:
    """Mostly the form of Fig. 11; short answers are common, because they teach most per token to read."""
    draw = rng.random()
    if draw < 0.5:
        return CandidateForm()
    if draw < 0.75:
        return CandidateForm(1, 4 if rng.random() < 0.6 else rng.randint(1, 9))
    if draw < 0.9:
        return CandidateForm(5, rng.randint(1, 2))
    return CandidateForm(rng.randint(2, 9), rng.randint(1, 8))


_UNKNOWN = ("dragon", "zebra", "station", "wizard", "piano", "astronaut", "lighthouse", "dinosaur", "vintage")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def _initial_prompt(rng: random.Random, scene: Scene | None) -> tuple[str, int]:
    """What a person types first: a scene with attributes left out, an idea, at times words nobody knows."""
    if scene is None and rng.random() < 0.12:
        idea = rng.choice(tuple(IDEAS))
        text = f"{rng.choice(IDEA_LEADS)} {idea}" if rng.random() < 0.7 else idea
    else:
        scene = scene or sample_scene(rng)
        said = sample_mention(rng, scene, keep=rng.choice((0.2, 0.4, 0.4, 0.6, 0.8)))
        if rng.random() < 0.75:
            said = Attributes(**(said.known() | {"subject": scene.subject}))
        text = caption(said, rng)
    if rng.random() < 0.15:
        words = text.split()
        odd = (
            rng.choice(_UNKNOWN)
            if rng.random() < 0.4
            else "".join(rng.choices(_LETTERS, k=rng.randint(3, 9)))
        )
        words.insert(rng.randrange(len(words) + 1), odd)
        text = " ".join(words)
    if rng.random() < 0.1:
        text += rng.choice((".", "!", " please"))
    return text, len(text.split())


def _budget(words: int, turn: int, turns: int) -> int:
    return max(word_budget(words, turn, turns, _MAX_WORDS), _SHORTEST)


def _slate(rng: random.Random, state: _State, columns: int, max_words: int) -> list[str]:
    """Prompts as a random selector shows them: one candidate each of so many categories."""
    answer = _answer(rng, state, CandidateForm(columns, 1) if columns > 1 else CandidateForm(2, 1), max_words)
    shown = [candidate.prompt for candidate in answer[:columns]]
    rng.shuffle(shown)
    return shown


def _answer(rng: random.Random, state: _State, form: CandidateForm, max_words: int) -> tuple[Candidate, ...]:
    taken = {state.said}
    if form.direct:
        names = _categories(rng, state, min(form.per_category, len(CATEGORIES)))
        names = [names[index % len(names)] for index in range(form.per_category)]
        sets = [_changes(rng, state, name, 1, taken)[0] for name in names]
        said_under = zip(names, sets, strict=True)
        return tuple(Candidate(_say(rng, state, name, said, max_words), "") for name, said in said_under)
    answer = []
    for name in _categories(rng, state, form.categories):
        for said in _changes(rng, state, name, form.per_category, taken):
            answer.append(Candidate(_say(rng, state, name, said, max_words), name))
    return tuple(answer)


def _say(rng: random.Random, state: _State, category: str, said: Attributes, max_words: int) -> str:
    """The attributes as a change of the current prompt; the category for detail may add an adjective."""
    fillers = [] if category == VERY_DIFFERENT else list(state.wording.fillers)
    if category == DETAIL and len(fillers) < 2 and rng.random() < 0.5:
        fillers.append(rng.choice([word for word in FILLERS if word not in fillers]))
    return reword(said, state.wording, rng, max_words, fillers)


def _categories(rng: random.Random, state: _State, count: int) -> list[str]:
    """Names of categories: what is still open comes first, what was just picked rests, the last differs."""
    settled = state.effect.attribute if state.effect and len(state.effect.values) == 1 else None
    weights = {}
    for name, (first, *rest) in CATEGORIES.items():
        if settled in (first, *rest):
            weights[name] = 0.001
        elif first in state.picked:
            weights[name] = 0.15
        else:
            weights[name] = 3.0 if getattr(state.said, first) is None else 1.0
    if sum(getattr(state.said, name) is None for name in ATTRIBUTES) >= 2:
        weights[DETAIL] = 1.5
    names: list[str] = []
    while weights and len(names) < count - 1:
        name = rng.choices(tuple(weights), tuple(weights.values()))[0]
        names.append(name)
        del weights[name]
    return [*names, VERY_DIFFERENT]


def _changes(
    rng: random.Random, state: _State, category: str, count: int, taken: set[Attributes]
) -> list[Attributes]:
    """So many new attribute sets of a category in the order of `ATTRIBUTES`; they are added to `taken`."""
    found: list[Attributes] = []
    extra = 0
    names = _changed_by(rng, state, category)
    tries = 0
    while len(found) < count:
        tries += 1
        if tries > 12 * count:
            # the category's own attributes are used up: let one more vary
            extra, tries = extra + 1, 0
        said = _change(rng, state, category, [*names, *_others(rng, names, extra)])
        if said not in taken:
            taken.add(said)
            found.append(said)
    return sorted(found, key=lambda said: [_rank(said, name) for name in (*names, *ATTRIBUTES)])


def _changed_by(rng: random.Random, state: _State, category: str) -> list[str]:
    if category == VERY_DIFFERENT:
        return rng.sample(("colour", "setting", "light", "style", "view"), 4)
    if category == DETAIL:
        missing = [name for name in ATTRIBUTES if name != "subject" and getattr(state.said, name) is None]
        return sorted(rng.sample(missing, min(len(missing), 2)), key=tuple(ATTRIBUTES).index)
    return list(CATEGORIES[category])


def _others(rng: random.Random, names: Sequence[str], count: int) -> list[str]:
    rest = [name for name in ("light", "setting", "style", "colour", "view") if name not in names]
    return rest[: min(count, len(rest))]


def _change(rng: random.Random, state: _State, category: str, names: Sequence[str]) -> Attributes:
    said = state.said.known()
    if state.idea and len(said) < 4:
        for name, values in IDEAS[state.idea].items():
            if name not in said and rng.random() < 0.8:
                said[name] = rng.choice(values)
    if "subject" not in said or (category == VERY_DIFFERENT and rng.random() < 0.2):
        said["subject"] = rng.choice(SUBJECTS)
    for name in names:
        options = [value for value in ATTRIBUTES[name] if value != getattr(state.said, name)]
        said[name] = rng.choice(options)
    return Attributes(**_follow(rng, said, state.effect))


def _follow(rng: random.Random, said: dict[str, str], effect: Effect | None) -> dict[str, str]:
    """The attributes with a critique's effect applied to them."""
    if effect is None:
        return said
    value = said.get(effect.attribute)
    if (value is None and effect.needed) or (value is not None and value not in effect.values):
        said[effect.attribute] = rng.choice(sorted(effect.values))
    return said


def _rank(said: Attributes, name: str) -> int:
    value = getattr(said, name)
    return -1 if value is None else ATTRIBUTES[name].index(value)
