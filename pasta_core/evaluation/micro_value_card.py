"""The micro value model's card: how it was trained, what was measured, and the numbers both are made of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pasta_core.evaluation.agent import FLOOR, AgentResult
from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.taste_calibration import WeighedValue
from pasta_core.files import write_atomically
from pasta_core.training.value_presets import value_preset

__all__ = ["Seeds", "ValueFindings", "write_card"]

_CARD = """\
# The micro value model

What it is worth to show a prompt, after all that happened before: `pasta session` shows the slates it values
most, by themselves (`--selector value`) or beside the taste (`taste+value`). A Gemma of the shape of
`assets/micro/value-base`, from which it was trained. Weights in float16.

**Data.** {trajectories:,} trajectories of users of `assets/micro/user-model` under random slates (`pasta
simulate --users model`, {images} to a prompt, seed {data_seed}). Those users are learnt from planted raters,
who have no other part in it. **Recipe.** `pasta_core/microworld/recipes/value_model_recipe.py`, seed {seed}:

    pasta train-value-model {options}

in all else the `micro` preset. That is not the paper's objective; docs/value-model.md compares them, and sets
what is measured here beside an oracle.

**Measured** on paired trajectories of seed {test_seed}, on which nothing was trained or chosen; the score is
the last turn's reward (`--reward sparse`, 0 to 10), with 95 % intervals over trajectories:

| users | n | random | value | difference | its final image is preferred |
|---|---|---|---|---|---|
{table}

**Beside a taste** (`--selector taste+value`) it is heard with slope {slope:.3f}, shared {shared:.3f} and
deviation {deviation:.3f} (docs/taste.md), measured on {weighed} more trajectories of such users, seed
{weigh_seed}. Correlation with their utilities within slates: taste {taste:.2f}, value model {value:.2f},
both {both:.2f}.
"""


@dataclass(frozen=True)
class Seeds:
    """The seeds of what it learns from, is measured on and is weighed on, three different worlds."""

    data: int
    measured: int
    weighed: int

    @classmethod
    def of(cls, seed: int) -> Seeds:
        """Those of a build."""
        return cls(seed, seed + 17, seed + 31)


@dataclass(frozen=True)
class ValueFindings:
    """What there is to tell of a model; `facts` are its training's, `agents` by the users' name.

    `images` is how many of a prompt its data has.
    """

    facts: Mapping[str, Any]
    images: int
    seeds: Seeds
    weighed: WeighedValue
    agents: Mapping[str, Sequence[AgentResult]]


def write_card(folder: Path, told: ValueFindings) -> None:
    """Write `README.md` and `bars.json`, the numbers that it is made of, into a value model's folder."""
    facts, weighed = told.facts, told.weighed
    calibration = asdict(weighed.found.calibration)
    bars = {
        "training": facts["measured"],
        "beside_taste": {**calibration, "measured": weighed.measured},
        "agents": {title: [one.as_json() for one in results] for title, results in told.agents.items()},
    }
    write_atomically(folder / "bars.json", json.dumps(bars, indent=2).encode() + b"\n")
    card = _CARD.format(
        trajectories=facts["trajectories"],
        data_seed=told.seeds.data,
        seed=facts["seed"],
        options=_options(facts),
        images=f"{told.images} image{'' if told.images == 1 else 's'}",
        test_seed=told.seeds.measured,
        table="\n".join(_row(title, *results) for title, results in told.agents.items()),
        weighed=weighed.measured["trajectories"],
        weigh_seed=told.seeds.weighed,
        **calibration,
        **asdict(weighed.found.agreement),
    )
    write_atomically(folder / "README.md", card.encode())


def _options(facts: Mapping[str, Any]) -> str:
    """What a training was asked for beside the `micro` preset and its data."""
    usual = asdict(value_preset("micro"))
    config = {name: value for name, value in facts["config"].items() if usual.get(name) != value}
    steps = config.pop("steps", usual["steps"])
    named = {"reward": facts["reward"], "objective": facts["objective"], "steps": steps}
    words = [f"--{name} {value}" for name, value in named.items()]
    return " ".join((*words, *(f"--set {name}={json.dumps(value)}" for name, value in config.items())))


def _row(title: str, floor: AgentResult, value: AgentResult) -> str:
    duel = value.against[FLOOR]
    wins = "always a tie" if duel.wins.value is None else _said(duel.wins, 100, 0, " %")
    cells = (_said(floor.score), _said(value.score), _said(duel.difference), wins)
    return f"| {title} | {value.score.n:,} | {' | '.join(cells)} |"


def _said(metric: Metric, times: float = 1, places: int = 2, unit: str = "") -> str:
    value, low, high, _ = (times * number for number in metric.numbers())
    return f"{value:.{places}f}{unit} ({low:.{places}f} to {high:.{places}f})"
