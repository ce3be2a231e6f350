"""Scoring a turn's candidates: the history is read once, and all of them are read against it."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from pasta_core.agent.requests import ValueRequest
from pasta_core.agent.value_model import ValueModel, ValueNetwork
from pasta_core.agent.value_model_packing import Branch, Tree, pack
from pasta_core.errors import InvalidInput, PastaError

__all__ = ["ValueRequest", "fitting", "score", "score_tokens"]


def score(model: ValueModel, request: ValueRequest) -> tuple[float, ...]:
    """f(h, p) of every prompt of a request, in its order.

    A request is always computed alone, so its values never depend on what else is asked at the time. A
    history that overflows the model's context loses its oldest turns. `InvalidInput` where a prompt alone is
    too long, `PastaError` where a value is no number.
    """
    if not request.prompts:
        return ()
    candidates = [model.tokens.candidate(prompt).tokens for prompt in request.prompts]
    segments = model.tokens.history(request.initial_prompt, request.turns)
    history = fitting(segments, model.context - max(map(len, candidates)))
    with torch.inference_mode():
        values = score_tokens(model.network, history, candidates)
    if not bool(torch.isfinite(values).all()):
        raise PastaError("the value model gives values that are no numbers", "use another value model")
    return tuple(values.tolist())


def score_tokens(
    network: ValueNetwork, history: Sequence[int], candidates: Sequence[Sequence[int]]
) -> torch.Tensor:
    """f of each candidate's tokens after the history's, float32 (n,), on the network's device."""
    branches = tuple(Branch(len(history), tuple(tokens)) for tokens in candidates)
    tree = Tree(tuple(history), branches)
    ends = [start + len(branch.tokens) - 1 for start, branch in zip(tree.starts, branches, strict=True)]
    values: torch.Tensor = network(pack([tree]).to(network.device))
    return values[0, ends]


def fitting(segments: Sequence[Sequence[int]], room: int) -> tuple[int, ...]:
    """The history's tokens, without as many of its oldest turns as `room` tokens do not hold.

    The opening is always kept; `InvalidInput` where it alone is too long.
    """
    opening, *turns = segments
    lengths = [len(turn) for turn in turns]
    kept = next((n for n in range(len(turns) + 1) if len(opening) + sum(lengths[n:]) <= room), None)
    if kept is None:
        raise InvalidInput(
            "the initial prompt and a candidate are too long for the value model", "start from a shorter one"
        )
    return (*opening, *(token for turn in turns[kept:] for token in turn))
