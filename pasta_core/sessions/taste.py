"""The taste of a session: what it goes by, and how its picks are kept as they are made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pasta_core.agent.taste_learner import RememberedTexts, TasteLearner, numbered, pick_of, says_something
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.domain import Choice, Embedding, NoneOfThese
from pasta_core.errors import PastaError
from pasta_core.events import Event, Note
from pasta_core.sessions.recorder import StoreRecorder
from pasta_core.sessions.records import PERSON, NewSession, SessionInfo, StoredTurn
from pasta_core.sessions.store import Store
from pasta_core.settings import Profile
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import NO_TASTE, KeptTaste, TasteRecord
from pasta_core.users.taste_shelf import TasteShelf
from pasta_core.users.taste_space import TasteSpace
from pasta_core.users.taste_space_files import load_space, space_beside

__all__ = ["KeepingRecorder", "TasteOfSession", "clip_of", "settled_taste", "space_of"]


def clip_of(profile: Profile) -> str:
    """What tells a profile's CLIP from others: its fingerprint, or if it is elsewhere the profile's name."""
    folder = profile.clip.model
    return encoder_fingerprint(folder) if folder.is_dir() else f"profile {profile.name}"


def space_of(profile: Profile, clip: str) -> TasteSpace | None:
    """The space that lies beside a profile's CLIP, if one does; raises `ModelUnavailable`."""
    file = space_beside(profile.clip.model)
    return None if file is None else load_space(file, clip)


def settled_taste(shelf: TasteShelf, wanted: bool, user: str) -> str | None:
    """The name of the taste that a new session belongs to: the one in use, and none for a rater's session."""
    return shelf.in_use if wanted and user == PERSON else None


@dataclass(frozen=True, eq=False)
class TasteOfSession:
    """One session's taste, with what it takes to learn: the shelf, the profile, and text embeddings."""

    shelf: TasteShelf
    profile: Profile
    texts: RememberedTexts

    @cached_property
    def clip(self) -> str:
        """What tells the profile's CLIP from others; slow the first time."""
        return clip_of(self.profile)

    async def learner(self, info: SessionInfo) -> TasteLearner:
        """Who judges candidates in this session: by its own picks, and those that were kept before it began.

        Raises `InvalidInput` where the taste is of another CLIP or its file is none.
        """
        return TasteLearner(self.texts, *await self.others(info))

    def check(self, new: NewSession) -> None:
        """Refuse (`InvalidInput`) a new session whose taste is of another CLIP, or no taste. Slow."""
        if new.taste is not None:
            self.shelf.read(new.taste).check(self.clip)

    async def keep(self, store: Store, session: str) -> None:
        """Bring the taste up to date with the picks on a session's path. Raises `PastaError`."""
        info = await asyncio.to_thread(store.get, session)
        name = info.made_of.taste
        if name is None:
            return
        turns = await asyncio.to_thread(store.turns, session)
        given = _answers(turns)
        known = await asyncio.to_thread(self.shelf.read, name)
        have = [(pick.turn, pick.proposal, pick.chosen) for pick in known.picks if pick.session == session]
        if have == [(turn.number, proposal, _taken(answer)) for turn, proposal, answer in given]:
            return
        clip = await asyncio.to_thread(lambda: self.clip)
        known.check(clip)
        picks = await self.picks(info, turns)

        def kept(record: TasteRecord) -> TasteRecord:
            # the session may have been forgotten while its texts were embedded: that unlinks it first
            linked = store.get(session).made_of.taste == name
            return record.with_session(session, picks, clip) if linked else record

        await asyncio.to_thread(self.shelf.update, name, kept)

    async def picks(self, info: SessionInfo, turns: Sequence[StoredTurn]) -> tuple[Pick, ...]:
        """The picks on a session's path, with their features; raises what embedding texts raises."""
        return tuple([await self._pick(info, turns[0], *given) for given in _answers(turns)])

    async def others(self, info: SessionInfo) -> tuple[TasteSpace | None, KeptTaste]:
        """What a session goes by beside its own picks: the CLIP's space and the picks kept before it began.

        Raises as `learner` does.
        """
        return await asyncio.to_thread(lambda: (space_of(self.profile, self.clip), self._kept(info)))

    def _kept(self, info: SessionInfo) -> KeptTaste:
        if info.made_of.taste is None:
            return NO_TASTE
        record = self.shelf.read(info.made_of.taste)
        record.check(self.clip)
        return record.kept(info.created_at, info.id)

    async def _pick(
        self, info: SessionInfo, start: StoredTurn, turn: StoredTurn, proposal: int, answer: _Given
    ) -> Pick:
        when = turn.chosen_at or turn.refused_at
        assert turn.slate is not None and when is not None
        shown = [turn.candidates[index].prompt for index in turn.slate.indices]
        columns = [_column(turn, column) for column in range(len(shown))]
        return await pick_of(
            (info.id, turn.number, proposal),
            when,
            (info.made_of.prompt, *shown),
            (_column(start, 0), *columns),
            answer,
            self.texts,
        )


_Given = Choice | NoneOfThese


def _answers(turns: Sequence[StoredTurn]) -> list[tuple[StoredTurn, int, _Given]]:
    """The slates whose answers say something, each with its proposal and its answer, oldest first."""
    slates = [slate for turn in turns for slate in turn.proposals]
    made = [(slate, answer) for slate in slates if (answer := slate.choice or slate.refusal) is not None]
    said = numbered((slate.number, answer) for slate, answer in made)
    return [
        (slate, proposal, answer)
        for (slate, _), (proposal, answer) in zip(made, said, strict=True)
        if says_something(answer, _columns(slate))
    ]


def _taken(answer: _Given) -> tuple[int, ...]:
    return (answer.column,) if isinstance(answer, Choice) else ()


def _columns(turn: StoredTurn) -> int:
    return 0 if turn.slate is None else len(turn.slate.indices)


def _column(turn: StoredTurn, column: int) -> Sequence[Embedding | None]:
    return [image.embedding for (place, _), image in sorted(turn.images.items()) if place == column]


class KeepingRecorder(StoreRecorder):
    """Records one session, and keeps its picks in its taste as soon as they are durable.

    A pick that cannot be kept is told of, and does not stop the session; the next one brings it along.
    """

    def __init__(
        self, store: Store, session: str, emit: Callable[[Event], None], taste: TasteOfSession
    ) -> None:
        super().__init__(store, session, emit)
        self._taste = taste
        self._told: set[str] = set()

    async def save_choice(self, turn: int, choice: Choice) -> None:
        await super().save_choice(turn, choice)
        await self._keep()

    async def save_refusal(self, turn: int, refusal: NoneOfThese) -> None:
        await super().save_refusal(turn, refusal)
        await self._keep()

    async def finish(self) -> None:
        await self._keep()
        await super().finish()

    async def _keep(self) -> None:
        try:
            await self._taste.keep(self._store, self._session)
        except PastaError as error:
            if error.message not in self._told:
                self._told.add(error.message)
                self._emit(Note(f"the pick was not kept for your taste: {error.message}"))
