"""`pasta evaluate agent --persons`: a closed loop over sessions with real models, killed and resumed."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

from tests.support.commands import PASTA, complaint, pasta
from tests.support.killing import await_deaths, descendants

SHORT = {"PASTA_TURNS": "1", "PASTA_IMAGES": "1"}


def command(out: Path, selectors: str) -> list[str]:
    return [
        *("evaluate", "agent", "--users", "planted:validation", "--selectors", selectors),
        *("--persons", "2", "--sessions", "2", "--drift", "2", "--at-once", "1", "--seed", "3"),
        *("--out", str(out)),
    ]


def kept(out: Path) -> dict[str, bytes]:
    """Every file that says what happened; plan.json also says by which versions."""
    return {str(file.relative_to(out)): file.read_bytes() for file in sorted(out.rglob("person-*.json"))}


def test_persons_are_followed_and_a_killed_evaluation_goes_on_to_the_same(tmp_path: Path) -> None:
    asked = command(tmp_path / "whole", "random,taste+value")
    whole = pasta(*asked, "--json", "--plot", str(tmp_path / "figures"), env=SHORT)
    assert whole.returncode == 0, whole.stderr
    told = json.loads(whole.stdout)
    random, both = told["results"]
    assert (random["selector"], both["selector"]) == ("random", "taste+value")
    assert (told["persons"], told["sessions"], told["drift"], random["n"]) == (2, 2, 2, 4)
    assert random["foreseen"] is None and both["foreseen"]["log_likelihood"] < 0
    assert len(both["sessions"]) == 2 and both["against"]["random"]["difference"] is not None
    assert all(Path(figure).is_file() for figure in told["figures"]) and len(told["figures"]) == 4
    assert {bar["bar"]: bar["met"] for bar in told["bars"]} == {"turn": None, "regained": None}
    files = kept(tmp_path / "whole")
    assert len(files) == 4
    users = [[s["user"] for s in json.loads(data)["sessions"]] for data in files.values()]
    assert users[:2] == users[2:], "the same persons under every selector"
    assert all(first.split(":")[1] != second.split(":")[1] for first, second in users), "tastes changed"

    # the selector that a taste goes along with is the one that has something to lose
    learned = {name: data for name, data in files.items() if name.startswith("persons-taste")}
    again = tmp_path / "again"
    process = subprocess.Popen(
        [*PASTA, *command(again, "taste+value")],
        env={**os.environ, **SHORT},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 500
    while not kept(again) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.05)
    family = descendants(process.pid)
    process.kill()
    process.wait()
    await_deaths(family)
    some = kept(again)
    assert len(some) == 1 and len(learned) == 2
    resumed = pasta(*command(again, "taste+value"), env=SHORT)
    assert resumed.returncode == 0, resumed.stderr
    assert kept(again) == learned
    assert "2 persons x 2 sessions (a first look" in resumed.stdout
    assert "to simulate: 1 selector x 1 person x 2 sessions" in resumed.stderr
    assert "note: no gap is told without random and oracle: add them to --selectors" in resumed.stderr


def test_what_cannot_be_followed_is_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "kept")
    for typed, said, code in (
        (("--drift", "1"), "cannot change at session 1", 2),
        (("--drift", "3", "--sessions", "2"), "cannot change at session 3", 2),
        (("--half-life", "long"), "a half-life of 'long'", 2),
        (("--selectors", "taste+value:/nowhere"), "no value model in", 3),
    ):
        refused = pasta("evaluate", "agent", "--persons", "2", *typed, "--out", out)
        assert said in complaint(refused, code)
    assert not Path(out).exists()
