"""What can be asked for: a format, a number of raters, a population. Nothing is loaded to refuse an order."""

from __future__ import annotations

from dataclasses import dataclass

from pasta_core.errors import InvalidInput

__all__ = ["FORMATS", "POPULATIONS", "Order", "check_population"]

FORMATS = ("pickapic", "hpd", "sac", "pasta")

POPULATIONS = ("archetypes", "unseen", "continuous")
"""The eight archetypes, the two that training never meets, or a taste of one's own between all eight."""


def check_population(kind: str) -> None:
    """Refuse an unknown population with `InvalidInput`."""
    if kind not in POPULATIONS:
        raise InvalidInput(f"there is no population {kind!r}", f"choose one of {', '.join(POPULATIONS)}")


@dataclass(frozen=True)
class Order:
    """What is asked for: `labels` are per rater (pasta: one session each), `images` of the training pool."""

    format: str
    raters: int
    seed: int = 0
    test_raters: int | None = None
    labels: int = 25
    images: int | None = None
    population: str = "archetypes"

    def __post_init__(self) -> None:
        if self.format not in FORMATS:
            raise InvalidInput(f"there is no format {self.format!r}", f"choose one of {', '.join(FORMATS)}")
        check_population(self.population)
        for name, value in (("raters", self.raters), ("labels", self.labels)):
            if value < 1:
                raise InvalidInput(f"{name} is {value}", "choose 1 or more")
