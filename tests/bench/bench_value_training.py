"""What packing trajectories is worth: `python -m tests.bench.bench_value_training [--trajectories N]`.

Prints one JSON document. Side by side in one run: forward and backward of the same regression on the same
trajectories, once packed (a history is read once for all prompts that hang on it), once with a sequence for
every shown prompt. Losses are compared as a check; gradients are in the tests. Seconds are processor time, so
that another load on the machine blurs them less.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pasta_core.agent.value_model import ValueModel
from pasta_core.agent.value_model_files import load_value_model
from pasta_core.agent.value_model_packing import Branch, Tree, pack
from pasta_core.paths import find_assets
from pasta_core.training.iql import returns_of
from pasta_core.training.value_batches import ValueExample, value_batch, value_example
from pasta_core.training.value_training import in_parts
from tests.support.paid_trajectories import trajectories

Loss = Callable[[], tuple[Tensor, int, int]]
"""The loss, the tokens that say something, and those that were computed with their padding."""


def packed(model: ValueModel, examples: Sequence[ValueExample], limit: int) -> tuple[Tensor, int, int]:
    """Regress every prompt's tokens and every state to the return, a row a trajectory; calls backward."""
    total, real, computed = torch.zeros(()), 0, 0
    transitions = sum(len(one.rewards) for one in examples)
    for part in in_parts(examples, limit):
        batch = value_batch(part, transitions=transitions)
        values = model.network(batch.packed)
        followed = torch.tensor([value for one in part for value in returns_of(one.rewards)])
        read = batch.tokens
        q, v = read.read(values), batch.v(values)
        loss = (read.weight * ((q - followed[read.of]).square() + (v - followed)[read.of].square())).sum()
        loss.backward()
        total += loss.detach()
        real += sum(len(one.tree) for one in part)
        computed += batch.packed.tokens.numel()
    return total, real, computed


def separate(model: ValueModel, examples: Sequence[ValueExample], limit: int) -> tuple[Tensor, int, int]:
    """The same with a row for every prompt that was shown: its history, then itself; calls backward."""
    transitions = sum(len(one.rewards) for one in examples)
    rows: list[tuple[Tree, int, float, float]] = []
    for one in examples:
        followed = returns_of(one.rewards)
        for branch, what in zip(one.tree.branches, one.branches, strict=True):
            tree = Tree(one.tree.trunk[: branch.at], (Branch(branch.at, branch.tokens),))
            first = min(what.lead, len(branch.tokens) - 1)
            shown = sum(other.turn == what.turn for other in one.branches)
            rows.append((tree, first, followed[what.turn], 1 / (transitions * shown)))
    rows.sort(key=lambda row: len(row[0]), reverse=True)
    total, real, computed = torch.zeros(()), 0, 0
    while rows:
        count = max(1, limit // len(rows[0][0]))
        part, rows = rows[:count], rows[count:]
        laid = pack([tree for tree, *_ in part])
        values = model.network(laid)
        losses = []
        for row, (tree, first, followed, weight) in enumerate(part):
            (branch,) = tree.branches
            q, v = values[row, branch.at + first : len(tree)], values[row, branch.at - 1]
            losses.append(weight * ((q - followed).square().mean() + (v - followed).square()))
        loss = torch.stack(losses).sum()
        loss.backward()
        total += loss.detach()
        real += sum(len(tree) for tree, *_ in part)
        computed += laid.tokens.numel()
    return total, real, computed


def timed(work: Loss, repeats: int) -> dict[str, Any]:
    """What one way takes: the median of several calls after one that is not counted."""
    loss, real, computed = work()
    seconds, wall = [], []
    for _ in range(repeats):
        cpu, begin = time.process_time(), time.perf_counter()
        work()
        seconds.append(time.process_time() - cpu)
        wall.append(time.perf_counter() - begin)
    return {
        "loss": round(float(loss), 6),
        "tokens": real,
        "tokens_with_padding": computed,
        "cpu_seconds": round(statistics.median(seconds), 3),
        "seconds": round(statistics.median(wall), 3),
    }


def measure(base: Path, count: int, turns: int, limit: int, repeats: int) -> dict[str, Any]:
    """All figures."""
    model = load_value_model(base)
    model.network.train().requires_grad_(True)
    records = list(trajectories(count, 0, turns))
    examples = [
        value_example(model.tokens, one, tuple(turn.reward or 0.0 for turn in one.turns)) for one in records
    ]
    ways = {
        "packed": timed(lambda: packed(model, examples, limit), repeats),
        "separate": timed(lambda: separate(model, examples, limit), repeats),
    }
    return {
        "trajectories": count,
        "turns": turns,
        "parameters": sum(one.numel() for one in model.network.parameters()),
        **ways,
        "fewer_tokens": round(ways["separate"]["tokens"] / ways["packed"]["tokens"], 2),
        "faster_in_cpu_seconds": round(ways["separate"]["cpu_seconds"] / ways["packed"]["cpu_seconds"], 2),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 2),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", type=Path, default=find_assets() / "micro" / "value-base")
    parser.add_argument("--trajectories", type=int, default=16)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=8192)
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    found = measure(asked.base, asked.trajectories, asked.turns, asked.tokens, asked.repeats)
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
