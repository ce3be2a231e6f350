"""A rollout's events as lines in the scrollback: progress, columns of pictures, prompts, choices."""

from __future__ import annotations

from collections.abc import Sequence

from pasta_core.domain import Candidate, Image
from pasta_core.events import (
    CandidatesReady,
    Chosen,
    Event,
    Finished,
    Note,
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
from pasta_core.text import clean
from pasta_tui.console.output import Output
from pasta_tui.terminal.blocks import contact_sheet, encode
from pasta_tui.terminal.capabilities import Terminal
from pasta_tui.terminal.text import beside, wrap

__all__ = ["PlainView", "columns_of_pictures", "columns_of_texts", "row_of_pictures"]

_NARROWEST = 12
"""Cells of a column below which columns move to another row."""
_TEXT_ROWS = 12
"""Rows of the screen left to prompts and questions."""
_MOST_ACROSS = 9
_TALLEST_PROMPT = 7
"""Lines of a prompt under its column above which prompts are listed at full width."""


class PlainView:
    """Shows events as they come; a resumed session's answered turns shrink to one line each."""

    def __init__(
        self, out: Output, settings: SessionSettings, *, blind: bool, pictures: bool, who: str
    ) -> None:
        self._out = out
        self._settings = settings
        self._blind = blind
        self._pictures = pictures and out.terminal.interactive
        self._who = who
        self._waiting: TurnReady | None = None
        self._to_paint = settings.columns
        self.ready: TurnReady | None = None

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if self._waiting is not None and not (
            isinstance(event, Chosen | Refused | Swapped) and event.replayed
        ):
            self.catch_up()
        match event:
            case SessionStarted():
                self._started(event)
            case Note(text=text):
                self._out.note(text)
            case WritingStarted(turn=turn):
                self._out.progress(f"{self._turn(turn)}: writing")
            case WritingProgress(turn=turn, done=done, total=total):
                self._out.progress(f"{self._turn(turn)}: writing", done, total)
            case CandidatesReady(turn=turn, replayed=False):
                self._out.progress(f"{self._turn(turn)}: choosing what to show")
            case SlateChosen(turn=turn):
                self._to_paint = self._settings.columns
                if not event.replayed:
                    self._painting(turn, 0, 1)
            case PaintingProgress(turn=turn, done=done, total=total):
                self._painting(turn, done, total)
            case TurnReady():
                self.ready = event
                self._waiting = event
                if not event.replayed:
                    self.catch_up()
            case Swapped():
                self._swapped(event)
            case Refused():
                self._refused(event)
            case Chosen():
                self._chosen(event)
            case Finished():
                self._finished(event)
            case _:
                pass

    def catch_up(self) -> None:
        """Show the turn that was read from the store and waits for its choice."""
        turn, self._waiting = self._waiting, None
        if turn is None or not self._pictures:
            return
        shown = [turn.candidates[index] for index in turn.slate.indices]
        terminal = self._out.terminal
        if turn.turn == 0:
            self._out.show(["", *wrap(f"Your words: {shown[0].prompt}", terminal.width)])
            self._out.show(row_of_pictures(turn.columns[0], self._settings.columns, terminal))
            return
        again = f", proposal {turn.proposal + 1}" if turn.proposal else ""
        self._out.show(["", f"{self._turn(turn.turn).capitalize()}{again}"])
        captions = None if self._blind else shown
        self._out.show(columns_of_pictures(turn.columns, captions, terminal, turn.slate.values))

    def _started(self, event: SessionStarted) -> None:
        done = "goes on" if event.resumed else "begins"
        self._out.message(
            f"session {event.session} {done} (profile {event.profile}, selector {event.selector}, "
            f"seed {event.seed})"
        )
        self._out.progress("starting the models")

    def _painting(self, turn: int, done: int, total: int) -> None:
        columns = 1 if turn == 0 else self._to_paint
        images = columns * self._settings.images
        self._out.progress(f"{self._turn(turn)}: painting", done * images // max(total, 1), images)

    def _chosen(self, event: Chosen) -> None:
        turn, self._waiting = self.ready, None
        if turn is None:
            return
        column = event.choice.column
        prompt = clean(turn.candidates[turn.slate.indices[column]].prompt).text
        said = f' ("{clean(event.choice.critique).text}")' if event.choice.critique else ""
        what = "" if self._blind else f": {prompt}"
        if event.replayed or self._who != "you":
            verb = "chose" if event.replayed else "choose" if self._who == "you" else "chooses"
            line = f"{self._turn(event.turn)}: {self._who} {verb} column {column + 1}{said}{what}"
            self._out.message(line)

    def _swapped(self, event: Swapped) -> None:
        turn, self._waiting = self.ready, None
        self._to_paint = 1
        if turn is None:
            return
        prompt = clean(turn.candidates[event.swap.candidate].prompt).text
        if event.replayed:
            place = f"prompt {event.swap.candidate + 1} in column {event.swap.column + 1}"
            self._out.message(f"{self._turn(event.turn)}: {place}: {prompt}")

    def _refused(self, event: Refused) -> None:
        self._waiting = None
        said = f' ("{clean(event.critique).text}")' if event.critique else ""
        if event.replayed:
            self._out.message(f"{self._turn(event.turn)}: {self._who} chose none of these{said}")

    def _finished(self, event: Finished) -> None:
        self._out.end_progress()
        if not self._pictures:
            return
        terminal = self._out.terminal
        what = "" if self._blind else f": {clean(event.prompt).text}"
        self._out.show(["", *wrap(f"Your picture{what}", terminal.width)])
        self._out.show(row_of_pictures(event.images, 2, terminal))

    def _turn(self, number: int) -> str:
        return "your words" if number == 0 else f"turn {number} of {self._settings.turns}"


def row_of_pictures(images: Sequence[Image], across: int, terminal: Terminal) -> list[str]:
    """Images in rows of `across`, as wide as the terminal allows but not beyond twice their own pixels."""
    own = images[0].pixels.shape[1] * across + across - 1
    sheet = contact_sheet([image.pixels for image in images], min(terminal.width, 2 * own), across)
    return encode(sheet, terminal)


def columns_of_pictures(
    columns: Sequence[Sequence[Image]],
    captions: Sequence[Candidate] | None,
    terminal: Terminal,
    values: Sequence[float] | None = None,
) -> list[str]:
    """Each column a contact sheet, numbered, its category and prompt below it unless `captions` is None.

    `values` are the selector's predictions, where it has any.
    """
    told = [""] * len(captions or ()) if values is None else [f", {value:z.2f}" for value in values]
    texts = [
        f"[{clean(it.category).text}{value}] {clean(it.prompt).text}"
        for it, value in zip(captions or (), told, strict=captions is not None)
    ]
    return columns_of_texts(columns, texts, terminal)


def columns_of_texts(
    columns: Sequence[Sequence[Image]], texts: Sequence[str], terminal: Terminal
) -> list[str]:
    """Numbered contact sheets side by side, with texts below them, or listed where they are long."""
    across = max(1, min(len(columns), (terminal.width + 1) // (_NARROWEST + 1), _MOST_ACROSS))
    tallest = 2 * max(8, terminal.height - _TEXT_ROWS)
    width = max(1, min((terminal.width - (across - 1)) // across, tallest))
    sheets = [
        encode(contact_sheet([image.pixels for image in column], width), terminal) for column in columns
    ]
    blocks = [[*sheet, str(number).center(width)] for number, sheet in enumerate(sheets, start=1)]
    captions = [wrap(text, width) for text in texts]
    listed = any(len(lines) > _TALLEST_PROMPT for lines in captions)
    if captions and not listed:
        blocks = [[*block, *lines] for block, lines in zip(blocks, captions, strict=True)]
    lines = [
        line
        for start in range(0, len(blocks), across)
        for line in beside(blocks[start : start + across], width)
    ]
    return [*lines, *_listed(texts, terminal.width)] if listed else lines


def _listed(texts: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for number, text in enumerate(texts, start=1):
        first, *rest = wrap(text, width - 3)
        lines.extend([f"{number}  {first}", *(f"   {line}" for line in rest)])
    return lines
