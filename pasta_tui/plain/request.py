"""What was typed for a session, and the checks that need neither the store nor a model."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pasta_core.agent.selectors import RandomSelector, SelectorName, ValueSelector
from pasta_core.agent.value_model_document import foreign_note, require_value_model
from pasta_core.configuration import Configuration
from pasta_core.errors import InvalidInput
from pasta_core.microworld.rater_names import check_rater
from pasta_core.sessions.records import PERSON, NewSession, SessionInfo
from pasta_core.sessions.taste import settled_taste
from pasta_core.study.questions import initial_words
from pasta_core.text import clean_prompt
from pasta_core.users.taste_shelf import TasteShelf
from pasta_tui.console.seeds import checked_seed
from pasta_tui.terminal.capabilities import can_answer

__all__ = [
    "Request",
    "check_request",
    "new_session",
    "refuse_contradictions",
    "selector_note",
    "settled_selector",
    "wants_screen",
]


@dataclass(frozen=True)
class Request:
    """What was typed; None was not."""

    prompt: str | None = None
    resume: str | None = None
    flags: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    blind: bool = False
    rater: str | None = None
    as_json: bool = False
    out: Path | None = None
    study: bool = False
    no_taste: bool = False

    @property
    def user(self) -> str:
        """Who chooses, as the store names it."""
        return self.rater or PERSON


def wants_screen(request: Request, plain: bool, env: Mapping[str, str]) -> bool:
    """Whether the full screen is asked for; `InvalidInput` where it is and there is no terminal for it.

    A terminal that cannot move its cursor gets plain lines, and so does a session that is taken up without a
    terminal, as it may be a rater's.
    """
    if plain or request.as_json or request.rater is not None or env.get("TERM", "") in ("", "dumb"):
        return False
    if all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout, sys.stderr)):
        return True
    if request.resume is not None or not can_answer():
        return False
    raise InvalidInput(
        "the full screen needs a terminal on stdin, stdout and stderr", "'--plain' asks in plain lines"
    )


def check_request(request: Request, config: Configuration) -> None:
    """Refuse a request for a new session that cannot be met, as soon as it is typed."""
    settled_selector(config, request.study, request.no_taste)
    checked_seed(request.seed)
    if request.prompt is not None:
        clean_prompt(request.prompt, initial_words(config.session.max_words, request.study))
    if request.rater is not None:
        check_rater(request.rater, config.paths.assets)
    elif not can_answer():
        raise InvalidInput(
            "choosing needs a terminal on stdin", "'--rater planted:0' lets a planted rater choose"
        )
    if request.prompt is None and not can_answer():
        raise InvalidInput(
            "there is no prompt, and no terminal to ask for one",
            'say what you want to see: pasta session "a red train"',
        )


def new_session(request: Request, config: Configuration, prompt: str) -> NewSession:
    """What a session with this prompt is made of; `InvalidInput` for an empty or too long one."""
    clean_prompt(prompt, initial_words(config.session.max_words, request.study))
    return NewSession(
        prompt=prompt,
        seed=checked_seed(request.seed),
        profile=config.profile.name,
        selector=settled_selector(config, request.study, request.no_taste),
        user=request.user,
        blind=request.blind or request.study,
        settings=config.session,
        study=request.study,
        taste=settled_taste(TasteShelf(config.paths.data), not request.no_taste, request.user),
    )


def settled_selector(config: Configuration, study: bool = False, no_taste: bool = False) -> str:
    """The selector by a name that means the same from any directory; `InvalidInput` where it is none.

    Studies are of a baseline (§4.1) where nobody says otherwise: what is learnt from them must not have
    chosen what they show. Who wants no taste gets the best selector without one. With a worker elsewhere a
    value model's path is its machine's, and is left as it was typed.
    """
    said = config.selector
    if "selector" not in config.sources and (study or no_taste):
        plain = study or config.profile.value_model is None
        said = RandomSelector.name if plain else ValueSelector.name
    name = SelectorName.parse(said)
    if config.worker or not name.valued:
        return str(name.settled())
    if not name.model:
        if config.profile.value_model is None:
            raise InvalidInput(
                f"profile {config.profile.name} has no value model", "name one: --selector value:PATH"
            )
        return str(name.settled())
    folder = Path(name.model).expanduser().absolute()
    require_value_model(folder, config.profile)
    return str(replace(name.settled(), model=str(folder)))


def selector_note(config: Configuration, new: NewSession) -> str:
    """What to say of who chooses; "" mostly.

    That is where nobody asked for a selector and the profile has no trained one, or where it has one that was
    trained for another profile.
    """
    name = SelectorName.parse(new.selector)
    if name.valued and not name.model:
        return foreign_note(config.profile)
    if config.profile.value_model is not None or "selector" in config.sources or new.study:
        return ""
    chosen = "your picks alone say what is shown"
    if not name.learns:
        chosen = "what is shown is drawn at random until one is trained (pasta train-value-model)"
    return f"profile {config.profile.name} has no value model: {chosen}"


def refuse_contradictions(request: Request, info: SessionInfo) -> None:
    """A resumed session goes on as it was begun: refuse what says otherwise."""
    made_of = info.made_of
    stored = {
        "profile": made_of.profile,
        "selector": _settled(made_of.selector),
        "turns": made_of.settings.turns,
        "columns": made_of.settings.columns,
        "images": made_of.settings.images,
        "seed": made_of.seed,
        "rater": made_of.user,
    }
    typed = {**request.flags, "seed": request.seed, "rater": request.rater}
    if typed.get("selector") is not None:
        typed["selector"] = _settled(typed["selector"])
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
    if request.no_taste and made_of.taste is not None:
        raise InvalidInput(
            f"session {info.id} was begun with the taste {made_of.taste}",
            f"leave --no-taste out; 'pasta taste forget --session {info.id}' takes it out",
        )
    if request.study and not made_of.study:
        raise InvalidInput(f"session {info.id} was not begun as a study", "leave --study out")
    unfinished = info.turns_chosen < made_of.settings.turns or info.waits_for_rating
    if made_of.user == PERSON and not can_answer() and unfinished:
        raise InvalidInput(f"session {info.id} needs a terminal on stdin", "resume it in a terminal")


def _settled(selector: str) -> str:
    """The name that a selector is stored by; `InvalidInput` where it is none."""
    return str(SelectorName.parse(selector).settled())
