"""Nucleus sampling among the tokens that a grammar allows, exact and without asking about every token."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["SHORTLIST", "NotNumbers", "NothingAllowed", "TokenMask", "sample_nucleus"]

SHORTLIST = 256
"""How many of the likeliest tokens the grammar is asked about first."""

TokenMask = Callable[[npt.NDArray[np.int32]], npt.NDArray[np.bool_]]
"""Which of these tokens the grammar allows next."""


class NothingAllowed(Exception):
    """The grammar allows no token of the vocabulary here."""


class NotNumbers(Exception):
    """The model computed NaN."""


def sample_nucleus(
    logits: npt.NDArray[np.float32],
    allowed: TokenMask,
    rng: np.random.Generator,
    *,
    nucleus: float,
    temperature: float = 1.0,
) -> int:
    """Draw a token from the nucleus of the allowed tokens (App. E.2: p = 0.8, temperature 1).

    The nucleus is the smallest set of likeliest allowed tokens that holds at least `nucleus` of the allowed
    probability, as the model gives it: `temperature` comes last, as in llama.cpp, and only shifts the odds
    inside the nucleus. One of 1 is everything.

    A grammar over a whole vocabulary costs tens of milliseconds, so it is asked about the `SHORTLIST` first;
    its answer stands if the nucleus is the same whether the grammar allows everything or nothing of the rest,
    else the whole vocabulary is asked. `logits` has shape (vocabulary,) and is not changed; temperature 0
    takes the likeliest. `NothingAllowed` where the grammar allows no token, `NotNumbers` where a logit is
    NaN.
    """
    peak = logits.max()
    if np.isnan(peak):
        raise NotNumbers
    if temperature <= 0:
        return _likeliest(logits, allowed)
    shifted = logits - peak
    # a nucleus of everything must not lose what heat makes likely
    heat = max(1.0, temperature) if nucleus >= 1 else 1.0
    if len(shifted) > SHORTLIST:
        shortlist = np.argpartition(shifted, -SHORTLIST)[-SHORTLIST:].astype(np.int32)
        inside = _weights(shifted[shortlist], heat)
        tokens, cumulative = _ranked(shortlist, inside, allowed(shortlist))
        if len(tokens):
            rest = _rest(shifted, shortlist, heat)
            size = _nucleus_size(cumulative, nucleus * cumulative[-1])
            if size == _nucleus_size(cumulative, nucleus * (cumulative[-1] + rest)) <= len(tokens):
                return _draw(tokens[:size], shifted, temperature, rng)
    weights = _weights(shifted, heat)
    everything = np.arange(len(weights), dtype=np.int32)
    tokens, cumulative = _ranked(everything, weights, allowed(everything) & (weights > 0))
    if not len(tokens):
        raise NothingAllowed
    size = min(_nucleus_size(cumulative, nucleus * cumulative[-1]), len(tokens))
    return _draw(tokens[:size], shifted, temperature, rng)


def _weights(shifted: npt.NDArray[np.float32], temperature: float) -> npt.NDArray[np.float64]:
    weights: npt.NDArray[np.float64] = np.exp(shifted.astype(np.float64) / temperature)
    return weights


def _rest(shifted: npt.NDArray[np.float32], shortlist: npt.NDArray[np.int32], temperature: float) -> float:
    """No less than the weight of all tokens outside the shortlist, and hardly more.

    In float32, which is ten times as fast over a whole vocabulary; the certificate holds for any upper bound.
    """
    weights = np.exp(shifted / np.float32(temperature))
    weights[shortlist] = 0
    return float(weights.sum(dtype=np.float64)) * (1 + 1e-4) + len(weights) * float(np.finfo(np.float32).tiny)


def _ranked(
    tokens: npt.NDArray[np.int32], weights: npt.NDArray[np.float64], ok: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """The allowed tokens, likeliest first (ties in the vocabulary's order), and their cumulative weights."""
    tokens, weights = tokens[ok], weights[ok]
    order = np.lexsort((tokens, -weights))
    return tokens[order], np.cumsum(weights[order])


def _nucleus_size(cumulative: npt.NDArray[np.float64], threshold: float) -> int:
    return int(np.searchsorted(cumulative, threshold)) + 1


def _draw(
    tokens: npt.NDArray[np.int32],
    shifted: npt.NDArray[np.float32],
    temperature: float,
    rng: np.random.Generator,
) -> int:
    """One of the tokens, which are ranked, at a temperature."""
    kept = shifted[tokens]
    if temperature < 1:
        # all weights would vanish where the grammar leaves only what is unlikely
        kept = kept - kept[0]
    cumulative = np.cumsum(_weights(kept, temperature))
    point = rng.random() * cumulative[-1]
    return int(tokens[min(int(np.searchsorted(cumulative, point, side="right")), len(tokens) - 1)])


def _likeliest(logits: npt.NDArray[np.float32], allowed: TokenMask) -> int:
    tokens = np.arange(len(logits), dtype=np.int32)
    ok = allowed(tokens)
    if not ok.any():
        raise NothingAllowed
    return int(tokens[ok][np.argmax(logits[ok])])
