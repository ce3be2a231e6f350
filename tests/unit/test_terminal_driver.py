"""What wakes the thread that reads keys."""

from __future__ import annotations

import os
import select

import pytest

from pasta_tui.terminal.driver import _Bell


def test_a_bell_is_heard_until_it_is_cleared_and_leaves_no_file_open() -> None:
    bell = _Bell()
    files = (bell._ear, bell._rope)
    assert not select.select([bell], [], [], 0)[0]
    bell.set()
    bell.set()
    assert bell.is_set() and select.select([bell], [], [], 0)[0]
    bell.clear()
    assert not bell.is_set() and not select.select([bell], [], [], 0)[0]
    bell.close()
    for file in files:
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(file)
    taken = os.pipe()
    try:
        bell.close()
        bell.set()
        bell.clear()
        assert not select.select([taken[0]], [], [], 0)[0], "another's file of the same number is left alone"
    finally:
        for file in taken:
            os.close(file)
