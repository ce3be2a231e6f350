"""A list to choose from that the arrows enter and leave, as one field of a form."""

from __future__ import annotations

from textual.widgets import OptionList

__all__ = ["Choices"]


class Choices(OptionList):
    """An option list whose cursor shows only while it has the focus; beyond its ends lies the next field."""

    DEFAULT_CSS = """
    Choices { text-wrap: nowrap; text-overflow: ellipsis; overflow-x: hidden; }
    """

    def on_focus(self) -> None:
        """Put the cursor on the first choice, unless a click has put it elsewhere."""
        if self.highlighted is None and self.option_count:
            self.highlighted = 0

    def on_blur(self) -> None:
        """Take the cursor away."""
        self.highlighted = None

    def action_cursor_up(self) -> None:
        """Move up; from the first choice to the field above."""
        if self.highlighted in (None, 0):
            self.screen.focus_previous()
        else:
            super().action_cursor_up()

    def action_cursor_down(self) -> None:
        """Move down; from the last choice to the field below."""
        if self.highlighted is not None and self.highlighted >= self.option_count - 1:
            self.screen.focus_next()
        else:
            super().action_cursor_down()
