"""What it saves to read a history once: `python -m tests.bench.bench_value_scoring`.

Prints one JSON document. For a Gemma 1, 2 and 3 with random weights, 25 candidates on one history are valued
by our packed pass and by 25 separate passes of transformers alone, with `--padded` by one padded batch too.
The models have Gemma 2B's proportions (eight times the width between, as much attention as width) at a width
that a CPU computes, and two layers: each takes as long as another. Seconds are processor time, so that other
work on the machine blurs them less; memory is what the process held at the peak of a way beyond what it held
before.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pasta_core.agent.scoring import score_tokens
from pasta_core.agent.value_model import ValueNetwork
from tests.support.small_gemmas import ARCHITECTURES, LOGIT, VOCABULARY, plain_language_model, small_network

CANDIDATES = 25
"""L_C (Fig. 11)."""
LENGTHS = (52, 84)
"""Tokens of the shortest and the longest candidate (App. E.2: 62 words on the last turn)."""
HEAD = 128
WINDOW = 512

Ways = dict[str, Callable[[], Tensor]]


def network(kind: str, width: int) -> ValueNetwork:
    """Two layers, of which the newer architectures have one that slides."""
    shape: dict[str, Any] = {
        "hidden_size": width,
        "intermediate_size": 8 * width,
        "num_hidden_layers": 2,
        "num_attention_heads": width // HEAD,
        "num_key_value_heads": 1,
        "head_dim": HEAD,
        "max_position_embeddings": 8192,
        # as large as lets attention prefer some tokens at any width
        "initializer_range": width**-0.5,
    }
    if kind != "gemma":
        layers = ["sliding_attention", "full_attention"]
        shape |= {"sliding_window": WINDOW, "layer_types": layers, "query_pre_attn_scalar": HEAD}
    return small_network(kind, **shape)


def ways(
    network: ValueNetwork, history: Sequence[int], candidates: Sequence[Sequence[int]], padded: bool
) -> Ways:
    """The values (25,), each way."""
    model, whole = plain_language_model(network), [[*history, *one] for one in candidates]

    def separate() -> Tensor:
        passes = [model(input_ids=torch.tensor([one]), use_cache=False, logits_to_keep=1) for one in whole]
        return torch.stack([one.logits[0, -1, LOGIT] for one in passes])

    def batch() -> Tensor:
        width = max(map(len, whole))
        rows = torch.tensor([one + [0] * (width - len(one)) for one in whole])
        real = torch.tensor([[1] * len(one) + [0] * (width - len(one)) for one in whole])
        ends = torch.tensor([len(one) - 1 for one in whole])
        logits = model(input_ids=rows, attention_mask=real, use_cache=False).logits
        read: Tensor = logits[torch.arange(len(whole)), ends, LOGIT]
        return read

    found: Ways = {"history_once": lambda: score_tokens(network, history, candidates), "separate": separate}
    return found | ({"padded_batch": batch} if padded else {})


def measured(work: Callable[[], Tensor]) -> tuple[Tensor, float, float]:
    """What came out, processor seconds, and MiB at the peak beyond what was held before (Linux)."""
    # what earlier work has freed and the allocator has kept would count as held before
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    held, begin = _status("VmRSS"), time.process_time()
    values = work()
    return values, time.process_time() - begin, _status("VmHWM") - held


def _status(name: str) -> float:
    line = next(one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith(name))
    return int(line.split()[1]) / 1024


@torch.inference_mode()
def measure(kind: str, asked: argparse.Namespace) -> dict[str, Any]:
    """All figures of one architecture."""
    model, rng = network(kind, asked.width), random.Random(0)

    def drawn(length: int) -> list[int]:
        return [rng.randrange(1, VOCABULARY) for _ in range(length)]

    history = drawn(asked.history)
    candidates = [drawn(rng.randint(*LENGTHS)) for _ in range(CANDIDATES)]
    found = ways(model, history, candidates, asked.padded)
    score_tokens(model, history[:8], candidates[:1])
    runs = [{name: measured(way) for name, way in found.items()} for _ in range(asked.repeats)]
    values = {name: run[0] for name, run in runs[0].items()}
    seconds = {name: statistics.median(run[name][1] for run in runs) for name in found}
    ours = seconds["history_once"]
    return {
        "cpu_seconds": {name: round(one, 3) for name, one in seconds.items()},
        "times_faster_than": {name: round(one / ours, 1) for name, one in seconds.items() if one != ours},
        "peak_mib": {name: round(max(run[name][2] for run in runs)) for name in found},
        "largest_difference": float(f"{(values['history_once'] - values['separate']).abs().max():.2g}"),
        "values_deviate_by": round(float(values["separate"].std()), 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, default=1000, help="tokens")
    parser.add_argument("--width", type=int, default=1024, help="of a layer; Gemma 2B's is 2048")
    parser.add_argument("--kinds", default=",".join(ARCHITECTURES), help="architectures")
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--padded", action="store_true", help="also one padded batch")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    found = {kind: measure(kind, asked) for kind in asked.kinds.split(",")}
    sizes = {"history_tokens": asked.history, "candidates": CANDIDATES, "width": asked.width}
    print(json.dumps(sizes | found, indent=2))


if __name__ == "__main__":
    main()
