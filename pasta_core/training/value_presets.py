"""What the value model is trained with: the paper's Table 3, and what the microworld needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from pasta_core.errors import InvalidInput
from pasta_core.training.loop import OPTIMIZERS, LoopConfig
from pasta_core.training.setting_ranges import (
    BELOW_ONE,
    FROM_ONE,
    FROM_ZERO,
    INSIDE,
    Range,
    check_ranges,
    one_of,
)

__all__ = ["VALUE_PRESETS", "Objective", "Reward", "ValueModelConfig", "value_preset"]


class Objective(StrEnum):
    """What f and v are regressed to; `training.iql` has each one's loss."""

    IQL = "iql"
    """Implicit Q-learning, the objective at the end of E.1."""
    BELLMAN = "bellman"
    """The maximum over the next turn's slates, which E.1 prints first; an ablation."""
    REGRESSION = "regression"
    """The return that followed, without any bootstrap; an ablation."""
    COLUMNS = "columns"
    """IQL, but what a prompt's own column is worth takes the place of the slate's reward; not the paper's."""


class Reward(StrEnum):
    """Which turns pay (F.1)."""

    SPARSE = "sparse"
    DENSE = "dense"


_RANGES: Mapping[str, Range] = {
    **dict.fromkeys(("steps", "batch", "target_every", "tokens", "report_every", "held_out_most"), FROM_ONE),
    **dict.fromkeys(("weight_decay", "clip_norm", "warm_up"), FROM_ZERO),
    **dict.fromkeys(("peak_rate", "alpha"), INSIDE),
    "discount": Range("more than 0 and at most 1", lambda value: 0 < value <= 1),
    "decay": Range("from 0 to 1", lambda value: 0 <= value <= 1),
    "held_out": BELOW_ONE,
    "optimizer": one_of(*OPTIMIZERS),
    "precision": one_of("float32", "bfloat16"),
}


@dataclass(frozen=True)
class ValueModelConfig:
    """How a value model learns. Out of range is `InvalidInput`."""

    steps: int
    """Steps of gradient descent (Table 3: 1e4)."""
    batch: int
    """Transitions a step (Table 3: 128)."""
    peak_rate: float
    """Learning rate (Table 3: 1e-5)."""
    optimizer: str
    """adafactor (Table 3) or adamw."""
    weight_decay: float
    """Table 3: 1e-2."""
    clip_norm: float
    """Longest gradient (Table 3: 1)."""
    target_every: int
    """Steps between two updates of the target network (Table 3: 256)."""
    alpha: float
    """The expectile (Table 3: 0.7)."""
    discount: float
    """gamma; E.1 has none, 1."""
    prefixes: bool
    """Whether every token prefix of a prompt regresses, as in E.1, or the whole prompt alone."""
    normalised: bool
    """Whether values are learnt in units of the returns' spread; the paper does not say, so `paper` does
    not."""
    warm_up: int
    """Steps of linear warm-up; the paper names none."""
    decay: float
    """Share of the steps over which the rate falls to zero at the end; the paper names none."""
    precision: str
    """float32, or bfloat16 for the products; the paper does not say."""
    half: bool
    """Whether the model is stored in float16."""
    tokens: int
    """Tokens in one pass, padding included: a batch is taken in as many passes as it needs."""
    report_every: int
    """Steps between two lines of metrics; not the paper's."""
    held_out: float
    """Share of the trajectories on which values are measured meanwhile; not the paper's."""
    held_out_most: int
    """At most so many trajectories."""

    def __post_init__(self) -> None:
        check_ranges(self, _RANGES)

    def loop(self, checkpoint_seconds: float) -> LoopConfig:
        """The loop's own settings; AdamW's other two numbers are its usual ones."""
        return LoopConfig(
            steps=self.steps,
            batch=self.batch,
            peak_rate=self.peak_rate,
            warm_up=self.warm_up,
            decay=self.decay,
            weight_decay=self.weight_decay,
            betas=(0.9, 0.999),
            clip_norm=self.clip_norm,
            optimizer=self.optimizer,
            checkpoint_seconds=checkpoint_seconds,
            report_every=self.report_every,
        )


VALUE_PRESETS: Mapping[str, ValueModelConfig] = MappingProxyType(
    {
        "paper": ValueModelConfig(
            steps=10_000,
            batch=128,
            peak_rate=1e-5,
            optimizer="adafactor",
            weight_decay=1e-2,
            clip_norm=1.0,
            target_every=256,
            alpha=0.7,
            discount=1.0,
            prefixes=True,
            normalised=False,
            warm_up=1,
            decay=0.0,
            precision="bfloat16",
            half=False,
            tokens=16_384,
            report_every=100,
            held_out=0.05,
            held_out_most=200,
        ),
        "micro": ValueModelConfig(
            steps=600,
            batch=80,
            peak_rate=1e-3,
            optimizer="adamw",
            weight_decay=0.05,
            clip_norm=1.0,
            target_every=16,
            alpha=0.7,
            discount=1.0,
            prefixes=True,
            normalised=True,
            warm_up=30,
            decay=0.5,
            precision="bfloat16",
            half=True,
            tokens=8_192,
            report_every=50,
            held_out=0.05,
            held_out_most=64,
        ),
    }
)
"""By name. `micro` differs because a model of a million parameters is trained whole on thousands of
trajectories in minutes of two CPU cores: few steps at a high rate, and a target network that keeps up."""


def value_preset(name: str) -> ValueModelConfig:
    """A preset; an unknown name is `InvalidInput`."""
    if name not in VALUE_PRESETS:
        raise InvalidInput(f'there is no preset "{name}"', f"the presets are {', '.join(VALUE_PRESETS)}")
    return VALUE_PRESETS[name]
