"""What a value model is worth on trajectories that it was not trained on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pasta_core.agent.value_model import ValueModel
from pasta_core.seeds import derive_seed
from pasta_core.training.iql import best_slate_value, returns_of
from pasta_core.training.value_batches import ValueExample, value_batch, value_example
from pasta_core.training.value_presets import ValueModelConfig
from pasta_core.training.value_sources import ValueData

__all__ = ["HeldOutValues", "Outlook", "word_counts"]

Array = npt.NDArray[np.float64]

_RARE = 0.1
"""The share of candidates that count as rare."""


def word_counts(examples: Iterable[ValueExample]) -> Counter[int]:
    """How often each token stood in a shown prompt."""
    counts: Counter[int] = Counter()
    for example in examples:
        for branch, what in zip(example.tree.branches, example.branches, strict=True):
            if what.shown:
                counts.update(branch.tokens[what.lead :])
    return counts


@dataclass(frozen=True)
class _Prompt:
    """One candidate of a measured turn: its value, the return of its turn, and whether it was shown."""

    value: float
    followed: float
    shown: bool
    rare: bool


@dataclass(frozen=True)
class Outlook:
    """Predictions against what came: one row a held-out transition, and one a measured candidate.

    `q` is f's mean over the shown prompts, `v` the state's value, `followed` the realised return, `turn` from
    0; `gains` is by how much the best slate's value exceeds the shown one's in the turns where all candidates
    were valued. The data's slates are random, so the mean of `q` has to meet that of `followed`, and a best
    slate that promises much more is promised where no data was.
    """

    q: Array
    v: Array
    followed: Array
    turn: npt.NDArray[np.int64]
    gains: Array
    rare_excess: float
    rare_in_best: float

    def figures(self) -> dict[str, float]:
        """The numbers for a line of metrics; nan where there is too little to tell."""
        last = self.turn == self.turn.max()
        slope = float("nan")
        if self.q.std() > 0:
            slope = float(np.cov(self.q, self.followed, bias=True)[0, 1] / self.q.var())
        return {
            "held_out_error": float(np.sqrt(np.mean((self.q - self.followed) ** 2))),
            "held_out_bias": float(np.mean(self.q - self.followed)),
            "held_out_slope": slope,
            "held_out_correlation": _correlation(self.q, self.followed),
            "held_out_last_correlation": _correlation(self.q[last], self.followed[last]),
            "best_slate_gain": float(np.mean(self.gains)) if len(self.gains) else float("nan"),
            "rare_excess": self.rare_excess,
            "rare_in_best": self.rare_in_best,
        }

    def calibration(self, bins: int = 10) -> list[dict[str, float]]:
        """Predicted and realised return in bins of equal numbers, lowest prediction first."""
        order = np.argsort(self.q, kind="stable")
        return [
            {
                "predicted": float(self.q[part].mean()),
                "realised": float(self.followed[part].mean()),
                "error": float(self.followed[part].std() / math.sqrt(len(part))),
                "transitions": len(part),
            }
            for part in np.array_split(order, min(bins, len(order)))
        ]


class HeldOutValues:
    """Held-out trajectories, ready to be measured: all prompts that were shown, and one turn's other ones."""

    def __init__(
        self, model: ValueModel, data: ValueData, counts: Counter[int], config: ValueModelConfig, seed: int
    ) -> None:
        self._model = model
        self._discount = config.discount
        made = []
        for one in data.trajectories:
            turn = derive_seed(seed, "measured turn", one.key) % len(one.rewards)
            example = value_example(model.tokens, one.record, one.rewards, also=(turn,))
            if example.longest <= model.context:
                made.append(example)
        self._examples = made
        rarest = [_rarity(example, counts) for example in made]
        levels = sorted(level for row in rarest for level in row)
        edge = levels[min(int(_RARE * len(levels)), len(levels) - 1)] if levels else 0.0
        self._rare = [[level <= edge for level in row] for row in rarest]

    def __len__(self) -> int:
        return len(self._examples)

    @torch.no_grad()
    def measure(self) -> Outlook | None:
        """Value everything with the model as it is now; None where nothing is held out."""
        if not self._examples:
            return None
        rows: list[tuple[float, float, float, int]] = []
        prompts: list[_Prompt] = []
        gains: list[float] = []
        best: list[bool] = []
        for example, rare in zip(self._examples, self._rare, strict=True):
            batch = value_batch([example], self._model.network.device)
            values = self._model.network(batch.packed)
            v = batch.v(values).tolist()
            # as lists at once: reading one number at a time waits for a GPU each time
            ends = [
                start + len(branch.tokens) - 1
                for start, branch in zip(example.tree.starts, example.tree.branches, strict=True)
            ]
            f = values[0, ends].tolist()
            followed = returns_of(example.rewards, self._discount)
            for turn in range(len(example.rewards)):
                mine = [place for place, what in enumerate(example.branches) if what.turn == turn]
                shown = [place for place in mine if example.branches[place].shown]
                q = sum(f[place] for place in shown) / len(shown)
                rows.append((q, v[turn], followed[turn], turn))
                prompts += [
                    _Prompt(f[place], followed[turn], example.branches[place].shown, rare[place])
                    for place in mine
                ]
                if len(mine) > len(shown):
                    gains.append(self._best(example, f, mine) - q)
                    best += [rare[place] for place in self._slate(example, f, mine)]
        table = np.array(rows)
        return Outlook(
            table[:, 0],
            table[:, 1],
            table[:, 2],
            table[:, 3].astype(np.int64),
            np.array(gains),
            *_rarity_figures(prompts, best),
        )

    def _best(self, example: ValueExample, f: Sequence[float], mine: Sequence[int]) -> float:
        values = torch.tensor([f[place] for place in mine])
        categories = [example.branches[place].category for place in mine]
        return float(best_slate_value(values, categories, example.columns))

    def _slate(self, example: ValueExample, f: Sequence[float], mine: Sequence[int]) -> list[int]:
        """The candidates that a value selector would show."""
        groups: dict[str, int] = {}
        for place in mine:
            name = example.branches[place].category
            if name not in groups or f[place] > f[groups[name]]:
                groups[name] = place
        return sorted(groups.values(), key=lambda place: -f[place])[: example.columns]


def _rarity(example: ValueExample, counts: Counter[int]) -> list[float]:
    """How common each prompt's words are in the training slates: the mean logarithm of their counts."""
    return [
        float(np.mean([math.log1p(counts[token]) for token in branch.tokens[what.lead :] or branch.tokens]))
        for branch, what in zip(example.tree.branches, example.branches, strict=True)
    ]


def _rarity_figures(prompts: Sequence[_Prompt], best: Sequence[bool]) -> tuple[float, float]:
    """By how much more rare prompts are overestimated than others, and how much more often they are chosen.

    The first compares value minus return of shown prompts, the second the share of rare prompts in best
    slates with that among all candidates.
    """
    rare = [one.value - one.followed for one in prompts if one.shown and one.rare]
    common = [one.value - one.followed for one in prompts if one.shown and not one.rare]
    excess = float(np.mean(rare) - np.mean(common)) if rare and common else float("nan")
    share = float(np.mean([one.rare for one in prompts]))
    chosen = float(np.mean(best)) / share if best and share else float("nan")
    return excess, chosen


def _correlation(first: Array, second: Array) -> float:
    if len(first) < 3 or first.std() == 0 or second.std() == 0:
        return float("nan")
    return float(np.corrcoef(first, second)[0, 1])
