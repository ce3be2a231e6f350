"""What was typed for a session, and the checks that need neither the store nor a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.agent.selectors import make_selector
from pasta_core.configuration import Configuration
from pasta_core.errors import InvalidInput
from pasta_core.microworld.rater_names import check_rater
from pasta_core.sessions.records import PERSON, NewSession, SessionInfo
from pasta_core.text import clean_prompt
from pasta_tui.cli._output import Output
from pasta_tui.cli._seeds import checked_seed
from pasta_tui.terminal.capabilities import can_answer

__all__ = ["Request", "new_session", "refuse_contradictions"]

_FIXED = ("profile", "selector", "turns", "columns", "images")


@dataclass(frozen=True)
class Request:
    """What was typed; None was not."""

    prompt: str | None
    resume: str | None
    flags: Mapping[str, Any]
    seed: int | None
    blind: bool
    rater: str | None
    as_json: bool
    out: Path | None

    @property
    def user(self) -> str:
        """Who chooses, as the store names it."""
        return self.rater or PERSON


def new_session(request: Request, config: Configuration, out: Output) -> NewSession:
    """What the session is made of; asks for a prompt where a terminal is there to ask."""
    make_selector(config.selector)
    if request.prompt is not None:
        clean_prompt(request.prompt, config.session.max_words)
    if request.rater is not None:
        check_rater(request.rater, config.paths.assets)
    elif not can_answer():
        raise InvalidInput(
            "choosing needs a terminal on stdin", "'--rater planted:0' lets a planted rater choose"
        )
    prompt = request.prompt if request.prompt is not None else _asked_prompt(out)
    clean_prompt(prompt, config.session.max_words)
    return NewSession(
        prompt=prompt,
        seed=checked_seed(request.seed),
        profile=config.profile.name,
        selector=config.selector,
        user=request.user,
        blind=request.blind,
        settings=config.session,
    )


def refuse_contradictions(request: Request, info: SessionInfo) -> None:
    """A resumed session goes on as it was begun: refuse what says otherwise."""
    made_of = info.made_of
    stored = {
        "profile": made_of.profile,
        "selector": made_of.selector,
        "turns": made_of.settings.turns,
        "columns": made_of.settings.columns,
        "images": made_of.settings.images,
        "seed": made_of.seed,
        "rater": made_of.user,
    }
    typed = {**request.flags, "seed": request.seed, "rater": request.rater}
    for name, value in stored.items():
        if typed.get(name) not in (None, value):
            raise InvalidInput(
                f"session {info.id} was begun with {name} {value}, not {typed[name]}",
                f"leave --{name} out, or begin a new session",
            )
    if request.prompt is not None and request.prompt.split() != made_of.prompt.split():
        raise InvalidInput(
            f"session {info.id} has its own prompt", "leave the prompt out, or begin a new session"
        )
    if made_of.user == PERSON and not can_answer() and info.turns_chosen < made_of.settings.turns:
        raise InvalidInput(f"session {info.id} needs a terminal on stdin", "resume it in a terminal")


def _asked_prompt(out: Output) -> str:
    hint = 'say what you want to see: pasta session "a red train"'
    if not can_answer():
        raise InvalidInput("there is no prompt, and no terminal to ask for one", hint)
    out.ask("What do you want to see? ")
    line = sys.stdin.readline()
    if not line:
        out.show([""])
        raise InvalidInput("no prompt was given", hint)
    return line
