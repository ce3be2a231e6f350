"""SIGKILL of a real session's front end and of its workers at random moments.

A handful of kills; `just kill` does fifty.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.killing import Line, in_order, random_moment, survive
from tests.support.micro_sessions import (
    LONGEST_DELAY,
    images_of,
    session_program,
    uninterrupted,
)

TURNS = 2


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    return uninterrupted(session_program(tmp_path_factory.mktemp("whole"), TURNS), TURNS)


@pytest.mark.parametrize("number", [2, 3], ids=["painter", "writer"])
def test_a_killed_session_ends_as_if_nothing_had_happened(
    tmp_path: Path, reference: list[Line], number: int
) -> None:
    """First the front end is killed, then a worker of its resume; the numbers meet both kinds of worker."""
    draw = random.Random(number)
    # not in the last two columns, after which the session may end before it is killed
    painted = images_of(TURNS) - 8
    moments = [random_moment(draw, painted, LONGEST_DELAY, worker) for worker in (False, True)]
    killed = survive(session_program(tmp_path, TURNS), in_order(moments), reference)
    assert killed == ["front end", "worker"]
