"""From named data sets to what a value model learns from: trajectories and what each of their turns paid."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from pasta_core.data.records import Kind
from pasta_core.data.sources import SourceSpec
from pasta_core.data.trajectories import TrajectoryRecord, read_trajectories
from pasta_core.errors import InvalidInput
from pasta_core.seeds import derive_seed
from pasta_core.training.iql import own_rewards_of, returns_of, reward_scale, rewards_of
from pasta_core.training.value_presets import Reward

__all__ = ["KINDS", "PaidTrajectory", "ValueData", "check_value_sources", "read_value_data"]

KINDS = frozenset({Kind.TRAJECTORIES, Kind.SESSIONS})
"""Kinds that say which prompts were shown, as the value model must know."""

_NO_REWARD = "a reward is unknown"
_ABANDONED = "it was abandoned, and sparse rewards exist at the end only"
_EMPTY = "it has no turn"
_SENSELESS = "a turn names a prompt or a column that it has not"
_NO_NUMBER = "a utility, a reward or a belief is no finite number"

Labeller = Callable[[TrajectoryRecord], TrajectoryRecord]
"""Gives a trajectory of a person its rewards (App. B.4)."""


@dataclass(frozen=True)
class PaidTrajectory:
    """One trajectory, without its images, and what its turns paid.

    `own[t][l]` is what turn t would have paid for its column l, None where that is not known.
    """

    record: TrajectoryRecord
    rewards: tuple[float, ...]
    own: tuple[tuple[float, ...], ...] | None
    weight: float

    @property
    def key(self) -> str:
        """What it is told from others by."""
        made = self.record
        return f"{made.source}/{made.user}/{made.id}/{made.seed}/{made.initial_prompt}"


@dataclass(frozen=True)
class ValueData:
    """Trajectories to learn from, in the order they were read."""

    trajectories: tuple[PaidTrajectory, ...]

    def __len__(self) -> int:
        return len(self.trajectories)

    @property
    def transitions(self) -> int:
        """How many turns were paid for, with something or nothing."""
        return sum(len(one.rewards) for one in self.trajectories)

    @property
    def profiles(self) -> tuple[str, ...]:
        """Whose writers wrote and whose painters painted what is learnt from, sorted."""
        return tuple(sorted({one.record.profile for one in self.trajectories} - {""}))

    def returns(self, discount: float) -> tuple[float, ...]:
        """G_t of every transition."""
        return tuple(value for one in self.trajectories for value in returns_of(one.rewards, discount))

    def split(self, share: float, most: int, seed: int) -> tuple[ValueData, ValueData]:
        """Training and held-out trajectories; which are held out depends on the seed and themselves alone."""
        count = min(math.ceil(share * len(self)), most, len(self) - 1)
        order = sorted(self.trajectories, key=lambda one: derive_seed(seed, "held out", one.key))
        chosen = {id(one) for one in order[:count]}
        training = tuple(one for one in self.trajectories if id(one) not in chosen)
        return ValueData(training), ValueData(tuple(order[:count]))

    def fingerprint(self) -> str:
        """A hash of what is learnt from."""
        digest = hashlib.sha256()
        for one in self.trajectories:
            turns = [(turn.slate.indices, turn.choice, turn.candidates) for turn in one.record.turns]
            digest.update(repr((one.key, one.rewards, one.own, one.weight, turns)).encode())
        return digest.hexdigest()


def check_value_sources(specs: Sequence[SourceSpec]) -> None:
    """Refuse what cannot be learnt from before anything is loaded (`InvalidInput`)."""
    if not specs:
        raise InvalidInput("there is nothing to learn from", "name a data set: --data trajectories:PATH")
    for spec in specs:
        if spec.kind not in KINDS:
            raise InvalidInput(
                f"{spec} does not say which prompts were shown",
                f"the kinds that do are {', '.join(sorted(KINDS))}",
            )
        if not spec.path.exists():
            raise InvalidInput(f"there is no {spec.path}", f"name the file or folder of the {spec.kind} data")


def read_value_data(
    specs: Sequence[SourceSpec],
    reward: Reward,
    note: Callable[[str], None] = lambda text: None,
    label: Labeller | None = None,
) -> ValueData:
    """Read the trajectories of several data sets; `note` is told what was left out and why.

    `label` gives rewards to those that have none; without it they are left out. `InvalidInput` where nothing
    is left.
    """
    found: list[PaidTrajectory] = []
    for spec in specs:
        skipped: Counter[str] = Counter()
        paid = list(_paid(read_trajectories(spec.path), spec.weight, reward, label, skipped))
        found += _with_own_rewards(paid, reward)
        for why, count in sorted(skipped.items()):
            note(f"{spec}: left out {count:,} trajectories ({why})")
    if len(found) < 2:
        raise InvalidInput(
            f"the data holds {len(found)} trajectories that can be learnt from",
            "'pasta simulate' makes more; sessions of people need --users model:PATH, which gives rewards",
        )
    return ValueData(tuple(found))


def _paid(
    records: Iterable[TrajectoryRecord],
    weight: float,
    reward: Reward,
    label: Labeller | None,
    skipped: Counter[str],
) -> Iterator[PaidTrajectory]:
    sparse = reward is Reward.SPARSE
    for given in records:
        if not given.turns:
            skipped[_EMPTY] += 1
            continue
        if not given.makes_sense:
            skipped[_SENSELESS] += 1
            continue
        record = given
        if label is not None and any(turn.reward is None for turn in given.turns):
            record = label(given)
        if not record.has_numbers:
            skipped[_NO_NUMBER] += 1
            continue
        told = [turn.reward for turn in record.turns]
        rewards = rewards_of(told, record.complete, sparse)
        if rewards is None:
            skipped[_ABANDONED if sparse and not record.complete else _NO_REWARD] += 1
            continue
        yield PaidTrajectory(_without_images(record), rewards, None, weight)


def _with_own_rewards(paid: Sequence[PaidTrajectory], reward: Reward) -> Iterator[PaidTrajectory]:
    """What each column would have paid, where a data set says what it was worth to the user."""
    scale = reward_scale(
        (turn.utilities[turn.choice.column], turn.reward)
        for one in paid
        for turn in one.record.turns
        if turn.utilities is not None and turn.reward is not None
    )
    for one in paid:
        utilities = [turn.utilities for turn in one.record.turns]
        own = None if scale is None else own_rewards_of(utilities, scale, reward is Reward.SPARSE)
        yield replace(one, own=own)


def _without_images(record: TrajectoryRecord) -> TrajectoryRecord:
    turns = tuple(replace(turn, columns=()) for turn in record.turns)
    return replace(record, turns=turns, initial_images=())
