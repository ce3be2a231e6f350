"""Progress of long jobs: rate and time left count from where this run began."""

from __future__ import annotations

from io import StringIO

from pasta_tui.console.output import Output
from pasta_tui.console.pace import Pace


def test_lines_come_now_and_then_with_rate_and_time_left() -> None:
    said, now = StringIO(), 100.0
    pace = Pace(Output({}, stdout=StringIO(), stderr=said), "trajectories", lambda: now)
    pace.report(40, 100)
    for done in range(41, 101):
        now += 2.0
        pace.report(done, 100)
    lines = said.getvalue().splitlines()
    assert lines[0] == "40/100 trajectories"
    assert lines[1] == "45/100 trajectories  0.50/s  1:50 left"
    assert lines[-1] == "100/100 trajectories  0.50/s  0:00 left"
    assert len(lines) == 1 + 60 * 2 // 10


def test_fast_and_very_long_jobs_read_well() -> None:
    said, now = StringIO(), 0.0
    pace = Pace(Output({}, stdout=StringIO(), stderr=said), "images", lambda: now)
    pace.report(0, 10**6)
    now = 10.0
    pace.report(250, 10**6)
    assert said.getvalue().splitlines()[1] == "250/1000000 images  25/s  11:06:30 left"
