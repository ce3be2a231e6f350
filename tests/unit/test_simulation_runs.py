"""What decides the trajectories of a simulation."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from pasta_core.engines.local import pass_size_of, worker_options
from pasta_core.engines.runs import SimulationRun
from pasta_core.engines.specs import SelectorSpec, UsersSpec
from pasta_core.paths import locate
from pasta_core.profiles import load_profile


def test_planted_raters_and_what_they_see_with_decide_their_trajectories(tmp_path: Path) -> None:
    paths = locate({})
    profile = load_profile("micro", paths)
    own, world = tmp_path / "assets", paths.assets / "micro"
    (own / "micro" / "eyes").mkdir(parents=True)
    for name in ("raters.toml", "eyes/eyes.safetensors"):
        shutil.copyfile(world / name, own / "micro" / name)

    def plan(users: UsersSpec, assets: Path) -> dict[str, Any]:
        return SimulationRun(
            profile, profile.session, users, SelectorSpec("random"), None, 1, assets=assets
        ).plan()

    planted, learnt = UsersSpec(None, "test"), UsersSpec.parse("model", profile)
    before = plan(planted, paths.assets)
    assert plan(planted, own) == before, "the same raters in another place"
    for name in ("raters.toml", "eyes/eyes.safetensors"):
        file = own / "micro" / name
        whole = file.read_bytes()
        file.write_bytes(whole + b"\n")
        assert plan(planted, own) != before, name
        assert plan(learnt, own) == plan(learnt, paths.assets), "learned users are no planted ones"
        file.write_bytes(whole)


def test_a_profile_decides_how_many_large_images_a_pass_holds() -> None:
    paths = locate({})
    profiles = {name: load_profile(name, paths) for name in ("micro", "turbo", "sdxl")}
    assert {name: pass_size_of(profile) for name, profile in profiles.items()} == {
        "micro": 16,
        "turbo": 16,
        "sdxl": 8,
    }
    small = replace(profiles["sdxl"], painter=replace(profiles["sdxl"].painter, pass_size=2))
    assert worker_options(small)[:2] == ("--pass-size", "2")
    run = SimulationRun(small, small.session, UsersSpec(None, "test"), SelectorSpec("random"), None, 1)
    assert run.plan()["pass_size"] == 2, "another size is another simulation"
