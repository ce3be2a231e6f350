"""`pasta microworld ratings` with the shipped models: killed, run again, and read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from tests.support.commands import PASTA, complaint, pasta

ORDER = ("microworld", "ratings", "--format", "sac", "--raters", "1", "--labels", "4", "--images", "8")


def test_a_killed_run_goes_on_and_is_read_back(tmp_path: Path) -> None:
    out, work = tmp_path / "sac", tmp_path / "work"
    places = ("--out", str(out), "--work", str(work))
    killed = subprocess.Popen(
        [*PASTA, *ORDER, *places],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    give_up = time.monotonic() + 300
    while not (kept := sorted(work.rglob("*.npy"))) and time.monotonic() < give_up:
        assert killed.poll() is None
        time.sleep(0.05)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    painted = {path: path.stat().st_mtime_ns for path in kept}
    assert painted and not (out / "truth.json").exists()

    run = pasta(*ORDER, *places, "--json")
    assert run.returncode == 0, run.stderr
    document = json.loads(run.stdout)
    assert len(document.pop("raters_sha256")) == 64
    assert document == {
        "source": f"sac:{out}",
        "raters": {"train": 1, "validation": 1, "test": 1},
        "truth": str(out / "truth.json"),
    }
    assert {path: path.stat().st_mtime_ns for path in kept} == painted
    checked = pasta("data", "check", document["source"], "--json")
    report = json.loads(checked.stdout)
    assert report["labels"]["ratings"] + report["skipped"].get("no rating", 0) == 3 * 4
    assert report["opened"] == report["images"] > 0 and report["unreadable"] == 0
    assert report["raters"] == 3


def test_wrong_orders_are_refused_before_anything_starts(tmp_path: Path) -> None:
    base = ("microworld", "ratings", "--out", str(tmp_path))
    assert "format" in complaint(pasta(*base, "--format", "csv"), 2)
    assert "raters" in complaint(pasta(*base, "--format", "hpd", "--raters", "0"), 2)
    assert "population" in complaint(pasta(*base, "--format", "hpd", "--population", "all"), 2)
