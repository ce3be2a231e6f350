"""Scoring against one encoded history, held to plain forward passes of the library's own models.

The reference reads `logits` of an ordinary call: no mask, no positions, one sequence at a time. So whatever a
shortcut gets wrong in transformers (masks read as packed sequences, bool masks added to scores, one mask for
windows of two lengths, soft caps left out) shows here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.agent.requests import ShownTurn
from pasta_core.agent.scoring import ValueRequest, fitting, score, score_tokens
from pasta_core.agent.value_model import ValueNetwork
from pasta_core.agent.value_model_packing import Branch, Tree, pack
from pasta_core.domain import Candidate, Choice, History, Slate, Turn
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError
from tests.support.small_gemmas import (
    ARCHITECTURES,
    LOGIT,
    VOCABULARY,
    WINDOW,
    plain_language_model,
    small_model,
    small_network,
)

NETWORKS = {kind: small_network(kind) for kind in ARCHITECTURES}
PLAIN = cache(plain_language_model)

token = st.integers(0, VOCABULARY - 1)


def plain(network: ValueNetwork, tokens: Sequence[int]) -> float:
    """The value at the last token of a sequence by itself."""
    with torch.inference_mode():
        return float(PLAIN(network)(input_ids=torch.tensor([list(tokens)])).logits[0, -1, LOGIT])


@pytest.mark.parametrize("kind", ARCHITECTURES)
@given(
    history=st.lists(token, min_size=1, max_size=40),
    candidates=st.lists(st.lists(token, min_size=1, max_size=12), min_size=1, max_size=6),
)
@settings(deadline=None, max_examples=25)
def test_scores_equal_those_of_separate_passes(
    kind: str, history: list[int], candidates: list[list[int]]
) -> None:
    network = NETWORKS[kind]
    with torch.inference_mode():
        scores = score_tokens(network, history, candidates)
    assert scores.dtype == torch.float32
    expected = [plain(network, [*history, *candidate]) for candidate in candidates]
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_turn_of_25_on_a_history_beyond_every_window(kind: str) -> None:
    network = NETWORKS[kind]
    draw = torch.Generator().manual_seed(3)
    history = torch.randint(VOCABULARY, (40 * WINDOW,), generator=draw).tolist()
    lengths = torch.randint(1, 3 * WINDOW, (25,), generator=draw).tolist()
    candidates = [torch.randint(VOCABULARY, (length,), generator=draw).tolist() for length in lengths]
    with torch.inference_mode():
        scores = score_tokens(network, history, candidates)
    expected = [plain(network, [*history, *candidate]) for candidate in candidates]
    assert scores.tolist() == pytest.approx(expected, abs=1e-4)
    assert scores.std() > 0.01, "values that hardly differ would prove nothing"


@pytest.mark.parametrize("kind", ARCHITECTURES)
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_every_token_of_a_packed_batch_equals_its_own_sequence(kind: str, data: st.DataObject) -> None:
    network = NETWORKS[kind]
    trees = data.draw(st.lists(trees_of(), min_size=1, max_size=3))
    with torch.inference_mode():
        values = network(pack(trees))
    for row, tree in enumerate(trees):
        length = data.draw(st.integers(1, len(tree.trunk)))
        assert float(values[row, length - 1]) == pytest.approx(plain(network, tree.trunk[:length]), abs=1e-4)
        for start, branch in zip(tree.starts, tree.branches, strict=True):
            place = data.draw(st.integers(0, len(branch.tokens) - 1))
            alone = [*tree.trunk[: branch.at], *branch.tokens[: place + 1]]
            assert float(values[row, start + place]) == pytest.approx(plain(network, alone), abs=1e-4)


@st.composite
def trees_of(draw: st.DrawFn) -> Tree:
    """A trunk with branches that leave it anywhere."""
    trunk = tuple(draw(st.lists(token, min_size=1, max_size=30)))
    branch = st.builds(
        lambda at, tokens: Branch(at, tuple(tokens)),
        st.integers(1, len(trunk)),
        st.lists(token, min_size=1, max_size=10),
    )
    return Tree(trunk, tuple(draw(st.lists(branch, max_size=4))))


def test_padding_does_not_become_nan_in_either_direction() -> None:
    for network in NETWORKS.values():
        short, long = Tree((5,)), Tree((7, 8, 9), (Branch(2, (1, 2, 3)),))
        values = network(pack([short, long]))
        assert torch.isfinite(values).all()
        values.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
        network.zero_grad()


def test_each_architecture_attends_in_a_way_that_knows_its_caps() -> None:
    used = {kind: network.config._attn_implementation for kind, network in NETWORKS.items()}
    assert used == {"gemma": "sdpa", "gemma2": "capped", "gemma3_text": "sdpa"}
    assert small_network("gemma3_text", attn_logit_softcapping=2.0).config._attn_implementation == "capped"


def test_the_offset_moves_every_value_alike() -> None:
    moved = ValueNetwork(NETWORKS["gemma2"].language_model, LOGIT, offset=40.0)
    with torch.inference_mode():
        before = score_tokens(NETWORKS["gemma2"], [1, 2, 3], [[4], [5, 6]])
        after = score_tokens(moved, [1, 2, 3], [[4], [5, 6]])
    assert torch.allclose(after - before, torch.tensor(40.0))


def test_a_logit_outside_the_vocabulary_and_a_model_that_looks_ahead_are_refused() -> None:
    with pytest.raises(ModelUnavailable, match=f"vocabulary of {VOCABULARY}"):
        ValueNetwork(NETWORKS["gemma"].language_model, VOCABULARY)
    with pytest.raises(ModelUnavailable, match="both directions"):
        small_network("gemma3_text", use_bidirectional_attention=True)


TURN = Turn(
    number=1,
    candidates=tuple(Candidate(f"a train {number}", str(number)) for number in range(5)),
    slate=Slate((3, 1)),
    choice=Choice(1, "darker"),
)


def test_a_request_survives_its_journey_and_holds_what_was_shown() -> None:
    request = ValueRequest.from_history(History("a train", turns=(TURN,)), TURN.candidates[:2])
    assert request.turns == (ShownTurn(("a train 3", "a train 1"), 1, "darker"),)
    assert request.prompts == ("a train 0", "a train 1")
    assert ValueRequest.from_json(request.to_json()) == request


def test_a_request_is_scored_as_its_text_reads() -> None:
    model = small_model("gemma")
    request = ValueRequest("a train", (ShownTurn(("a red train", "snow"), 0),), ("a boat", "a red boat"))
    segments = model.tokens.history(request.initial_prompt, request.turns)
    history = [token for segment in segments for token in segment]
    expected = [
        plain(model.network, [*history, *model.tokens.candidate(prompt).tokens]) for prompt in request.prompts
    ]
    assert score(model, request) == pytest.approx(expected, abs=1e-4)
    assert score(model, request) == score(model, request)
    assert score(model, ValueRequest("a train", (), ())) == ()


def test_a_history_too_long_for_the_context_loses_its_oldest_turns() -> None:
    segments = ((1, 2), (3, 4, 5), (6,), (7, 8))
    assert fitting(segments, 8) == (1, 2, 3, 4, 5, 6, 7, 8)
    assert fitting(segments, 7) == (1, 2, 6, 7, 8)
    assert fitting(segments, 4) == (1, 2, 7, 8)
    assert fitting(segments, 2) == (1, 2)
    with pytest.raises(InvalidInput, match="too long"):
        fitting(segments, 1)
    model = small_model("gemma", max_position_embeddings=40)
    turns = tuple(ShownTurn((f"a red train {number} in the snow",), 0) for number in range(10))
    assert len(score(model, ValueRequest("a train", turns, ("a boat",)))) == 1


def test_values_that_are_no_numbers_are_an_error() -> None:
    model = small_model("gemma")
    with torch.no_grad():
        model.network.language_model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(PastaError, match="no numbers"):
        score(model, ValueRequest("a train", (), ("a boat",)))
