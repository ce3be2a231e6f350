"""`pasta session` on a whole terminal: checks, the interface, and what is left on the terminal after it."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from pasta_core.configuration import configure
from pasta_tui.app import PastaApp
from pasta_tui.cli._errors import Stopped
from pasta_tui.cli._output import Output
from pasta_tui.desk import Desk
from pasta_tui.plain.files import copy_final, usable_directory
from pasta_tui.plain.request import Request, check_request
from pasta_tui.preferences import binding_names, check_keys, check_theme
from pasta_tui.terminal.graphics import find_graphics

__all__ = ["known_keys", "play_full"]


def play_full(request: Request, interface: type[PastaApp] = PastaApp) -> None:
    """Run the interface until the person leaves it; raises what its exit code tells."""
    config = configure(request.flags, os.environ, Path.cwd())
    if request.resume is None:
        check_request(request, config)
    if request.out is not None:
        usable_directory(request.out)
    if config.keys:
        check_keys(config.keys, known_keys())
    graphics = find_graphics(config.graphics, os.environ, sys.stdin, sys.stdout)
    app = interface(Desk(request, config, os.environ, Path.cwd()), graphics)
    check_theme(config.theme, app.available_themes)
    app.run()
    # On its way out the interpreter would look through all there is, which takes longer than leaving may.
    gc.freeze()
    _farewell(app, request, Output(os.environ))


def known_keys() -> list[str]:
    """The names of everything that keys can be set for."""
    from pasta_tui.screens.browse import BrowseScreen, SessionList
    from pasta_tui.screens.end import EndScreen
    from pasta_tui.screens.help import HelpScreen
    from pasta_tui.screens.start import StartScreen
    from pasta_tui.screens.study import StudyScreen, StudyStartScreen
    from pasta_tui.screens.study_questions import EvaluationScreen
    from pasta_tui.screens.turn import TurnScreen
    from pasta_tui.screens.walk import WalkScreen
    from pasta_tui.screens.zoom import ZoomScreen
    from pasta_tui.studying import StudyApp

    played = (PastaApp, StartScreen, TurnScreen, ZoomScreen, HelpScreen, EndScreen)
    study = (StudyApp, StudyScreen, StudyStartScreen, EvaluationScreen)
    return binding_names((*played, *study, BrowseScreen, SessionList, WalkScreen))


def _farewell(app: PastaApp, request: Request, out: Output) -> None:
    """Say where finished images lie and how to go on with what is not finished, then how it ended."""
    for event in app.finished:
        copies = [] if request.out is None else copy_final(event, usable_directory(request.out))
        for path in copies or event.paths:
            out.data(str(path))
        out.message(
            f"session {event.session} is finished; see it again with: pasta sessions show {event.session}"
        )
    if app.opened is not None:
        out.message(f"what was finished is kept; go on with: {app.opened.go_on}")
    if app.signum is not None:
        raise Stopped(app.signum)
    if app.failure is not None:
        raise app.failure
