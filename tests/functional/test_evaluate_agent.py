"""`pasta evaluate agent` as a person runs it: real models, planted raters, kept trajectories."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support.commands import complaint, pasta
from tests.support.paid_trajectories import write_base

SHORT = {"PASTA_TURNS": "2", "PASTA_IMAGES": "1"}


def test_selectors_are_compared_on_the_same_users_and_kept(tmp_path: Path) -> None:
    write_base(tmp_path / "model")
    command = ["evaluate", "agent", "--users", "planted:validation", "--out", str(tmp_path / "kept")]
    selectors = f"random,value:{tmp_path / 'model'}"
    done = pasta(*command, "--selectors", selectors, "--trajectories", "3", "--json", env=SHORT)
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("to simulate: 2 selectors x 16 trajectories, in whole shards of 16\n")
    found = json.loads(done.stdout)
    first, second = found["results"]
    assert (first["selector"], second["selector"]) == tuple(selectors.split(","))
    for result in (first, second):
        low, high = result["ci95"]
        assert low <= result["mean"] <= high
        assert abs(result["better"] + result["same"] + result["worse"] - 1) < 1e-9
        assert result["gap_closed"] is None and len(result["turns"]) == 2
        assert result["turns"][1]["value"] == result["mean"], "sparse pays the last turn"
    assert first["turns"][0]["predicted"] is None and second["turns"][0]["predicted"] is not None
    difference = second["against"]["random"]["difference"]
    assert abs(difference - (second["mean"] - first["mean"])) < 1e-9
    # what is kept serves the next evaluation, without a model being started
    again = pasta(
        *command, *("--selectors", "random", "--trajectories", "2", "--reward", "dense", "--json"), env=SHORT
    )
    assert again.returncode == 0, again.stderr
    assert "starting" not in again.stderr and "to simulate" not in again.stderr
    (kept,) = json.loads(again.stdout)["results"]
    assert kept["n"] == 2 and kept["data"] == first["data"]


def test_what_cannot_be_evaluated_is_refused(tmp_path: Path) -> None:
    out = str(tmp_path / "kept")
    for typed, said, code in (
        (("--selectors", "best"), "no selector 'best'", 2),
        (("--selectors", f"value:{tmp_path}"), "no value model in", 3),
        (("--selectors", "random", "--reward", "lavish"), "no reward 'lavish'", 2),
        (("--selectors", "random", "--users", "planted:nobody"), "no users", 2),
        (
            ("--selectors", "random,greedy-belief", "--users", "planted"),
            "needs a user model to believe in",
            2,
        ),
        (("--selectors", ""), "no selector to evaluate", 2),
    ):
        assert said in complaint(pasta("evaluate", "agent", *typed, "--out", out), code)
    assert not Path(out).exists()


def test_a_value_model_of_another_profile_is_refused_as_in_a_session(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    write_base(folder)
    document = json.loads((folder / "value_model.json").read_bytes())
    document["training"]["profiles"] = ["other"]
    (folder / "value_model.json").write_text(json.dumps(document))
    out = str(tmp_path / "kept")
    line = complaint(pasta("session", "a cat", "--rater", "planted:0", "--selector", f"value:{folder}"), 3)
    assert "was trained for profile other, not for micro" in line
    agents = ("evaluate", "agent", "--users", "planted", "--out", out)
    for more in ((), ("--persons", "2")):
        assert complaint(pasta(*agents, "--selectors", f"random,value:{folder}", *more), 3) == line
    one = ("simulate", "--trajectories", "1", "--users", "planted", "--out", out)
    assert complaint(pasta(*one, "--selector", f"taste+value:{folder}"), 3) == line
    assert not Path(out).exists()
