"""What a session's history and a kept taste say about prompts that nobody has painted yet."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Candidate, Choice, Embedding, History, NoneOfThese, Turn
from pasta_core.errors import PastaError
from pasta_core.users.taste import Belief, Worth, believe
from pasta_core.users.taste_fit import fit_space
from pasta_core.users.taste_picks import Key, Pick, normalised, ordered
from pasta_core.users.taste_record import NO_TASTE, KeptTaste
from pasta_core.users.taste_space import TasteSpace

__all__ = [
    "NEVER",
    "EmbedTexts",
    "Opinion",
    "RememberedTexts",
    "TasteLearner",
    "numbered",
    "pick_of",
    "picks_of",
    "says_something",
]

EmbedTexts = Callable[[Sequence[str]], Awaitable[Embedding]]
"""CLIP's text embeddings before normalisation, (n, d)."""

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When picks were made whose age says nothing."""
_OWN = ""
"""The session of the picks of the very history that is looked at."""


class RememberedTexts:
    """Normalised text embeddings, each text asked for once."""

    def __init__(self, embed: EmbedTexts) -> None:
        self._embed = embed
        self._known: dict[str, Embedding] = {}

    async def many(self, texts: Sequence[str]) -> Embedding:
        """Embeddings (n, d) of texts; rounded to what a taste's file keeps."""
        missing = [text for text in dict.fromkeys(texts) if text not in self._known]
        if missing:
            rows = rounded(normalised(await self._embed(missing)))
            self._known.update(zip(missing, rows, strict=True))
        return np.stack([self._known[text] for text in texts])


@dataclass(frozen=True, eq=False)
class Opinion:
    """What is believed at a turn, and what that makes of its candidates."""

    space: TasteSpace
    belief: Belief
    means: npt.NDArray[np.float64]
    """Expected features (n, D) of the candidates."""
    worth: Worth
    picks: int


class TasteLearner:
    """Judges candidates by all picks: those kept from other sessions, and those of the history itself.

    Without a space of the profile's own it takes one that is learned from the slates of those picks.
    """

    def __init__(
        self, texts: RememberedTexts, space: TasteSpace | None = None, kept: KeptTaste = NO_TASTE
    ) -> None:
        self._texts = texts
        self._space = space
        self._kept = kept

    async def opinion(self, history: History, candidates: Sequence[Candidate]) -> Opinion:
        """What the belief makes of these candidates; `PastaError` where images came without embeddings."""
        own = await picks_of(history, self._texts, _OWN, lambda turn: NEVER)
        prompts = [history.initial_prompt, *(candidate.prompt for candidate in candidates)]
        texts = await self._texts.many(prompts)
        return await asyncio.to_thread(self._judged, own, texts)

    def chances(self, own: Sequence[Pick], pick: Pick) -> npt.NDArray[np.float64]:
        """The chance (L,) of every painted column of `pick`, after the kept picks and the session's `own`."""
        space, belief = self._believed(own, pick.dimension)
        utilities = belief.utilities(space.features(pick))
        weights = np.exp(utilities - utilities.max())
        return np.asarray(weights / weights.sum())

    def _judged(self, own: Sequence[Pick], texts: Embedding) -> Opinion:
        space, belief = self._believed(own, texts.shape[1])
        foreseen = space.foreseen(texts[0], texts[1:])
        picks = len(own) + len(self._kept.picks)
        return Opinion(space, belief, foreseen.means, belief.worth(foreseen), picks)

    def _believed(self, own: Sequence[Pick], d: int) -> tuple[TasteSpace, Belief]:
        # own picks come first: no session's id is shorter than theirs
        picks = (*ordered(own), *self._kept.picks)
        weights = np.concatenate([np.ones(len(own)), np.asarray(self._kept.weights, np.float64)])
        space = self._space or fit_space("", picks)
        if not space.image_basis.size:
            space = _blank(space, d)
        return space, believe(space, picks, weights)


async def picks_of(
    history: History, texts: RememberedTexts, session: str, when: Callable[[int], datetime]
) -> tuple[Pick, ...]:
    """The picks of a history, each with its CLIP features; `when` says the time of a turn's answers."""
    start = [image.embedding for image in history.initial_images]
    refused: list[tuple[Turn, Choice | NoneOfThese]] = [
        (it.turn, NoneOfThese(it.critique)) for it in history.refusals
    ]
    chosen = [(turn, turn.choice) for turn in history.turns if turn.choice is not None]
    made = sorted((*refused, *chosen), key=lambda it: it[0].number)
    picks = []
    for (turn, _), (proposal, answer) in zip(
        made, numbered((it[0].number, it[1]) for it in made), strict=True
    ):
        columns = [[image.embedding for image in column] for column in turn.columns]
        if says_something(answer, len(columns)):
            prompts = (history.initial_prompt, *(candidate.prompt for candidate in turn.shown))
            key = (session, turn.number, proposal)
            picks.append(await pick_of(key, when(turn.number), prompts, (start, *columns), answer, texts))
    return tuple(picks)


def says_something(answer: Choice | NoneOfThese, columns: int) -> bool:
    """Whether there was anything to answer: the only column can be refused, but not chosen from."""
    return columns > 1 or (columns == 1 and isinstance(answer, NoneOfThese))


def numbered(
    answers: Iterable[tuple[int, Choice | NoneOfThese]],
) -> Iterator[tuple[int, Choice | NoneOfThese]]:
    """The proposal of each answer, given (turn, answer) in the order they were made, and what it adds.

    A critique that was said of a refused slate and again with what follows it in the turn counts once.
    """
    before: dict[int, list[str]] = {}
    for turn, answer in answers:
        said = before.setdefault(turn, [])
        proposal = len(said)
        yield proposal, replace(answer, critique="") if answer.critique in said else answer
        said.append(answer.critique)


async def pick_of(
    key: Key,
    when: datetime,
    prompts: tuple[str, ...],
    images: Sequence[Sequence[Embedding | None]],
    answer: Choice | NoneOfThese,
    texts: RememberedTexts,
) -> Pick:
    """One pick: its key and time, the initial prompt and the columns', and images of each.

    Of a choice the columns are the alternatives: it takes one to go on, so that it says nothing of the
    initial prompt's own picture. A refusal prefers that picture to all of them. `PastaError` where an image
    has no embedding.
    """
    asked = [f"{prompts[0]}, {answer.critique}"] if answer.critique else []
    rows = await texts.many([*prompts, *asked])
    session, turn, proposal = key
    return Pick(
        session=session,
        turn=turn,
        when=when,
        prompts=prompts,
        images=rounded(np.stack([_mean(column) for column in images])),
        texts=rows[: len(prompts)],
        chosen=(answer.column,) if isinstance(answer, Choice) else (),
        outside=isinstance(answer, NoneOfThese),
        critique=answer.critique,
        critique_text=rows[-1] if asked else None,
        proposal=proposal,
    )


def rounded(rows: Embedding) -> Embedding:
    """Embeddings in the precision that a taste's file keeps, so that a kept pick is the pick itself."""
    return rows.astype(np.float16).astype(np.float32)


def _mean(images: Sequence[Embedding | None]) -> Embedding:
    """The mean (d,) of normalised embeddings."""
    found = [embedding for embedding in images if embedding is not None]
    if not found or len(found) < len(images):
        raise PastaError("the painter sent images without embeddings", "use a worker that embeds them")
    return np.asarray(normalised(np.stack(found)).mean(0), np.float32)


def _blank(space: TasteSpace, d: int) -> TasteSpace:
    """A space of fidelity alone, for embeddings of length d."""
    empty = np.zeros((d, 0))
    alone = {
        "image_basis": empty,
        "text_basis": empty,
        "slope": space.slope[:1, :1],
        "residual": space.residual[:1, :1],
        "spread": space.spread[:1, :1],
        "variances": space.variances[:1],
        "type_means": space.type_means[:, :1],
    }
    return TasteSpace(**(vars(space) | alone))
