"""The candidates that a slate does not show, over the screen below: one of them may take a column's place."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from pasta_core.domain import Candidate, Swap
from pasta_core.text import clean
from pasta_tui.screens.above import OVER_BINDINGS, OverScreen
from pasta_tui.session_state import SessionView
from pasta_tui.terminal.text import cell_width, clipped, wrap
from pasta_tui.widgets.keys import KeyLine

__all__ = ["OthersScreen", "breaks_rule"]

_MOST_COLUMNS = 9
_TEXT_LINES = 5
"""Lines for the marked prompt in full."""
_LOW = 20
"""Lines of a window below which fewer do."""
_CATEGORY = 18
_AROUND = 6
"""Lines of the frame, of a gap, of what the marked prompt would replace, and of the keys."""
_DIGITS = Binding.Group("Column", compact=True)


def breaks_rule(view: SessionView, swap: Swap) -> str:
    """What a swap does to "one per category", in a sentence; nothing where it keeps to it."""
    after = view.slate.swapped(swap).indices
    category = view.candidates[swap.candidate].category
    same = [str(n + 1) for n, it in enumerate(after) if view.candidates[it].category == category]
    both = "both" if len(same) == 2 else "all"
    listed = f"{', '.join(same[:-1])} and {same[-1]}"
    return f"columns {listed} are then {both} of this category" if len(same) > 1 else ""


class _Listed(OptionList):
    """Candidates, one of which is marked."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Show", id="others.show", tooltip="Show the marked prompt in the column."),
    ]


class OthersScreen(OverScreen[Swap | None]):
    """Lists what is not shown, with what the selector thinks of it, and hands back a swap or nothing."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *[
            Binding(
                str(n),
                f"column({n})",
                f"Column {n}",
                id=f"others.column-{n}",
                tooltip="Show it in another column.",
                group=_DIGITS,
            )
            for n in range(1, _MOST_COLUMNS + 1)
        ],
        Binding("escape,a,q", "dismiss", "Back", id="others.back", tooltip="Back to the slate."),
        *OVER_BINDINGS,
    ]

    def __init__(self, view: SessionView, column: int) -> None:
        super().__init__()
        self._view = view
        self._column = column
        self._others = view.others

    def compose(self) -> ComposeResult:
        """The list over the marked prompt."""
        with Vertical(id="others"):
            yield _Listed(markup=False, id="list")
            yield Static(markup=False, id="text")
        yield KeyLine()

    def on_mount(self) -> None:
        """Fill the list once its width is known."""
        box = self.query_one("#others")
        columns = len(self._view.columns)
        another = f" 1-{columns} another column," if columns > 1 else ""
        box.border_subtitle = f"Enter shows it,{another} Escape leaves"
        self.query_one(OptionList).focus()
        self._title()
        self.call_after_refresh(self._fill)

    def on_resize(self) -> None:
        """Fit the lines anew."""
        self.call_after_refresh(self._fill)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Know only columns that there are."""
        if action == "column":
            return parameters[0] in range(1, len(self._view.columns) + 1)
        return super().check_action(action, parameters)

    def action_column(self, number: int) -> None:
        """Put it into another column (1-based)."""
        self._column = number - 1
        self._title()
        self._describe()

    def on_option_list_option_highlighted(self) -> None:
        """Show the marked prompt in full."""
        self._describe()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Swap it in."""
        event.stop()
        self.dismiss(Swap(self._column, self._others[event.option_index]))

    def _title(self) -> None:
        title = f"Not shown: which of these {len(self._others)} for column {self._column + 1}?"
        self.query_one("#others").border_title = title

    def _fill(self) -> None:
        found = self.query_one(OptionList)
        room = self.size.height - self._rows(self.query_one("#text").size.width) - _AROUND
        found.styles.max_height = max(3, room)
        width = found.scrollable_content_region.width - 2
        marked = found.highlighted or 0
        found.clear_options()
        found.add_options([Option(self._line(index, width)) for index in self._others])
        found.highlighted = marked
        self._describe()

    def _line(self, index: int, width: int) -> Content:
        """One candidate: its number, its value, its category, and as much of its prompt as fits."""
        it, values = self._view.candidates[index], self._view.slate.all_values
        value = "" if values is None else f"{values[index]:z7.2f}"
        category = clipped(clean(it.category).text, self._category(width))
        head = f"{index + 1:>2}{value}  "
        left = width - cell_width(head) - self._category(width) - 2
        prompt = clipped(clean(it.prompt).text, max(1, left))
        gap = " " * (self._category(width) - cell_width(category) + 2)
        return Content.assemble((head, "$foreground 60%"), (category, "$accent"), gap, prompt)

    def _rows(self, width: int) -> int:
        """Lines that show every prompt in full, if that is not too many."""
        most = _TEXT_LINES if self.size.height >= _LOW else 2
        longest = max(
            len(wrap(clean(self._view.candidates[it].prompt).text, max(1, width))) for it in self._others
        )
        return min(most, longest)

    def _category(self, width: int) -> int:
        widest = max(cell_width(clean(it.category).text) for it in self._view.candidates)
        return max(4, min(widest, _CATEGORY, width // 3))

    def _describe(self) -> None:
        marked = self.query_one(OptionList).highlighted
        if marked is None or marked >= len(self._others):
            return
        swap = Swap(self._column, self._others[marked])
        text = self.query_one("#text", Static)
        width = text.size.width
        broken = breaks_rule(self._view, swap)
        lines = _clipped(self._view.candidates[swap.candidate], width, self._rows(width))
        now = self._view.columns[self._column]
        place = clipped(f"in place of {self._column + 1} [{now.category}] {now.prompt}", width)
        text.update(
            Content("\n").join(
                [
                    *(Content(line) for line in lines),
                    Content.styled(place, "$foreground 60%"),
                    Content.styled(clipped(broken, width), "$warning"),
                ]
            )
        )


def _clipped(candidate: Candidate, width: int, rows: int) -> list[str]:
    """A prompt in exactly `rows` lines, the last one clipped where there is more."""
    lines = wrap(clean(candidate.prompt).text, max(1, width))
    if len(lines) > rows:
        lines = [*lines[: rows - 1], clipped(f"{lines[rows - 1]} …", width)]
    return [*lines, *[""] * (rows - len(lines))]
