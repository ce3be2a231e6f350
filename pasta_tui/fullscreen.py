"""`pasta session` on a whole terminal: checks, the interface, and what is left on the terminal after it."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from pasta_core.configuration import Configuration, configure
from pasta_core.errors import PastaError
from pasta_core.text import told
from pasta_core.worker.launch import Launched
from pasta_tui.console.connect import worker_for
from pasta_tui.console.errors import Stopped
from pasta_tui.console.output import Output
from pasta_tui.plain.files import usable_directory
from pasta_tui.plain.request import Request, check_request

if TYPE_CHECKING:
    from pasta_tui.app import PastaApp

__all__ = ["known_keys", "play_full"]


def play_full(request: Request, interface: type[PastaApp] | None = None) -> None:
    """Run the interface until the person leaves it; raises what its exit code tells.

    It is `PastaApp` or, for a study, `StudyApp`, unless `interface` is given.
    """
    config = configure(request.flags, os.environ, Path.cwd())
    if request.resume is None:
        check_request(request, config)
    if request.out is not None:
        usable_directory(request.out)
    with _launched(request, config) as launched:
        app = _play(request, config, interface, launched)
    # On its way out the interpreter would look through all there is, which takes longer than leaving may.
    gc.freeze()
    _farewell(app, Output(os.environ))


@contextmanager
def _launched(request: Request, config: Configuration) -> Iterator[Launched | None]:
    """Start the worker of what was asked for: its models take longer to load than all that is imported here.

    What cannot be started is told when the session begins.
    """
    launched = None
    if request.prompt is not None:
        with suppress(PastaError):
            launched = worker_for(config, config.profile, lambda text: None).launch()
    try:
        yield launched
    finally:
        if launched is not None and not launched.taken:
            launched.kill()


def _play(
    request: Request,
    config: Configuration,
    interface: type[PastaApp] | None,
    launched: Launched | None,
) -> PastaApp:
    # What an import makes is there for good: looking through it for cycles, now and later, is time lost.
    gc.disable()
    from pasta_tui.app import PastaApp
    from pasta_tui.desk import Desk
    from pasta_tui.preferences import check_keys, check_theme
    from pasta_tui.terminal.graphics import find_graphics

    gc.freeze()
    gc.enable()
    if config.keys:
        check_keys(config.keys, known_keys())
    graphics = find_graphics(config.graphics, os.environ, sys.stdin, sys.stdout)
    if interface is None:
        interface = _study() if request.study else PastaApp
    app = interface(Desk(request, config, os.environ, Path.cwd(), launched=launched), graphics)
    check_theme(config.theme, app.available_themes)
    app.run()
    return app


def _study() -> type[PastaApp]:
    from pasta_tui.studying import StudyApp

    return StudyApp


def known_keys() -> list[str]:
    """The names of everything that keys can be set for."""
    from textual.dom import DOMNode

    from pasta_tui import screens
    from pasta_tui.app import PastaApp
    from pasta_tui.preferences import binding_names
    from pasta_tui.studying import StudyApp

    modules = [import_module(f"{screens.__name__}.{it.name}") for it in iter_modules(screens.__path__)]
    found = [it for module in modules for it in vars(module).values() if isinstance(it, type)]
    return binding_names((PastaApp, StudyApp, *(it for it in found if issubclass(it, DOMNode))))


def _farewell(app: PastaApp, out: Output) -> None:
    """Say where finished images lie and how to go on with what is not finished, then how it ended."""
    for event in app.finished:
        for path in event.paths:
            out.data(str(path))
        out.message(
            f"session {event.session} is finished; see it again with: pasta sessions show {event.session}"
        )
    if app.opened is not None:
        out.message(f"what was finished is kept; go on with: {app.opened.go_on}")
    if app.signum is not None:
        raise Stopped(app.signum)
    ends = app.failure or (app.troubles[-1] if app.troubles else None)
    for trouble in app.troubles:
        if trouble is not ends:
            out.message(told(trouble))
    if ends is not None:
        raise ends
