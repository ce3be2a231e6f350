"""SIGKILL of the process that writes the store: what it told is kept, and the end is the same."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from tests.support.killing import (
    Line,
    Program,
    check_files,
    comparable,
    count_images,
    random_moment,
    run,
    survive,
)

IMAGES = 2 + 3 * 3 * 2


FUSSY = 2 + 6 * 6 + 4 * 2


def headless(data: Path, *options: str) -> Program:
    begin = [sys.executable, "-m", "tests.support.headless", str(data), *options]
    return Program(begin, [*begin, "--resume", "last"], data)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    program = headless(tmp_path_factory.mktemp("whole"))
    done = run(program, program.begin)
    assert done.code == 0, done.log
    assert [line["event"] for line in done.lines] == ["turn"] * 3 + ["final"]
    check_files(done.lines)
    return comparable(done.lines)


@pytest.mark.parametrize("number", range(4))
def test_a_killed_session_ends_as_if_nothing_had_happened(
    tmp_path: Path, reference: list[Line], number: int
) -> None:
    draw = random.Random(number)
    moments = [random_moment(draw, IMAGES, longest_delay=0.02) for _ in range(3)]
    killed = survive(headless(tmp_path), moments, reference)
    assert killed, "no moment came before the end"


@pytest.fixture(scope="module")
def fussy(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    program = headless(tmp_path_factory.mktemp("fussy"), "--fussy")
    done = run(program, program.begin)
    assert done.code == 0, done.log
    refused = ["refused", "turn", "refused", "refused", "turn", "turn", "final"]
    assert [line["event"] for line in done.lines] == refused
    assert all(line["swaps"] for line in done.lines[2:4])
    check_files(done.lines)
    assert count_images(program.data) == FUSSY
    return comparable(done.lines)


@pytest.mark.parametrize("number", range(4))
def test_a_session_that_is_killed_around_refusals_and_swaps_redoes_none(
    tmp_path: Path, fussy: list[Line], number: int
) -> None:
    draw = random.Random(100 + number)
    moments = [random_moment(draw, FUSSY, longest_delay=0.02) for _ in range(3)]
    program = headless(tmp_path, "--fussy")
    killed = survive(program, moments, fussy)
    assert killed, "no moment came before the end"
    assert count_images(program.data) == FUSSY, "nothing was painted that the whole session does not show"
