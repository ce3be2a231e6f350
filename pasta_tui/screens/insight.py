"""What is believed, and why the slate is shown, over the screen below."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from pasta_core.agent.slate_reasons import SlateReasons
from pasta_core.domain import Slate
from pasta_core.errors import PastaError
from pasta_core.sessions.insight import Insight
from pasta_core.text import clean, told
from pasta_tui.screens.above import OVER_BINDINGS, OverScreen
from pasta_tui.widgets.belief import BeliefPanel
from pasta_tui.widgets.keys import KeyLine
from pasta_tui.widgets.why import why_lines

__all__ = ["BeliefScreen", "WhyScreen"]


class BeliefScreen(OverScreen[None]):
    """Shows what is believed where there is no room for it beside the slate."""

    BINDINGS = [
        Binding("b,escape,enter,q", "dismiss", "Close", id="belief.close", tooltip="Back to where you were."),
        *OVER_BINDINGS,
    ]

    def __init__(self, insight: Insight) -> None:
        super().__init__()
        self._insight = insight

    def compose(self) -> ComposeResult:
        yield BeliefPanel("belief", focus=True)
        yield KeyLine()

    def on_mount(self) -> None:
        """Begin to show it."""
        panel = self.query_one(BeliefPanel)
        panel.border_title = "What is believed of your taste"
        panel.border_subtitle = "b or Escape closes"
        self.follow()

    def follow(self) -> None:
        """Show what is believed now."""
        self.query_one(BeliefPanel).follow(self._insight)


class WhyScreen(OverScreen[None]):
    """Explains the slate at hand."""

    BINDINGS = [
        Binding("w,escape,enter,q", "dismiss", "Close", id="why.close", tooltip="Back to where you were."),
        *OVER_BINDINGS,
    ]

    def __init__(self, insight: Insight, selected: int) -> None:
        super().__init__()
        self._insight = insight
        self._selected = selected
        self._known: tuple[int, Slate | None] | None = None
        self._reasons: SlateReasons | None = None
        self._text = Static(
            Content.styled("one moment: the slate is judged once more", "$foreground 60%"), markup=False
        )

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="why"):
            yield self._text
        yield KeyLine()

    def on_mount(self) -> None:
        """Ask for the reasons beside the keys."""
        box = self.query_one("#why")
        box.border_title = "Why these"
        box.border_subtitle = "w or Escape closes"
        self.follow()

    def follow(self) -> None:
        """Explain the slate that is there now; where that is done already, nothing is done."""
        told = self._insight.told
        now = told.picks, None if told.turn is None else told.turn.slate
        if now == self._known:
            return
        if self._known is not None:
            self._selected = 0
        self._known = now
        self.run_worker(self._ask(), exclusive=True, group="why")

    def on_resize(self) -> None:
        """Lay the lines out again."""
        self.call_after_refresh(self._show)

    async def _ask(self) -> None:
        try:
            self._reasons = await self._insight.reasons()
        except PastaError as error:
            self._reasons = None
            self._say(told(error))
            return
        if self._reasons is None:
            self._say("there is no slate yet")
        self._show()

    def _say(self, text: str) -> None:
        self._text.update(Content.styled(clean(text).text, "$foreground 60%"))

    def _show(self, shown: int | None = None) -> None:
        """Lay the lines out; where they need a scroll bar, which takes room, once more beside it."""
        width = self.query_one("#why").scrollable_content_region.width
        if self._reasons is None or width <= 0 or (shown is not None and width >= shown):
            return
        self._text.update(why_lines(self._reasons, width, self._selected))
        if shown is None:
            self.call_after_refresh(self._show, width)

    def on_click(self) -> None:
        """A click leads back."""
        self.dismiss()
