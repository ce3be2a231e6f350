"""`pasta session --study` on the full screen: instructions first, then the interface that everybody knows."""

from __future__ import annotations

from textual.binding import Binding
from textual.screen import Screen

from pasta_core.errors import PastaError
from pasta_core.study.guide import Guide, load_guide
from pasta_core.vocabulary import load_vocabulary
from pasta_tui.app import PastaApp
from pasta_tui.screens.requests import StartRequest
from pasta_tui.screens.study import StudyScreen, StudyStartScreen
from pasta_tui.screens.turn import TurnScreen

__all__ = ["StudyApp"]


class StudyApp(PastaApp):
    """Runs studies, one after another, for one rater."""

    BINDINGS = [
        Binding(
            "i", "instructions", "Instructions", id="study.instructions", tooltip="Read the instructions."
        ),
    ]

    @property
    def _guide(self) -> Guide:
        config = self._desk.config
        return load_guide(config.paths.assets, config.session)

    def _start_screen(self) -> Screen[StartRequest | None]:
        profile = self._desk.config.profile
        return StudyStartScreen(self._guide, load_vocabulary(profile.vocabulary), profile.name)

    async def _main(self) -> None:
        try:
            # what was begun before was begun with the instructions
            read = self._desk.request.resume is not None or await self.push_screen_wait(
                StudyScreen(self._guide)
            )
        except PastaError as error:
            self.failure = error
            read = False
        if read:
            await super()._main()
        else:
            self.exit()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer the instructions while a session is played; other screens have them themselves."""
        if action == "instructions":
            return isinstance(self.screen, TurnScreen)
        return super().check_action(action, parameters)

    def action_instructions(self) -> None:
        """Read the instructions once more."""
        self.push_screen(StudyScreen(self._guide))
