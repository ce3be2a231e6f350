"""`pasta sessions browse`: the interface, begun with past sessions instead of a prompt."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

from textual.screen import Screen

from pasta_core.errors import InvalidInput
from pasta_tui.app import PastaApp
from pasta_tui.fullscreen import play_full
from pasta_tui.plain.request import Request
from pasta_tui.screens.requests import StartRequest

__all__ = ["BrowseApp", "browse_full"]


class BrowseApp(PastaApp):
    """Shows past sessions first; once a session was played it is the interface that everybody knows."""

    _browsed = False

    def _start_screen(self) -> Screen[StartRequest | None]:
        if self._browsed:
            return super()._start_screen()
        self._browsed = True
        return self._browse_screen()


def browse_full(flags: Mapping[str, Any]) -> None:
    """Look through past sessions until the person leaves; `InvalidInput` without a terminal."""
    streams = (sys.stdin, sys.stdout, sys.stderr)
    terminal = all(stream is not None and stream.isatty() for stream in streams)
    if not terminal or os.environ.get("TERM", "") in ("", "dumb"):
        raise InvalidInput("looking through sessions needs a terminal", "'pasta sessions list' prints them")
    play_full(
        Request(
            prompt=None,
            resume=None,
            flags=flags,
            seed=None,
            blind=False,
            rater=None,
            as_json=False,
            out=None,
        ),
        BrowseApp,
    )
