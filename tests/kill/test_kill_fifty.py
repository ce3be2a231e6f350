"""Fifty kills of real sessions at random moments, front ends and workers in turn; run by `just kill`."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

from tests.support.killing import random_moment, survive
from tests.support.micro_sessions import LONGEST_DELAY, images_of, session_program, uninterrupted

TURNS = 3
KILLS = 50
KILLS_PER_SESSION = 2
"""The second one meets the resume of the first."""


def test_fifty_kills(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    reference = uninterrupted(session_program(whole, TURNS), TURNS)
    killed, number = Counter[str](), 0
    while killed.total() < KILLS:
        draw = random.Random(f"session {number}")
        moments = [
            random_moment(draw, images_of(TURNS), LONGEST_DELAY, worker=(number + kill) % 2 == 1)
            for kill in range(KILLS_PER_SESSION)
        ]
        data = tmp_path / f"session-{number}"
        killed.update(survive(session_program(data, TURNS), moments, reference))
        shutil.rmtree(data)
        number += 1
        print(f"{number} sessions, {dict(killed)} killed, each ended in the same images")
