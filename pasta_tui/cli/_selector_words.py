"""What tables call selectors, so that a line stays one, whatever the path of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from string import ascii_uppercase

from pasta_core.agent.selector_names import SelectorName
from pasta_core.errors import InvalidInput

__all__ = ["legend", "short_names"]


def short_names(selectors: Sequence[str], longest: int) -> dict[str, str]:
    """By the name in full: itself, or its kind and a letter where it has more than `longest` letters."""
    letters = iter(ascii_uppercase)
    return {
        name: name if len(name) <= longest else f"{_kind(name)[: longest - 2]} {next(letters, '+')}"
        for name in selectors
    }


def legend(names: Mapping[str, str]) -> Iterator[str]:
    """What the short names stand for, a line each."""
    for full, name in names.items():
        if name != full:
            yield f"{name}: {full}"


def _kind(selector: str) -> str:
    try:
        return SelectorName.parse(selector).kind
    except InvalidInput:
        # what only simulations know, such as greedy-belief:PATH
        return selector.partition(":")[0]
