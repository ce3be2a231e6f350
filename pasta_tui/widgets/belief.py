"""What is believed of a person's taste, and what their picks moved: as lines, and as a panel."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import log2

from textual.app import ComposeResult
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from pasta_core.errors import PastaError
from pasta_core.sessions.insight import Insight
from pasta_core.text import clean, told
from pasta_core.users.belief import BeliefAccount, BeliefStep, entropy
from pasta_tui.insight_words import HIDDEN, moves, rests, subject, took
from pasta_tui.terminal.text import wrap
from pasta_tui.widgets.signed_bars import share_line, signed_line

__all__ = ["PANEL", "BeliefPanel", "belief_lines"]

PANEL = 38
"""Cells of the panel beside a slate."""
_TWO = 66
"""Cells from which there is room for two columns of lines."""
_GAP = 3
_LABEL = 9
"""Cells before the bars of shares."""
_TYPES = 3
_SMALL = 0.2
"""Nats that a whole bar stands for at least, so that small moves look small."""
_FAINT = "$foreground 60%"

Lines = list[Content]


def belief_lines(account: BeliefAccount, width: int) -> Content:
    """What is believed, in lines of at most `width` cells: in two columns where there is room."""
    if width < _TWO:
        head = [Content.styled("Your taste", "bold $accent")]
        return Content("\n").join(_stacked([head + _state(account, width), *_parts(account, width)]))
    left = (width - _GAP) * 5 // 9
    right = width - _GAP - left
    moved = _moved(account, left)
    beside = _stacked([_state(account, right), _types(account, right), _past(account, right)])
    rows = zip_longest(moved, beside, fillvalue=Content())
    return Content("\n").join(one.pad_right(left + _GAP - one.cell_length) + other for one, other in rows)


def _parts(account: BeliefAccount, width: int) -> list[Lines]:
    return [_moved(account, width), _types(account, width), _past(account, width)]


def _stacked(parts: Sequence[Lines]) -> Lines:
    """Parts below each other, with a free line between them."""
    lines: Lines = []
    for part in parts:
        if part:
            lines += [Content()] * bool(lines) + part
    return lines


def _state(account: BeliefAccount, width: int) -> Lines:
    """How many picks it rests on, and how sure it is."""
    lines = [Content.styled(line, _FAINT) for line in wrap(rests(account), width)]
    return [*lines, share_line("certain", account.certainty, width, _LABEL, f"{account.certainty:4.0%}")]


def _moved(account: BeliefAccount, width: int) -> Lines:
    """What the last pick was, how it was foreseen, and what it moved."""
    if not account.steps:
        return [Content.styled(line, _FAINT) for line in wrap(_nothing(account), width)]
    step = account.steps[-1]
    lines = [Content.styled(line, "bold") for line in wrap(took(step), width)]
    lines += [share_line("foreseen", step.foreseen, width, _LABEL, f"{step.foreseen:4.0%}", step.guess)]
    columns, words = _taken(step), _named(step)
    most = max(_SMALL, *(abs(moved) for _, moved in (*columns, *words)))
    for head, bars in ((subject(step), columns), ("what prompts say", words)):
        if bars:
            lines += [Content(), Content.styled(head, _FAINT)]
            lines += [signed_line(label, moved, most, width) for label, moved in bars]
    if account.blind:
        lines += [Content(), *(Content.styled(line, _FAINT) for line in wrap(HIDDEN, width))]
    return lines


def _nothing(account: BeliefAccount) -> str:
    if account.kept:
        return "You have not chosen in this session yet: this is what earlier ones taught."
    return "Nothing is known yet: every column that you take will show here what it taught."


def _taken(step: BeliefStep) -> list[tuple[str, float]]:
    """By how much the taken column gained, or the refused slate lost, and what of it."""
    if step.taken is None:
        return []
    return [
        ("all in all", step.taken.moved),
        ("its pictures", step.pictures),
        ("its prompt", step.prompts),
        ("its likeness", step.likeness),
    ]


def _named(step: BeliefStep) -> list[tuple[str, float]]:
    """What gained most, the most first, and what lost most, the most last."""
    gained, lost = moves(step)
    return [(clean(it.words).text, it.moved) for it in (*gained, *lost)]


def _types(account: BeliefAccount, width: int) -> Lines:
    """The likeliest types of the user model, and what the last pick made of them."""
    shares = account.types
    if not shares:
        return []
    before = account.steps[-1].types[0] if account.steps else shares
    likeliest = sorted(range(len(shares)), key=lambda number: -shares[number])[:_TYPES]
    head = f"{len(shares)} types, {entropy(shares):.1f} of {log2(len(shares)):.1f} bits open"
    lines = [Content.styled(line, _FAINT) for line in wrap(head, width)]
    changes = [round(100 * (shares[number] - before[number])) for number in likeliest]
    room = 4 * any(changes)
    for number, change in zip(likeliest, changes, strict=True):
        figure = f"{shares[number]:4.0%}" + (f" {change:+d}" if change else "").rjust(room)
        lines.append(share_line(f"type {number}", shares[number], width, _LABEL, figure))
    return lines


def _past(account: BeliefAccount, width: int) -> Lines:
    """How well each pick of the session was foreseen; 0 is the key that refuses a slate."""
    steps = account.steps[-8:]
    if len(steps) < 2:
        return []
    lines = [Content.styled("foreseen, against chance", _FAINT)]
    names = [f"turn {step.turn}" + ("" if step.chosen else ", 0") for step in steps]
    label = max(_LABEL, *map(len, names))
    for name, step in zip(names, steps, strict=True):
        figure = f"{step.foreseen:4.0%}"
        lines.append(share_line(name, step.foreseen, width, label, figure, step.guess))
    return lines


class BeliefPanel(VerticalScroll):
    """Shows the belief of a session, computed anew, beside the keys, whenever an answer was given."""

    DEFAULT_CSS = """
    BeliefPanel { width: 1fr; height: 1fr; padding: 0 1; }
    """

    def __init__(self, place: str, focus: bool = False) -> None:
        super().__init__(id=place, can_focus=focus)
        self._text = Static(markup=False)
        self._account: BeliefAccount | None = None
        self._known: tuple[Insight, int] | None = None
        self._failed = False

    def compose(self) -> ComposeResult:
        yield self._text

    def follow(self, insight: Insight) -> None:
        """Show what is believed now; where that is known already, nothing is done."""
        now = (insight, insight.told.picks)
        if now != self._known:
            self._known = now
            self.run_worker(self._learn(insight), exclusive=True, group="belief")

    def retry(self) -> None:
        """Let what could not be found out be asked for once more."""
        if self._failed:
            self._known = None

    def on_resize(self) -> None:
        """Lay the lines out again."""
        self._show()

    async def _learn(self, insight: Insight) -> None:
        if self._account is None:
            self._text.update(Content.styled("one moment: the taste is worked out", _FAINT))
        try:
            self._account = await insight.belief()
        except PastaError as error:
            self._account, self._failed = None, True
            self._text.update(Content.styled(clean(told(error)).text, _FAINT))
            return
        self._failed = False
        self._show()

    def _show(self) -> None:
        width = self.scrollable_content_region.width
        if self._account is not None and width > 0:
            self._text.update(belief_lines(self._account, width))
