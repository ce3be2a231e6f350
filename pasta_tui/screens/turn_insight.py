"""What the turn's screen shows of a session's belief and reasons, and the keys for it."""

from __future__ import annotations

from pasta_core.sessions.insight import Insight
from pasta_tui.screens.insight import BeliefScreen, WhyScreen
from pasta_tui.screens.telling import TellingScreen
from pasta_tui.widgets.belief import PANEL, BeliefPanel

__all__ = ["InsightScreen"]

_WIDE = 3 * PANEL
"""Cells from which a slate and the panel have room beside each other."""


class InsightScreen(TellingScreen[None]):
    """A screen with a `BeliefPanel` that can be shown beside what else there is, or over it."""

    insight: Insight | None = None
    """What the session says of itself; None where it must not."""
    _beside = False

    def follow(self) -> None:
        """Show what is believed now, and why the slate is shown, wherever they are shown."""
        panel = self.query_one(BeliefPanel)
        shown = self._beside and self.insight is not None and self.size.width >= _WIDE
        if shown and not panel.display:
            panel.retry()
        panel.display = shown
        if self.insight is None:
            return
        if panel.display:
            panel.follow(self.insight)
        for screen in self.app.screen_stack:
            if isinstance(screen, BeliefScreen | WhyScreen) and screen.is_mounted:
                screen.follow()

    def action_belief(self) -> None:
        """Show or hide what is believed: beside the slate where there is room, else over it."""
        if self.size.width >= _WIDE:
            self._beside = not self._beside
            self.follow()
        elif self.insight is not None:
            self.app.push_screen(BeliefScreen(self.insight))

    def explain(self, selected: int) -> None:
        """Say why the slate is shown."""
        if self.insight is not None:
            self.app.push_screen(WhyScreen(self.insight, selected))
