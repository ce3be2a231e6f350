"""What the interface knows of a session: a frozen view, folded over the session's events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from pathlib import Path

from pasta_core.domain import Candidate, Image, Pixels, Slate
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Failed,
    Finished,
    ImagePreview,
    ImageReady,
    PaintingProgress,
    Refused,
    SessionStarted,
    SlateChosen,
    Swapped,
    TurnReady,
    WritingProgress,
    WritingStarted,
)
from pasta_core.settings import SessionSettings
from pasta_core.simulation.rollout import INITIAL_CATEGORY
from pasta_core.text import clean

__all__ = ["Column", "SessionView", "Stage", "Step", "advance", "doing", "stopped"]


class Stage(Enum):
    """What a session is at."""

    STARTING = auto()
    WRITING = auto()
    SELECTING = auto()
    PAINTING = auto()
    ASKING = auto()
    """The slate is painted, the user chooses."""
    STOPPED = auto()
    """Somebody cancelled the work; it goes on when it is told to."""
    FAILED = auto()
    FINISHED = auto()


@dataclass(frozen=True, eq=False)
class Column:
    """One prompt of a slate and its M images, each None until it is painted; the text is safe to show.

    `previews` are what images look like that are still painted, by index.
    """

    prompt: str
    category: str
    value: float | None
    images: tuple[Image | None, ...]
    paths: tuple[Path | None, ...]
    previews: Mapping[int, Pixels] = field(default_factory=dict)

    def pixels(self, index: int) -> Pixels | None:
        """What there is to see of an image, RGB (h, w, 3)."""
        image = self.images[index] if index < len(self.images) else None
        return self.previews.get(index) if image is None else image.pixels


@dataclass(frozen=True)
class Step:
    """One choice on the way here: the turn, the column (0-based), its prompt and the critique."""

    turn: int
    column: int
    prompt: str
    critique: str = ""


@dataclass(frozen=True, eq=False)
class SessionView:
    """Everything a screen needs to show a session.

    `turn` is being worked on; `columns` are those of the turn `shown`, which stays until the next slate is
    there, with `chosen` marked in it. `done` of `total` counts what the stage itself counts: prompts, or
    denoising steps. `proposal` slates of `turn` were refused before; `slate` names what `columns` show of
    `candidates`. `refused_for` is what was said with the last refusal of the turn. In a `study` the person
    may do nothing but choose.
    """

    prompt: str
    settings: SessionSettings
    blind: bool = False
    session: str = ""
    stage: Stage = Stage.STARTING
    turn: int = 0
    done: int = 0
    total: int = 0
    candidates: tuple[Candidate, ...] = ()
    shown: int = 0
    columns: tuple[Column, ...] = ()
    chosen: int | None = None
    way: tuple[Step, ...] = ()
    failure: Failed | None = None
    finished: Finished | None = field(default=None)
    study: bool = False
    proposal: int = 0
    shown_proposal: int = 0
    slate: Slate = field(default_factory=lambda: Slate(()))
    refused_for: str = ""

    @property
    def others(self) -> tuple[int, ...]:
        """The candidates that a slate which waits for an answer does not show."""
        if self.stage is not Stage.ASKING:
            return ()
        return tuple(index for index in range(len(self.candidates)) if index not in self.slate.indices)

    @property
    def working(self) -> bool:
        """Models are at work, so there is something to cancel."""
        return self.stage in (Stage.STARTING, Stage.WRITING, Stage.SELECTING, Stage.PAINTING)

    @property
    def halted(self) -> bool:
        """Nothing happens until somebody says that it shall go on."""
        return self.stage in (Stage.STOPPED, Stage.FAILED)

    @property
    def painted(self) -> int:
        """How many images of the shown turn are finished."""
        return sum(image is not None for column in self.columns for image in column.images)

    @property
    def images(self) -> int:
        """How many images the shown turn has when it is finished."""
        return sum(len(column.images) for column in self.columns)

    @property
    def share(self) -> float | None:
        """How much of the stage is done, from 0 to 1, where that is known."""
        if self.stage not in (Stage.WRITING, Stage.PAINTING) or not self.total:
            return None
        return min(1.0, self.done / self.total)


def advance(view: SessionView, event: Event) -> SessionView:
    """The view after an event."""
    match event:
        case SessionStarted(session=session, prompt=prompt):
            view = replace(view, session=session, prompt=clean(prompt).text, failure=None, finished=None)
            return _at(view, Stage.STARTING)
        case WritingStarted(turn=turn):
            proposal = view.proposal if turn == view.turn else 0
            view = replace(view, turn=turn, proposal=proposal, total=view.settings.form.total, done=0)
            return replace(view, stage=Stage.WRITING)
        case WritingProgress(turn=turn, done=done, total=total):
            return replace(view, stage=Stage.WRITING, turn=turn, done=done, total=total)
        case CandidatesReady(turn=turn, candidates=candidates, proposal=proposal):
            view = replace(_at(view, Stage.SELECTING), turn=turn, proposal=proposal)
            return replace(view, candidates=candidates)
        case SlateChosen(turn=turn, slate=slate, proposal=proposal):
            view = replace(_at(view, Stage.PAINTING), proposal=proposal)
            return _slate(view, turn, slate)
        case Swapped(slate=slate, swap=swap):
            return _swapped(_at(view, Stage.PAINTING), slate, swap.column)
        case Refused(proposal=proposal, critique=critique):
            view = replace(_at(view, Stage.STARTING), proposal=proposal + 1)
            return replace(view, refused_for=clean(critique).text)
        case PaintingProgress(turn=turn, done=done, total=total):
            return replace(_initial(view, turn), stage=Stage.PAINTING, turn=turn, done=done, total=total)
        case ImageReady():
            return _painted(_initial(view, event.turn), event)
        case ImagePreview():
            return _previewed(_initial(view, event.turn), event)
        case TurnReady():
            return _ready(view, event)
        case Chosen(turn=turn, choice=choice):
            step = Step(turn, choice.column, view.columns[choice.column].prompt, clean(choice.critique).text)
            way = tuple(earlier for earlier in view.way if earlier.turn < turn)
            view = replace(_at(view, Stage.STARTING), chosen=choice.column, way=(*way, step))
            return replace(view, refused_for="")
        case Finished():
            return replace(_at(view, Stage.FINISHED), finished=event)
        case Failed(message=message, hint=hint):
            failure = replace(event, message=clean(message).text, hint=clean(hint).text)
            return replace(view, stage=Stage.FAILED, failure=failure)
        case _:
            return view


def stopped(view: SessionView) -> SessionView:
    """The view after the running work was cancelled."""
    return replace(view, stage=Stage.STOPPED)


def doing(view: SessionView) -> str:
    """What is happening and how far it is, in a few words."""
    match view.stage:
        case Stage.STARTING:
            return "one moment" if view.columns else "starting the models"
        case Stage.WRITING:
            return f"writing {view.done}/{view.total}"
        case Stage.SELECTING:
            return "choosing what to show"
        case Stage.PAINTING:
            return f"painting {view.painted}/{view.images}"
        case Stage.ASKING:
            return "your choice"
        case Stage.STOPPED:
            return "stopped, what was finished is kept"
        case Stage.FAILED:
            return "this did not work" if view.failure is None else view.failure.message
        case Stage.FINISHED:
            return "finished"


def _at(view: SessionView, stage: Stage) -> SessionView:
    return replace(view, stage=stage, done=0, total=0)


def _initial(view: SessionView, turn: int) -> SessionView:
    """The view with turn 0's column in it, if that is what `turn` is and it is not shown yet."""
    if turn or (view.columns and not view.shown):
        return view
    return _shown(view, 0, (Candidate(view.prompt, INITIAL_CATEGORY),), None)


def _slate(view: SessionView, turn: int, slate: Slate) -> SessionView:
    """The view with the slate of a turn."""
    shown = tuple(view.candidates[index] for index in slate.indices)
    return replace(_shown(view, turn, shown, slate.values), slate=slate)


def _swapped(view: SessionView, slate: Slate, column: int) -> SessionView:
    """The view with another candidate in one column, which is still to be painted."""
    fresh = _slate(replace(view, columns=()), view.turn, slate).columns
    columns = [replace(old, value=new.value) for old, new in zip(view.columns, fresh, strict=True)]
    columns[column] = fresh[column]
    return replace(view, columns=tuple(columns), slate=slate)


def _shown(
    view: SessionView, turn: int, shown: tuple[Candidate, ...], values: tuple[float, ...] | None
) -> SessionView:
    """The view with a turn's columns; if it shows them already, they keep their images."""
    nothing = (None,) * view.settings.images
    columns = tuple(
        Column(clean(it.prompt).text, clean(it.category).text, value, nothing, nothing)
        for it, value in zip(shown, values or (None,) * len(shown), strict=True)
    )
    same = (view.shown, view.shown_proposal) == (turn, view.proposal)
    if same and [it.prompt for it in view.columns] == [it.prompt for it in columns]:
        columns = view.columns
    shown_proposal = view.proposal if turn else 0
    return replace(view, turn=turn, shown=turn, shown_proposal=shown_proposal, columns=columns, chosen=None)


def _painted(view: SessionView, event: ImageReady) -> SessionView:
    column = view.columns[event.column]
    images = (*column.images[: event.index], event.image, *column.images[event.index + 1 :])
    paths = (*column.paths[: event.index], event.path, *column.paths[event.index + 1 :])
    columns = list(view.columns)
    previews = {index: pixels for index, pixels in column.previews.items() if index != event.index}
    columns[event.column] = replace(column, images=images, paths=paths, previews=previews)
    return replace(view, columns=tuple(columns))


def _previewed(view: SessionView, event: ImagePreview) -> SessionView:
    columns = list(view.columns)
    column = columns[event.column]
    columns[event.column] = replace(column, previews={**column.previews, event.index: event.pixels})
    return replace(view, columns=tuple(columns))


def _ready(view: SessionView, event: TurnReady) -> SessionView:
    view = replace(view, candidates=event.candidates, proposal=event.proposal)
    view = _slate(view, event.turn, event.slate)
    paths = event.paths or tuple((None,) * len(column) for column in event.columns)
    columns = tuple(
        replace(column, images=images, paths=files, previews={})
        for column, images, files in zip(view.columns, event.columns, paths, strict=True)
    )
    return replace(
        _at(view, Stage.ASKING if event.turn else Stage.STARTING), turn=event.turn, columns=columns
    )
