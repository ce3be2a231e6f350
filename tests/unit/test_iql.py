"""The losses of E.1 against values computed by hand, and a small world whose best policy is known."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from pasta_core.agent.scoring import ValueRequest, score
from pasta_core.agent.selectors import ValueSelector
from pasta_core.agent.value_model import ValueModel
from pasta_core.data.trajectories import TrajectoryRecord, TurnRecord
from pasta_core.domain import Candidate, CandidateForm, Choice, History, Slate, Turn
from pasta_core.training.iql import (
    IqlLoss,
    bellman_targets,
    best_slate_value,
    expectile_loss,
    iql_loss,
    iql_targets,
    own_rewards_of,
    regression_loss,
    returns_of,
    reward_scale,
    rewards_of,
)
from pasta_core.training.value_batches import ValueBatch, value_batch, value_example
from tests.support.small_gemmas import small_model


def close(found: Tensor, *expected: float) -> bool:
    return torch.allclose(found, torch.tensor(expected, dtype=found.dtype), atol=1e-6)


def test_the_expectile_loss_is_a_lopsided_square() -> None:
    difference = torch.tensor([2.0, -2.0, 0.5, 0.0])
    assert close(expectile_loss(difference, 0.7), 0.7 * 4, 0.3 * 4, 0.7 * 0.25, 0.0)
    assert close(expectile_loss(difference, 0.5), 2.0, 2.0, 0.125, 0.0)


@pytest.mark.parametrize(("alpha", "expected"), [(0.5, 1.5), (0.7, 2.1), (0.9, 2.7)])
def test_its_minimum_is_the_expectile(alpha: float, expected: float) -> None:
    # of 0 and 3 alike: alpha (3 - v) = (1 - alpha) v, so v = 3 alpha
    v = torch.tensor(expected, requires_grad=True)
    expectile_loss(torch.tensor([0.0, 3.0]) - v, alpha).sum().backward()
    assert v.grad is not None and abs(float(v.grad)) < 1e-5


def test_targets_take_the_next_value_as_a_constant_and_nothing_after_the_end() -> None:
    following = torch.tensor([4.0, 0.0], requires_grad=True)
    targets = iql_targets(torch.tensor([1.0, 9.0]), following, discount=0.5)
    assert close(targets, 3.0, 9.0)
    assert not targets.requires_grad


def test_the_loss_by_hand_and_where_its_gradients_go() -> None:
    q = torch.tensor([1.0, 2.0, 5.0], requires_grad=True)
    q_target = torch.tensor([3.0, 0.0, 6.0], requires_grad=True)
    v = torch.tensor([1.0, 4.0], requires_grad=True)
    targets = torch.tensor([2.0, 3.0])
    of, weight = torch.tensor([0, 0, 1]), torch.tensor([0.25, 0.25, 0.5])
    loss = iql_loss(q, q_target, v, targets, of, weight, alpha=0.7)
    # td: (1-2)^2/4 + (2-2)^2/4 + (5-3)^2/2;  expectile of 2, -1, 2: .7*4/4 + .3*1/4 + .7*4/2
    assert float(loss.td.detach()) == pytest.approx(2.25)
    assert float(loss.expectile.detach()) == pytest.approx(0.7 + 0.075 + 1.4)
    assert float(loss.total.detach()) == pytest.approx(2.25 + 2.175)
    assert loss.positive == pytest.approx(0.75)
    loss.total.backward()
    assert q.grad is not None and close(q.grad, -0.5, 0.0, 2.0)
    # d/dv of |alpha - 1{x<0}| (q - v)^2 is -2 |.| x
    assert v.grad is not None and close(v.grad, -2 * 0.7 * 2 / 4 + 2 * 0.3 * 1 / 4, -2 * 0.7 * 2 / 2)
    assert q_target.grad is None


def test_the_best_slate_takes_one_prompt_of_a_category() -> None:
    values = torch.tensor([5.0, 4.0, 1.0, 2.0])
    assert float(best_slate_value(values, "aabc", 2)) == 3.5
    assert float(best_slate_value(values, "aabc", 3)) == pytest.approx(8 / 3)
    assert float(best_slate_value(values, ["", "", "", ""], 2)) == 4.5
    best = torch.tensor([3.5, 0.0], requires_grad=True)
    targets = bellman_targets(torch.tensor([1.0, 2.0]), best, 0.5)
    assert close(targets, 2.75, 2.0) and not targets.requires_grad


def test_plain_regression_by_hand() -> None:
    q = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.tensor([0.5], requires_grad=True)
    weight, of = torch.tensor([0.5, 0.5]), torch.tensor([0, 0])
    loss = regression_loss(q, v, torch.tensor([2.0]), of, weight)
    assert float(loss.td.detach()) == 0.5 and float(loss.expectile.detach()) == 2.25
    loss.total.backward()
    assert q.grad is not None and close(q.grad, -1.0, 0.0)
    assert v.grad is not None and close(v.grad, -3.0)


def test_returns_and_rewards_by_hand() -> None:
    assert returns_of([1.0, 2.0, 3.0], 0.5) == (2.75, 3.5, 3.0)
    assert rewards_of([1.0, 2.0, 3.0], complete=True, sparse=True, scale=10) == (0.0, 0.0, 30.0)
    assert rewards_of([1.0, 2.0], complete=False, sparse=True) is None
    assert rewards_of([None, 2.0], complete=True, sparse=True) == (0.0, 2.0)
    assert rewards_of([1.0, 2.0], complete=False, sparse=False, scale=10) == (10.0, 20.0)
    assert rewards_of([1.0, None], complete=True, sparse=False) is None
    assert rewards_of([], complete=True, sparse=True) is None
    assert rewards_of([], complete=True, sparse=False) is None


def test_what_each_column_would_have_paid_by_hand() -> None:
    scale = reward_scale([(1.0, 5.0), (3.0, 9.0), (2.0, 7.0)])
    assert scale == (2.0, 3.0)
    assert reward_scale([(1.0, 5.0), (1.0, 5.0)]) is None and reward_scale([]) is None
    assert own_rewards_of([(1.0, 0.0), (2.0, -1.0)], scale, sparse=True) == ((0.0, 0.0), (7.0, 1.0))
    assert own_rewards_of([(1.0, 0.0), (2.0, -1.0)], scale, sparse=False) == ((5.0, 3.0), (7.0, 1.0))
    assert own_rewards_of([(1.0, 0.0), None], scale, sparse=False) is None


def test_credit_moves_a_prompts_target_by_what_its_column_was_worth_more() -> None:
    model = small_model("gemma")
    example = value_example(model.tokens, record(TURNS[:1]), (4.0,), own=((7.0, 4.0),))
    read = value_batch([example]).tokens
    assert sorted(set(read.credit.tolist())) == [0.0, 3.0]
    one = torch.ones(len(read.of))
    loss = iql_loss(one * 4, one, torch.zeros(1), torch.tensor([4.0]), read.of, read.weight, 0.7, read.credit)
    assert float(loss.td) == pytest.approx(4.5), "half of the weight misses its target by 3"


def test_without_prefixes_a_prompt_regresses_where_its_value_is_read_and_nowhere_else() -> None:
    model = small_model("gemma")
    example = value_example(model.tokens, record(TURNS[:2]), (4.0, 1.0))
    every, whole = value_batch([example]).tokens, value_batch([example], prefixes=False).tokens
    assert torch.equal(whole.column, every.column[every.whole]) and bool(whole.whole.all())
    assert whole.weight.tolist() == pytest.approx([0.25] * 4), "two turns of two prompts"


def record(
    turns: Sequence[tuple[Sequence[str], Sequence[int], int]], *, complete: bool = True
) -> TrajectoryRecord:
    """A trajectory of (candidates, slate, choice); each candidate is a category of its own."""
    made = [
        TurnRecord(
            number,
            tuple(Candidate(prompt, str(place)) for place, prompt in enumerate(prompts)),
            Slate(tuple(slate)),
            (),
            Choice(choice),
        )
        for number, (prompts, slate, choice) in enumerate(turns, start=1)
    ]
    return TrajectoryRecord("t", "test", complete, "u", "micro", "random", 0, "a train", turns=tuple(made))


WORDS = ("a red train", "a blue train in the snow", "a boat", "a house at night", "sunset by the sea")
TURNS = [(WORDS, (3, 0), 1), (WORDS, (1, 4), 0), (WORDS, (2, 3), 1)]


def loss_of(model: ValueModel, batch: ValueBatch, alpha: float = 0.7) -> IqlLoss:
    """One step's loss, with the network as its own target."""
    values = model.network(batch.packed)
    targets = iql_targets(batch.rewards, batch.v_next(values))
    read = batch.tokens
    return iql_loss(
        read.read(values), read.read(values), batch.v(values), targets, read.of, read.weight, alpha
    )


def gradients(model: ValueModel, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of every parameter, none of which stays behind."""
    parameters = dict(model.network.named_parameters())
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


@pytest.mark.parametrize("kind", ["gemma", "gemma2", "gemma3_text"])
def test_packed_training_equals_separate_sequences(kind: str) -> None:
    model = small_model(kind)
    model.network.double()
    rewards = (1.0, 2.0, 4.0)
    example = value_example(model.tokens, record(TURNS), rewards)
    short = value_example(model.tokens, record(TURNS[:1], complete=False), (3.0,))
    packed = loss_of(model, value_batch([example, short])).total
    gradient = gradients(model, packed)

    apart = separately(model, TURNS, rewards, complete=True) * 3 / 4
    apart = apart + separately(model, TURNS[:1], (3.0,), complete=False) / 4
    assert float(packed.detach()) == pytest.approx(float(apart.detach()), rel=1e-7)
    for name, expected in gradients(model, apart).items():
        near = 1e-6 * float(expected.abs().max())
        assert torch.allclose(gradient[name], expected, rtol=1e-5, atol=near), name


WORD = st.sampled_from(["a", "red", "train", "boat", "at", "night", "in", "snow"])
PROMPT = st.lists(WORD, min_size=1, max_size=9).map(" ".join)


@st.composite
def turns_of(draw: st.DrawFn) -> tuple[list[str], list[int], int]:
    """Candidates of any lengths, and any slate of them."""
    prompts = draw(st.lists(PROMPT, min_size=1, max_size=5, unique=True))
    slate = draw(st.permutations(range(len(prompts))))[: draw(st.integers(1, len(prompts)))]
    return prompts, slate, draw(st.integers(0, len(slate) - 1))


@given(st.lists(turns_of(), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=8)
def test_packed_training_of_random_lengths_and_slates(
    turns: list[tuple[list[str], list[int], int]], complete: bool
) -> None:
    model = small_model("gemma3_text")
    model.network.double()
    rewards = tuple(float(number) for number in range(1, len(turns) + 1))
    example = value_example(model.tokens, record(turns, complete=complete), rewards)
    packed = loss_of(model, value_batch([example])).total
    gradient = gradients(model, packed)
    apart = separately(model, turns, rewards, complete)
    assert float(packed.detach()) == pytest.approx(float(apart.detach()), rel=1e-7)
    for name, expected in gradients(model, apart).items():
        near = 1e-6 * float(expected.abs().max())
        assert torch.allclose(gradient[name], expected, rtol=1e-5, atol=near), name


def separately(
    model: ValueModel,
    turns: Sequence[tuple[Sequence[str], Sequence[int], int]],
    rewards: Sequence[float],
    complete: bool,
) -> Tensor:
    """The loss of one trajectory as E.1 writes it: a sequence of its own for each history and each prompt."""
    told = [ValueRequest.from_history(history_of(turns[:count]), ()).turns for count in range(len(turns) + 1)]
    histories = [
        [token for part in model.tokens.history("a train", shown) for token in part] for shown in told
    ]
    logits = [every_logit(model, tokens)[-1] for tokens in histories]
    if complete:
        logits[-1] = torch.zeros(())
    total = torch.zeros(())
    for turn, (prompts, slate, _) in enumerate(turns):
        target = rewards[turn] + logits[turn + 1].detach()
        for index in slate:
            read = model.tokens.candidate(prompts[index])
            q = every_logit(model, [*histories[turn], *read.tokens])[len(histories[turn]) + read.lead :]
            terms = (q - target).square() + expectile_loss(q.detach() - logits[turn], 0.7)
            total = total + terms.mean() / len(slate) / len(turns)
    return total


def every_logit(model: ValueModel, tokens: Sequence[int]) -> Tensor:
    logits: Tensor = model.network.language_model(input_ids=torch.tensor([list(tokens)])).logits
    return logits[0, :, model.network.logit]


def history_of(turns: Sequence[tuple[Sequence[str], Sequence[int], int]]) -> History:
    made = tuple(
        Turn(
            number,
            tuple(Candidate(prompt, "") for prompt in prompts),
            Slate(tuple(slate)),
            (),
            Choice(choice),
        )
        for number, (prompts, slate, choice) in enumerate(turns, start=1)
    )
    return History("a train", turns=made)


def test_every_transition_and_prompt_weighs_the_same() -> None:
    model = small_model("gemma")
    batch = value_batch(
        [
            value_example(model.tokens, record(TURNS), (0.0, 0.0, 1.0)),
            value_example(model.tokens, record(TURNS[:2]), (0.0, 1.0)),
        ]
    )
    tokens = batch.tokens
    assert float(tokens.weight.sum()) == pytest.approx(1.0)
    for transition in range(5):
        assert float(tokens.weight[tokens.of == transition].sum()) == pytest.approx(1 / 5)
    assert int(tokens.whole.sum()) == 10, "both shown prompts of five turns, chosen or not"
    assert batch.following.tolist() == [1, 2, -1, 4, -1]
    assert len(tokens.of) == sum(
        len(branch.tokens) - what.lead
        for example in batch.examples
        for branch, what in zip(example.tree.branches, example.branches, strict=True)
    )


def test_an_abandoned_trajectory_still_has_a_next_value() -> None:
    model = small_model("gemma")
    whole = value_batch([value_example(model.tokens, record(TURNS[:2]), (1.0, 1.0))])
    cut = value_batch([value_example(model.tokens, record(TURNS[:2], complete=False), (1.0, 1.0))])
    with torch.inference_mode():
        ends, goes_on = whole.v_next(model.network(whole.packed)), cut.v_next(model.network(cut.packed))
    assert float(ends[1]) == 0.0 and float(goes_on[1]) != 0.0
    assert float(ends[0]) == pytest.approx(float(goes_on[0]), abs=1e-5)


def test_bellman_targets_read_every_candidate_of_the_next_turn() -> None:
    model = small_model("gemma")
    made = record(TURNS)
    batch = value_batch([value_example(model.tokens, made, (0.0, 0.0, 1.0), all_candidates=True)])
    with torch.inference_mode():
        found = batch.best_next(model.network(batch.packed))
    for turn in (1, 2):
        values = score(
            model, ValueRequest.from_history(history_of(TURNS[:turn]), made.turns[turn].candidates)
        )
        assert float(found[turn - 1]) == pytest.approx(sum(sorted(values)[-2:]) / 2, abs=1e-4)
    assert float(found[2]) == 0.0
    assert int(batch.tokens.whole.sum()) == 6, "only shown prompts are regressed"
    cut = value_example(model.tokens, record(TURNS, complete=False), (0.0, 0.0, 1.0), all_candidates=True)
    assert cut.rewards == (0.0, 0.0)


FIRST = ("red train", "blue train")
SECOND = ("night train", "snow train")
PAID = {(0, 0): 2.0, (0, 1): 2.0, (1, 0): 0.0, (1, 1): 3.0}
"""Two turns of one prompt each, paid at the end. Best is blue, then snow (3). On average, under the random
slates that the data comes from, red (2) looks better than blue (1.5): who regresses returns chooses red."""


def world() -> list[tuple[TrajectoryRecord, float]]:
    return [
        (record([(FIRST, (first,), 0), (SECOND, (second,), 0)]), paid)
        for (first, second), paid in PAID.items()
    ]


def trained(objective: str) -> ValueModel:
    model = small_model("gemma", seed=1, num_hidden_layers=2, initializer_range=0.08)
    batch = value_batch(
        [
            value_example(model.tokens, made, (0.0, paid), all_candidates=objective == "bellman")
            for made, paid in world()
        ]
    )
    returns = torch.tensor([part for _, paid in world() for part in returns_of((0.0, paid))])
    target = copy.deepcopy(model.network)
    optimizer = torch.optim.Adam(model.network.parameters(), lr=3e-3)
    read = batch.tokens
    for step in range(240):
        if step % 8 == 0:
            target.load_state_dict(model.network.state_dict())
        values = model.network(batch.packed)
        with torch.no_grad():
            behind = target(batch.packed)
        q, v = read.read(values), batch.v(values)
        if objective == "returns":
            loss = regression_loss(q, v, returns, read.of, read.weight)
        else:
            targets = (
                iql_targets(batch.rewards, batch.v_next(values))
                if objective == "iql"
                else bellman_targets(batch.rewards, batch.best_next(behind))
            )
            loss = iql_loss(q, read.read(behind), v, targets, read.of, read.weight, alpha=0.9)
        optimizer.zero_grad()
        loss.total.backward()
        torch.nn.utils.clip_grad_norm_(model.network.parameters(), 1.0)
        optimizer.step()
    return model


def attained(model: ValueModel) -> float:
    """What the greedy policy is paid."""

    class Service:
        async def values(self, history: History, candidates: Sequence[Candidate]) -> Sequence[float]:
            return score(model, ValueRequest.from_history(history, candidates))

    selector = ValueSelector(CandidateForm(), Service())
    taken: list[tuple[Sequence[str], Sequence[int], int]] = []
    for prompts in (FIRST, SECOND):
        candidates = [Candidate(prompt, str(place)) for place, prompt in enumerate(prompts)]
        slate = asyncio.run(selector.select(history_of(taken), candidates, 1, seed=0))
        taken.append((prompts, slate.indices, 0))
    return PAID[taken[0][1][0], taken[1][1][0]]


@pytest.mark.parametrize(("objective", "paid"), [("iql", 3.0), ("bellman", 3.0), ("returns", 2.0)])
def test_the_learned_policy_attains_the_optimum(objective: str, paid: float) -> None:
    assert attained(trained(objective)) == paid
