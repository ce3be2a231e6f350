"""The whole chain with real models at the smallest sizes, killed on the way, to the same report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.commands import complaint, pasta
from tests.support.killing import await_deaths
from tests.support.tiny_reproduction import TINY, reproduced


def _files(folder: Path) -> Mapping[str, bytes]:
    """The report with everything it shows."""
    whole = [folder / "report.md", folder / "report.json", *sorted((folder / "figures").iterdir())]
    return {path.name: path.read_bytes() for path in whole}


def _killed(out: Path, moment: str) -> str:
    """Run the chain in a process that kills itself at `moment`; returns what it said until then."""
    command = [sys.executable, "-m", "tests.support.tiny_reproduction", str(out), moment]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stdout[-2000:]
    said, _, family = done.stdout.rstrip().rpartition("\n")
    await_deaths(json.loads(family))
    return said


def test_a_killed_reproduction_ends_at_the_same_report_and_does_nothing_twice(tmp_path: Path) -> None:
    from pasta_core.reproduction.steps import Told

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    done = reproduced(whole, lambda told: None)
    report = done.report.read_text()
    for heading in ("Fig. 3", "Fig. 4", "Table F.1", "Fig. 5", "Fig. 6", "Sparse reward", "Dense reward"):
        assert heading in report, heading
    assert "claims nothing" in report and "n = 2 paired" in report
    document = json.loads((whole / "report.json").read_text())
    numbers = document["steps"]
    sparse = {row["selector"]: row for row in numbers["table"]["sparse"]}
    assert list(sparse) == ["random", "human", "mixed"]
    for name, row in sparse.items():
        low, high = row["ci95"]
        assert f"| {name} | {row['mean']:.2f} [{low:.2f}, {high:.2f}] |" in report
        assert row["n"] == 2
    assert numbers["labels"] == {"sessions": 2, "with_rewards": 2}
    assert numbers["people-evaluation"]["results"][0]["selector"] == "writer"
    assert len(numbers["ideas"]["ideas"]["hope"]["types"]) == TINY.types_shown

    assert len(list((whole / "rollouts").iterdir())) == 5 + 4, "the agents of Table F.1, and those of Fig. 5"
    assert f"torch {document['made_with']['torch']}" in report and "Later parts" not in report

    said = _killed(killed, "step labels done")
    assert "step value" not in said
    said = _killed(killed, "steps 1/2")
    assert "step labels before" in said and "step ratings-hpd before" in said, "it was between two steps"
    assert said.splitlines()[-2] == "step value-human-sparse begins", "it was within a step"
    assert not (killed / "report.md").exists()
    before: dict[str, bool] = {}

    def tell(told: Told) -> None:
        if told.done is not None:
            before[told.step.name] = told.done.before

    reproduced(killed, tell)
    assert before["labels"] and not before["value-human-sparse"]
    assert _files(killed) == _files(whole)


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert "is not an empty folder" in complaint(pasta("reproduce", "--quick", "--out", str(tmp_path)), 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt"]
