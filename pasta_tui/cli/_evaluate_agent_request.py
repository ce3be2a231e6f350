"""What is typed to measure agents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.errors import InvalidInput

__all__ = ["SESSIONS", "Request", "ReturningPersons"]

TRAJECTORIES = 1000
"""Trajectories of each selector, if nobody says otherwise."""
SESSIONS = 10
"""Sessions of each person, if nobody says otherwise."""


@dataclass(frozen=True)
class ReturningPersons:
    """What was typed for persons who come back; without `persons` every trajectory has a user of its own."""

    persons: int | None
    sessions: int | None
    drift: int | None
    half_life: str | None
    plot: Path | None

    def check(self, trajectories: int | None) -> None:
        """Refuse (`InvalidInput`) what would say nothing beside the rest."""
        if self.persons is not None:
            if trajectories is not None:
                raise InvalidInput("--trajectories says nothing with --persons", "write --sessions S instead")
            return
        alone = {
            "--sessions": self.sessions,
            "--drift": self.drift,
            "--half-life": self.half_life,
            "--plot": self.plot,
        }
        for option, value in alone.items():
            if value is not None:
                raise InvalidInput(f"{option} is for persons who come back", "say how many: --persons P")


@dataclass(frozen=True)
class Request:
    """What was typed."""

    selectors: str
    users: str
    trajectories: int | None
    reward: str
    prompts: Path | None
    out: Path | None
    seed: int
    at_once: int | None
    flags: Mapping[str, Any]
    as_json: bool
    following: ReturningPersons

    @property
    def paired(self) -> int:
        """How many trajectories each selector has, where nobody comes back."""
        return TRAJECTORIES if self.trajectories is None else self.trajectories
