"""Fifty kills of sessions on the shipped models, front ends and workers; run by `just kill`."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

from tests.support.killing import in_order, random_moment, survive
from tests.support.micro_sessions import (
    LONGEST_DELAY,
    images_of,
    session_program,
    uninterrupted,
)

TURNS = 3
KILLS = 50
WHOM = (False, True)
"""In each session first the front end is killed, then a worker of its resume."""


def test_fifty_kills(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    reference = uninterrupted(session_program(whole, TURNS), TURNS)
    killed, number = Counter[str](), 0
    while killed.total() < KILLS:
        draw = random.Random(f"session {number}")
        moments = [random_moment(draw, images_of(TURNS), LONGEST_DELAY, worker) for worker in WHOM]
        data = tmp_path / f"session-{number}"
        killed.update(survive(session_program(data, TURNS), in_order(moments), reference))
        shutil.rmtree(data)
        number += 1
        print(f"{number} sessions, {dict(killed)} killed, each ended in the same images")
