"""What the user model is trained with: the paper's Tables 1 and 2, and what the microworld needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from pasta_core.errors import InvalidInput
from pasta_core.training.label_batches import MOST_LABELS
from pasta_core.training.loop import LoopConfig
from pasta_core.training.setting_ranges import (
    BELOW_ONE,
    FROM_ONE,
    FROM_ZERO,
    INSIDE,
    Range,
    check_ranges,
    one_of,
)

__all__ = ["PRESETS", "SequentialConfig", "SingleTurnConfig", "UserModelPreset", "preset_named"]


@dataclass(frozen=True)
class _Phase:
    """What both phases need. Out of range is `InvalidInput`."""

    steps: int
    """Steps of gradient descent (Tables 1, 2: 50e3)."""
    batch: int
    """Labels a step in the first phase (Table 1: 2048), sessions in the second (Table 2: 8)."""
    peak_rate: float
    """AdamW's highest learning rate (Table 1: 3e-4, Table 2: 3e-7)."""
    restart_every: int
    """Steps of a cosine after which the rate starts anew, T of SGDR (Tables 1, 2: "10e3", 10,000)."""
    target_every: int
    """Steps between two updates of the target network (Tables 1, 2: 256)."""
    alpha_prior: float
    """How much of the prior a step keeps (Tables 1, 2: 0.999)."""
    weight_decay: float
    """AdamW's (Tables 1, 2: 1e-4)."""
    clip_norm: float
    """Longest gradient (Table 2: 0.5; Table 1 names none, 0)."""
    report_every: int
    """Steps between two lines of metrics; not the paper's."""
    precision: str
    """float32, or bfloat16 for the products of the encoders; the paper does not say."""

    _ranges: ClassVar[Mapping[str, Range]] = {
        **dict.fromkeys(("steps", "batch", "target_every", "report_every"), FROM_ONE),
        **dict.fromkeys(("restart_every", "weight_decay", "clip_norm"), FROM_ZERO),
        "peak_rate": INSIDE,
        "alpha_prior": BELOW_ONE,
        "precision": one_of("float32", "bfloat16"),
    }

    def __post_init__(self) -> None:
        check_ranges(self, self._ranges)

    def loop(self, checkpoint_seconds: float) -> LoopConfig:
        """The loop's own settings; AdamW's other two numbers are its usual ones."""
        return LoopConfig(
            steps=self.steps,
            batch=self.batch,
            peak_rate=self.peak_rate,
            warm_up=1,
            restart_every=self.restart_every,
            decay=0.5,
            weight_decay=self.weight_decay,
            betas=(0.9, 0.999),
            clip_norm=self.clip_norm,
            checkpoint_seconds=checkpoint_seconds,
            report_every=self.report_every,
        )


@dataclass(frozen=True)
class SingleTurnConfig(_Phase):
    """The first phase (Table 1)."""

    _ranges = {
        **_Phase._ranges,
        **dict.fromkeys(("most_labels", "held_out_most"), FROM_ONE),
        **dict.fromkeys(("kappa_1", "noise"), FROM_ZERO),
        **dict.fromkeys(("target_average", "held_out"), BELOW_ONE),
    }

    kappa_1: float = 1.0
    """Weight of the ratings' loss against the preferences' (Table 1: 1)."""
    most_labels: int = MOST_LABELS
    """At most so many labels of a rater in a step, and so in the posterior; not the paper's.
    100 instead of 25 of as many took the index of eight types with the archetypes from 0.08 to 0.14."""
    noise: float = 0.0
    """Noise on CLIP outputs in the M-step, as a share of each coordinate's spread; not the paper's.
    With one type 0.3 took the loss on new pictures from about 0.422 to 0.418, 0.6 to 0.425."""
    target_average: float = 0.0
    """Decay of the target network as a moving average of theta, which the phase then keeps; not the paper's.
    0: the target network is copied, and theta is kept. After 400 steps at the full rate the average of 0.98
    had a loss of 0.402 on new pictures, theta 0.408; once the rate had fallen both had 0.396."""
    held_out: float = 0.05
    """Share of the raters on whom accuracy is measured meanwhile; not the paper's."""
    held_out_most: int = 500
    """At most so many raters."""


@dataclass(frozen=True)
class SequentialConfig(_Phase):
    """The second phase (Table 2)."""

    _ranges = {
        **_Phase._ranges,
        **dict.fromkeys(("kappa_2", "kappa_3", "clip_rate", "users_rate"), FROM_ZERO),
        "held_out": BELOW_ONE,
        "held_out_most": FROM_ONE,
    }

    kappa_2: float = 0.01
    """Weight of in-turn preferences (Table 2: 0.01)."""
    kappa_3: float = 1.0
    """Weight of cross-turn preferences (Table 2: 1)."""
    clip_rate: float = 1.0
    """The CLIP encoders' learning rate as a factor of the others' (Table 2 has one rate for all, 1); 0 keeps
    them as they are (D.1 trains "the entire model")."""
    users_rate: float = 1.0
    """The same of all but CLIP and the choice temperature: the user encoders and the score's scale.
    At 1e-4 they lost 3 points of accuracy in 200 steps on 120 sessions; 0 leaves them as they are."""
    held_out: float = 0.05
    """Share of the raters on whose sessions choices are foreseen meanwhile; not the paper's."""
    held_out_most: int = 16
    """At most so many sessions."""


@dataclass(frozen=True)
class UserModelPreset:
    """Both phases under one name."""

    single_turn: SingleTurnConfig
    sequential: SequentialConfig


_PAPER = UserModelPreset(
    SingleTurnConfig(
        steps=50_000,
        batch=2048,
        peak_rate=3e-4,
        restart_every=10_000,
        target_every=256,
        alpha_prior=0.999,
        weight_decay=1e-4,
        clip_norm=0.0,
        report_every=100,
        precision="float32",
    ),
    SequentialConfig(
        steps=50_000,
        batch=8,
        peak_rate=3e-7,
        restart_every=10_000,
        target_every=256,
        alpha_prior=0.999,
        weight_decay=1e-4,
        clip_norm=0.5,
        report_every=100,
        precision="float32",
    ),
)

_MICRO = UserModelPreset(
    SingleTurnConfig(
        steps=200,
        batch=1024,
        peak_rate=1e-3,
        restart_every=0,
        target_every=1,
        alpha_prior=0.99,
        weight_decay=2.0,
        clip_norm=1.0,
        report_every=20,
        precision="float32",
        most_labels=100,
        noise=0.2,
        target_average=0.98,
    ),
    SequentialConfig(
        steps=500,
        batch=8,
        peak_rate=1e-2,
        restart_every=0,
        target_every=16,
        alpha_prior=0.99,
        weight_decay=1e-4,
        clip_norm=0.5,
        report_every=25,
        precision="float32",
        clip_rate=0.0003,
        users_rate=0.003,
    ),
)

PRESETS: Mapping[str, UserModelPreset] = MappingProxyType({"paper": _PAPER, "micro": _MICRO})
"""By name. `micro` differs because the microworld has hundreds of raters and minutes of two CPU cores: few
steps at a high rate, a target network and a prior that follow within so few, and weights that are kept from
learning each rater by heart. `single_turn` says what each of these was measured to change."""


def preset_named(name: str) -> UserModelPreset:
    """A preset; an unknown name is `InvalidInput`."""
    if name not in PRESETS:
        raise InvalidInput(f'there is no preset "{name}"', f"the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
