"""What the interface does on every screen: notices, help, colours, commands, and leaving at once."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Iterable
from functools import partial
from typing import Any

from textual.app import App, SystemCommand
from textual.binding import Binding
from textual.driver import Driver
from textual.notifications import Notify, SeverityLevel
from textual.screen import Screen
from textual.theme import Theme
from textual.worker import Worker, WorkerState

from pasta_core.errors import PastaError
from pasta_core.text import clean, told
from pasta_tui.desk import Desk
from pasta_tui.preferences import remember_theme
from pasta_tui.screens.help import HelpScreen, help_lines
from pasta_tui.screens.telling import unexpected
from pasta_tui.terminal.driver import ForgivingDriver
from pasta_tui.terminal.graphics import Graphics
from pasta_tui.widgets.keys import key_of

__all__ = ["Shell"]

_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_MOST_NOTICES = 2
_FUNCTION_KEY = re.compile(r"f\d+")


class Shell(App[None]):
    """An interface whatever it shows; `failure` is what made it end, or `signum`, a signal."""

    TITLE = "pasta"
    NOTIFICATION_TIMEOUT = 6
    CSS_PATH = "app.tcss"
    ENABLE_COMMAND_PALETTE = True
    BINDINGS = [
        Binding(
            "question_mark,f1", "help", "Help", id="help", tooltip="Show what can be done, by which key."
        ),
        Binding(
            "ctrl+q", "quit", "Quit", id="quit", priority=True, tooltip="Quit at once; everything is kept."
        ),
    ]

    def __init__(self, desk: Desk, graphics: Graphics) -> None:
        super().__init__(driver_class=ForgivingDriver)
        self.failure: Exception | None = None
        self.signum: int | None = None
        self._desk = desk
        self._graphics = graphics
        self._colours = ""

    def _build_driver(self, *arguments: Any, **options: Any) -> Driver:
        driver = super()._build_driver(*arguments, **options)
        if isinstance(driver, ForgivingDriver):
            driver.begin_with(self._graphics.typed, self._graphics.owing)
        return driver

    def on_mount(self) -> None:
        """Listen to signals, take keys and colours as they were set, and begin."""
        loop = asyncio.get_running_loop()
        for signum in _SIGNALS:
            loop.add_signal_handler(signum, self._signalled, signum)
        self.set_keymap(self._desk.config.keys)
        if self._desk.config.theme:
            self.theme = self._desk.config.theme
        self._colours = self.theme
        self.theme_changed_signal.subscribe(self, self._remember_theme)
        self._begin()

    def _begin(self) -> None:
        """Show what there is to show."""

    def _let_go(self) -> None:
        """End at once whatever would outlive the interface."""

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Name what went wrong with something that a key asked for."""
        if event.state is WorkerState.ERROR:
            self.say(unexpected(event.worker.error), "error")

    def _fatal_error(self) -> None:
        """End as with any failure, in one line; Textual would print a traceback with what is in memory."""
        self.failure = self.failure or self._exception
        self._close_messages_no_wait()

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """Show a line that is worth reading once."""
        self.notify(clean(text).text, severity=severity, markup=False)

    def on_notify(self, event: Notify) -> None:
        """Make room: notices lie over the pictures, so there are never many."""
        for notice in list(self._notifications)[: 1 - _MOST_NOTICES]:
            self._unnotify(notice, refresh=False)

    def action_help_quit(self) -> None:
        """Ctrl-C, where no screen has work to stop and no field has text to copy."""
        self.say(f"nothing is running; {key_of(self.screen, 'quit', 'Ctrl-Q')} quits")

    def action_help(self) -> None:
        """List what can be done on this screen."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(help_lines(self.screen)))

    def get_key_display(self, binding: Binding) -> str:
        """A key as it is written on keyboards."""
        shown = super().get_key_display(binding)
        return shown.upper() if _FUNCTION_KEY.fullmatch(shown) else shown

    async def action_quit(self) -> None:
        """Leave at once: the models are ended, not asked."""
        self._let_go()
        self.exit()

    def _remember_theme(self, theme: Theme) -> None:
        """Keep the colours for the next time."""
        if theme.name == self._colours:
            return
        self._colours = theme.name
        try:
            remember_theme(self._desk.config.paths.config / "pasta.toml", theme.name)
        except PastaError as error:
            self.say(told(error), "warning")

    def _signalled(self, signum: int) -> None:
        self.signum = signum
        self._let_go()
        self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Every action of the screen, and what Textual offers for the whole app."""
        # An action that has several keys is one command.
        actions = {active.binding.id: active for active in screen.active_bindings.values() if active.enabled}
        for name, active in actions.items():
            binding = active.binding
            if name and binding.tooltip:
                action = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip, action)
        yield SystemCommand(
            "Theme", "Change the colours; remembered for the next time.", self.action_change_theme
        )
        yield SystemCommand("Screenshot", "Save this screen as an SVG file.", self.deliver_screenshot)
