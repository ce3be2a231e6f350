"""A reproduction's steps, sizes and words; the chain itself runs in `functional/test_reproduce.py`."""

from __future__ import annotations

import asyncio
import io
import json
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord
from pasta_core.domain import Candidate, Choice, Image, Slate
from pasta_core.errors import InvalidInput, StorageError
from pasta_core.microworld.eyes import Eyes
from pasta_core.microworld.raters import PlantedRater, RaterSheet
from pasta_core.microworld.recipes.value_model_recipe import ValueModelRecipe
from pasta_core.paths import find_assets
from pasta_core.reproduction import paper, report
from pasta_core.reproduction.begun import begun_in
from pasta_core.reproduction.chain import chain
from pasta_core.reproduction.figures import draw_people
from pasta_core.reproduction.lab import Lab, Stop, stopped
from pasta_core.reproduction.scale import FULL, QUICK, Scale
from pasta_core.reproduction.sessions import _as_of_a_person
from pasta_core.reproduction.steps import Finding, Inputs, Step, Told, run_steps
from pasta_core.settings import SessionSettings
from pasta_core.training.value_presets import Objective, Reward
from pasta_core.training.value_run import ValueTask
from tests.support.tiny_reproduction import tiny_lab


class Tale:
    """Three steps, the second and third of which add to what they need, and a note of which were done."""

    def __init__(self) -> None:
        self.did: list[str] = []
        self.told: list[tuple[str, bool | None]] = []
        self.fails = ""

    def tell(self, told: Told) -> None:
        self.told.append((told.step.name, None if told.done is None else told.done.before))

    def step(self, name: str, plus: int, *needs: str) -> Step:
        async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
            if self.fails == name:
                raise InvalidInput("it does not work", "try again")
            self.did.append(name)
            (folder / "made").write_text(name)
            return Finding({"sum": plus + sum(done.result["sum"] for done in inputs.values())}, ("made",))

        return Step(name, name, {"plus": plus}, needs, work)

    def run(self, lab: Lab, out: Path, middle: int = 2) -> Mapping[str, Any]:
        self.did, self.told = [], []
        steps = (self.step("first", 1), self.step("middle", middle), self.step("last", 3, "first", "middle"))
        done = asyncio.run(run_steps(lab, steps, out, self.tell))
        return {name: one.result["sum"] for name, one in done.items()}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return tiny_lab(tmp_path / "lab")


def test_a_finished_step_is_done_once_and_only_what_rests_on_a_change_again(lab: Lab, tmp_path: Path) -> None:
    tale = Tale()
    assert tale.run(lab, tmp_path) == {"first": 1, "middle": 2, "last": 6}
    assert tale.did == ["first", "middle", "last"]
    assert tale.told[:2] == [("first", None), ("first", False)]
    assert tale.run(lab, tmp_path)["last"] == 6
    assert tale.did == [] and tale.told == [("first", True), ("middle", True), ("last", True)]
    assert tale.run(lab, tmp_path, middle=5)["last"] == 9
    assert tale.did == ["middle", "last"]
    assert tale.run(lab, tmp_path)["last"] == 6 and tale.did == [], "both are kept"
    tale.run(replace(lab, seed=8), tmp_path)
    assert tale.did == ["first", "middle", "last"], "everything rests on the seed"


def test_a_step_that_failed_or_was_damaged_is_done_again(lab: Lab, tmp_path: Path) -> None:
    tale = Tale()
    tale.fails = "last"
    with pytest.raises(InvalidInput):
        tale.run(lab, tmp_path)
    tale.fails = ""
    assert tale.run(lab, tmp_path)["last"] == 6 and tale.did == ["last"]
    (folder,) = tmp_path.glob("middle-*")
    (folder / "made").unlink()
    tale.run(lab, tmp_path)
    assert tale.did == ["middle"], "what came of it is the same, so the last step stands"
    (folder / "result.json").write_text("{")
    tale.run(lab, tmp_path)
    assert tale.did == ["middle"]


def test_threads_are_those_it_was_begun_with(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with begun_in(out, {}) as begun:
        assert begun.threads >= 1
    file = out / "reproduction.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"threads": 7}))
    with begun_in(out, {}) as begun:
        assert begun.threads == 7
    file.write_text("{}")
    with pytest.raises(InvalidInput, match="is damaged"), begun_in(out, {}):
        pass


def test_it_is_known_on_what_a_reproduction_was_gone_on_with(tmp_path: Path) -> None:
    first, other = {"torch": "1", "device": "cpu"}, {"torch": "2", "device": "cpu"}
    changes = []
    for made_with in (first, first, other, other, first):
        with begun_in(tmp_path, made_with) as begun:
            assert begun.made_with == first
            changes.append(begun.changes)
    assert changes == [(), (), ("torch 1 -> 2",), ("torch 1 -> 2",), ("torch 1 -> 2",)]


def test_what_blocks_leaves_the_loop_free_and_is_waited_for_when_it_is_cancelled(lab: Lab) -> None:
    begun, ended = threading.Event(), threading.Event()

    def work(stop: Stop) -> None:
        begun.set()
        while not stop():
            time.sleep(0.001)
        ended.set()
        raise stopped()

    async def cancelled() -> None:
        task = asyncio.create_task(lab.in_thread(work))
        while not begun.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended.is_set()

    asyncio.run(cancelled())


def test_two_processes_do_not_share_a_folder(tmp_path: Path) -> None:
    with (
        begun_in(tmp_path, {}),
        pytest.raises(StorageError, match="another process"),
        begun_in(tmp_path, {"torch": "2"}),
    ):
        pass
    with begun_in(tmp_path, {}) as begun:
        assert not begun.changes, "who did not get it has written nothing"


def test_a_folder_where_a_first_run_was_killed_at_once_can_be_begun(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    with begun_in(tmp_path, {}):
        pass
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    with pytest.raises(InvalidInput, match="is not an empty folder"), begun_in(tmp_path / "other", {}):
        pass


@pytest.mark.parametrize("scale", [FULL, QUICK])
def test_the_chain_needs_only_what_came_before_and_trains_all_six_models(scale: Scale) -> None:
    assert json.loads(json.dumps(scale.settings()))["types"] == list(scale.types)
    steps = chain(scale, scale.session or SessionSettings(), find_assets())
    names = [step.name for step in steps]
    assert len(set(names)) == len(names)
    for place, step in enumerate(steps):
        assert set(step.needs) <= set(names[:place]), step.name
    models = {
        f"value-{source}-{reward}"
        for source in ("human", "simulated", "mixed")
        for reward in ("sparse", "dense")
    }
    assert models <= set(names)
    assert len({arm.step for arm in scale.arms}) == len(scale.arms)
    for reward in ("sparse", "dense"):
        told = [arm.name for arm in scale.arms if arm.reward == reward]
        assert len(set(told)) == len(told)


def test_the_shipped_way_to_learn_stands_beside_the_paper_s_own() -> None:
    theirs, ours = (
        next(arm for arm in FULL.arms if arm.source == "simulated" and (arm.recipe is None) == papers)
        for papers in (True, False)
    )
    assert (theirs.name, ours.name) == ("simulated", "simulated by columns")
    assert ours.reward is theirs.reward is Reward.SPARSE, "one table compares them"
    assert theirs.task(FULL.value_config) == ValueTask(FULL.value_config, Objective.IQL, Reward.SPARSE)
    assert ours.task(FULL.value_config) == ValueModelRecipe().task
    assert (theirs.step, ours.step) == ("value-simulated-sparse", "value-simulated-dense-columns")


def test_trajectories_that_only_teach_may_have_fewer_images() -> None:
    steps = {step.name: step for step in chain(FULL, SessionSettings(), find_assets())}
    assert [steps[name].settings["session"]["images"] for name in ("simulated", "people", "table")] == [
        1,
        4,
        4,
    ]


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(InvalidInput, match="3 types are not trained"):
        replace(QUICK, chosen=3)
    with pytest.raises(InvalidInput, match="trajectories is 1"):
        replace(QUICK, trajectories=1)


def test_shares_of_the_best_gain_do_not_depend_on_the_scale() -> None:
    means = {"random": 2.0, "human": 5.0, "mixed": 8.0}
    assert paper.share_of_best_gain(means) == {"human": 0.5, "mixed": 1.0}
    wider = {name: 3 * value + 7 for name, value in means.items()}
    assert paper.share_of_best_gain(wider) == pytest.approx({"human": 0.5, "mixed": 1.0})
    assert paper.share_of_best_gain({"random": 2.0, "human": 1.0}) == {}
    assert paper.share_of_best_gain(means | {"oracle": 14.0})["oracle"] == 2.0, (
        "it is not among those compared"
    )
    printed = {name: value for name, (value, _) in paper.TABLE_F1["sparse"].items()}
    assert paper.share_of_best_gain(printed)["human"] == pytest.approx(1.32 / 1.88)


def _row(selector: str, mean: float, difference: tuple[float, float, float] | None) -> dict[str, Any]:
    against = {}
    if difference is not None:
        value, low, high = difference
        against = {"random": {"difference": value, "ci95": [low, high]}}
    return {
        "selector": selector,
        "mean": mean,
        "ci95": [mean - 1, mean + 1],
        "gap_closed": None if difference is None else difference[0] / 2,
        "gap_closed_ci95": None if difference is None else [difference[1] / 2, difference[2] / 2],
        "against": against,
    }


def test_only_a_large_enough_evaluation_judges() -> None:
    rows = [
        _row("random", 5.0, None),
        _row("human", 6.0, (1.0, 0.2, 1.8)),
        _row("mixed", 5.5, (0.5, -0.1, 1.1)),
    ]
    found = {"sparse": rows}
    small = "\n".join(report._table(found, replace(FULL, trajectories=299)))
    large = "\n".join(report._table(found, FULL))
    assert (
        "| human | 6.00 [5.00, 7.00] | +1.00 [+0.20, +1.80] | 100 % | 50 % [10, 90] | 8.7 ± 0.11 | 70 % |"
        in small
    )
    assert "excludes 0" not in small
    assert "excludes 0: human." in large and "Not so: mixed." in large
    quick = replace(QUICK, trajectories=FULL.trajectories)
    assert not quick.claims and "excludes 0" not in "\n".join(report._table(found, quick))


def test_a_model_that_learnt_from_another_reward_than_its_table_s_says_so() -> None:
    rows = [_row("random", 5.0, None), _row("simulated by columns", 6.0, (1.0, 0.2, 1.8))]
    lines = list(report._table({"sparse": rows, "dense": rows[:1]}, FULL))
    told = [line for line in lines if line.startswith("`simulated by columns` is trained")]
    assert len(told) == 1
    assert "dense reward, discount 0.2, no token prefixes, 800 steps." in told[0]
    assert lines.index("### Sparse reward") < lines.index(told[0]) < lines.index("### Dense reward")
    assert "is trained by" not in "\n".join(report._table({"sparse": rows}, replace(FULL, beside=())))


def test_the_last_and_the_best_of_a_value_model_are_both_told() -> None:
    last = {"held_out_correlation": 0.25, "held_out_last_correlation": None, "held_out_bias": 0.5}
    model = {"trajectories": 2048, "steps": 600, "measured": last}
    best = {"best": {"step": 450, "held_out_correlation": 0.31}}
    lines = list(report._values({"value-human-sparse": model | best, "value-mixed-dense": model}))
    assert "| human-sparse | 2,048 | 600 | 0.25 | - | 0.50 | - | 0.31, 450 |" in lines
    assert "| mixed-dense | 2,048 | 600 | 0.25 | - | 0.50 | - | - |" in lines


def test_sessions_of_one_turn_have_no_figure_of_steps(tmp_path: Path) -> None:
    rows = [{"selector": "writer", "n": 2} | dict.fromkeys(("better", "same", "worse"))]
    assert draw_people(rows, tmp_path) == []
    told = [
        {**rows[0], "better_ci95": None, "same_ci95": None, "worse_ci95": None}
        | {"mean": 1.0, "ci95": [0.0, 2.0], "gap_closed": None, "gap_closed_ci95": None, "against": {}}
    ]
    lines = "\n".join(report._people(told, drawn=False))
    assert "| writer | - | - | - | 1.00 [0.00, 2.00] | - | - |" in lines and "![" not in lines


def test_nothing_that_nobody_could_know_of_a_person_is_kept() -> None:
    assets = find_assets()
    sheet, eyes = RaterSheet.load(assets), Eyes.load(assets / "micro" / "eyes")
    rater = PlantedRater(sheet, sheet.seen[0], 5, eyes)
    rng = np.random.default_rng(0)

    def image() -> ImageRecord:
        pixels = rng.integers(0, 256, (64, 64, 3), np.uint8)
        buffer = io.BytesIO()
        Pillow.fromarray(pixels).save(buffer, "PNG")
        painted = Image(1, pixels)
        return ImageRecord(1, painted.sha256, np.ones(4, np.float32), buffer.getvalue())

    turns = tuple(
        TurnRecord(
            number,
            (Candidate("a red train", "colour"), Candidate("a boat", "subject")),
            Slate((0, 1)),
            ((image(), image()), (image(), image())),
            Choice(1),
            utilities=(1.0, 2.0),
            reward=4.0,
            type_utilities=((1.0, 2.0),),
        )
        for number in (1, 2)
    )
    record = TrajectoryRecord(
        id="00000003",
        source="simulate",
        complete=True,
        user=f"planted:{rater.archetype.name}:5",
        profile="micro",
        selector="random",
        seed=9,
        initial_prompt="a train",
        turns=turns,
        user_type=0,
        initial_images=(image(),),
    )
    told = _as_of_a_person(record, rater, pictures=False)
    assert (told.user, told.user_type) == ("person 00000003", None)
    for turn in told.turns:
        assert turn.utilities is turn.type_utilities is turn.reward is turn.posterior is None
        assert turn.rating is not None and len(turn.rating.column_scores) == 2
        assert all(one.png is None and one.embedding is not None for column in turn.columns for one in column)
    assert told.initial_images[0].png is None
    assert told.turns[0].rating.comparison is None and told.turns[1].rating.comparison is not None  # type: ignore[union-attr]
    assert _as_of_a_person(record, rater, pictures=False) == told, "the same person answers the same"
