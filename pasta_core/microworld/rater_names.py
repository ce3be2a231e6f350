"""Which planted raters there are, by name alone: a misspelled one is refused before any model is loaded."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.typed_toml import nearest

__all__ = ["check_rater", "choices", "rater_names"]


def rater_names(assets: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The archetypes that have numbers, in their order, and those kept out of all training."""
    path = assets / "micro" / "raters.toml"
    try:
        archetypes = tomllib.loads(path.read_text(encoding="utf-8"))["archetypes"]
    except (OSError, KeyError, ValueError) as error:
        raise ModelUnavailable(f"the raters' file {path} is missing or damaged", "reinstall pasta") from error
    unseen = tuple(name for name, table in archetypes.items() if table.get("unseen", False))
    return tuple(name for name in archetypes if name not in unseen), unseen


def check_rater(spec: str, assets: Path) -> None:
    """Refuse what is not `planted:TYPE[:INDIVIDUAL]` of a known type with `InvalidInput`."""
    kind, *rest = spec.split(":")
    if kind != "planted" or len(rest) not in (1, 2) or (len(rest) == 2 and not rest[1].isdecimal()):
        raise InvalidInput(
            f'there is no rater "{spec}"', "write planted:TYPE or planted:TYPE:INDIVIDUAL (planted:0:7)"
        )
    seen, unseen = rater_names(assets)
    name = rest[0].lower()
    if name in (*seen, *unseen) or (name.isdecimal() and int(name) < len(seen)):
        return
    near = nearest(name, (*seen, *unseen))
    hint = f'did you mean "{near}"?' if near else choices(seen, unseen)
    raise InvalidInput(f'there is no planted rater "{rest[0]}"', hint)


def choices(seen: Sequence[str], unseen: Sequence[str]) -> str:
    """What a planted rater can be called: those kept out of all training have no numbers."""
    names_only = f"; {' and '.join(unseen)} go by their names only" if unseen else ""
    return f"choose 0 to {len(seen) - 1} ({', '.join(seen)}){names_only}"
