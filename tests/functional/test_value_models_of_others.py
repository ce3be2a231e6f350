"""Value models that a person has: an adapter of one's own Gemma by profile, and one of another profile."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.domain import Candidate, History
from pasta_core.paths import find_assets
from tests.support.commands import complaint, pasta
from tests.support.small_gemmas import save_small_adapter, templates

RATER = ("--rater", "planted:0")


def test_an_adapter_of_ones_own_gemma_chooses_what_a_session_shows(
    tmp_path: Path, own_directories: Path
) -> None:
    folder = save_small_adapter("gemma2", tmp_path, templates("micro-"), "micro")
    profiles = own_directories / "config" / "pasta" / "profiles"
    profiles.mkdir(parents=True)
    (profiles / "own.toml").write_text(f'extends = "micro"\nvalue_model = "{folder}"\n')
    done = pasta(
        *("session", "a red train", *RATER, "--json", "--turns", "1", "--images", "1", "--seed", "3"),
        *("--profile", "own", "--selector", "value"),
    )
    assert done.returncode == 0, done.stderr
    turn, final = map(json.loads, done.stdout.splitlines())
    candidates = tuple(Candidate(it["prompt"], it["category"]) for it in turn["candidates"])
    request = ValueRequest.from_history(History("a red train"), candidates)
    values = score(load_value_model(folder), request)
    shown = [values[index] for index in turn["slate"]]
    assert max(values) in shown and len(set(values)) > 10
    assert torch.allclose(torch.tensor(turn["values"]), torch.tensor(shown), atol=1e-4)
    assert final["profile"] == "own"


def test_a_model_of_another_profile_is_refused_before_anything_starts() -> None:
    micro = find_assets() / "micro" / "value"
    line = complaint(
        pasta("session", "a cat", *RATER, "--profile", "sdxl", "--selector", f"value:{micro}"), 3
    )
    assert "was trained for profile micro, not for sdxl" in line
