"""`pasta evaluate agent` refuses options that would say nothing beside the others, and starts nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pasta_core.errors import InvalidInput
from pasta_tui.cli._evaluate_agent import evaluate_agent
from pasta_tui.cli._evaluate_agent_request import Request, ReturningPersons

ALONE: dict[str, Any] = dict.fromkeys(("persons", "sessions", "drift", "half_life", "plot"))


def ask(trajectories: int | None = None, **typed: object) -> None:
    evaluate_agent(
        Request(
            selectors="random",
            users="planted:test",
            trajectories=trajectories,
            reward="sparse",
            prompts=None,
            out=None,
            seed=0,
            at_once=None,
            flags={},
            as_json=True,
            following=ReturningPersons(**(ALONE | typed)),
        )
    )


@pytest.mark.parametrize(
    "typed", [{"sessions": 3}, {"drift": 2}, {"half_life": "never"}, {"plot": Path("figures")}]
)
def test_what_is_of_persons_needs_persons(typed: dict[str, Any]) -> None:
    (name,) = typed
    with pytest.raises(InvalidInput, match=f"--{name.replace('_', '-')} is for persons") as refused:
        ask(**typed)
    assert "--persons P" in str(refused.value.hint)


def test_trajectories_are_not_counted_where_persons_come_back() -> None:
    with pytest.raises(InvalidInput, match="--trajectories says nothing"):
        ask(trajectories=300, persons=2)
