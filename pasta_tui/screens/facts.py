"""What the start screen tells of the profiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.models import require_models
from pasta_core.profiles import known_profiles
from pasta_core.text import told
from pasta_core.vocabulary import load_vocabulary
from pasta_tui.screens.start import StartFacts

__all__ = ["start_facts"]


def start_facts(flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> tuple[StartFacts, ...]:
    """Every profile, the one in use first; one that cannot be used says why.

    Opens no model file beyond its header. Raises `InvalidInput` where the settings themselves are wrong.
    """
    config = configure(flags, env, cwd)
    others = [name for name in sorted(known_profiles(config.paths)) if name != config.profile.name]
    return (_facts(config), *(_other(name, flags, env, cwd) for name in others))


def _other(name: str, flags: Mapping[str, Any], env: Mapping[str, str], cwd: Path) -> StartFacts:
    try:
        return _facts(configure({**flags, "profile": name}, env, cwd))
    except PastaError as error:
        return StartFacts(name, "", 1, problem=told(error))


def _facts(config: Configuration) -> StartFacts:
    profile = config.profile
    facts = StartFacts(
        profile=profile.name,
        description=profile.description,
        max_words=config.session.max_words,
        examples=profile.examples,
        needs=profile.needs,
        vocabulary=load_vocabulary(profile.vocabulary),
    )
    try:
        if not config.worker:
            require_models(profile)
    except ModelUnavailable as error:
        return replace(facts, problem=told(error))
    return facts
