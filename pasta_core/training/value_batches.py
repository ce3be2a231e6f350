"""Whole trajectories as batches of the value model: each history is encoded once for all that hangs on it.

One row is one trajectory: the history's text is the trunk, where v(h_t) is read at the end of what is told
before turn t, and the prompts of turn t are branches that leave it there. That is exact, and takes several
times fewer tokens than a sequence for each history and prompt.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from pasta_core.agent.requests import ShownTurn
from pasta_core.agent.value_model_packing import Branch, Packed, Tree, pack
from pasta_core.agent.value_model_tokens import ValueTokens
from pasta_core.data.trajectories import TrajectoryRecord, TurnRecord
from pasta_core.training.iql import best_slate_value

__all__ = ["BatchTokens", "PromptBranch", "ValueBatch", "ValueExample", "value_batch", "value_example"]


@dataclass(frozen=True, slots=True)
class PromptBranch:
    """What a branch of an example's tree stands for: a prompt of turn `turn` (0-based).

    `lead` is how many of its tokens lead to the prompt, `shown` whether it stood in the slate. `credit` is by
    how much its own column was worth more than the slate's reward, 0 where that is not asked for.
    """

    turn: int
    lead: int
    category: str
    shown: bool
    credit: float = 0.0


@dataclass(frozen=True)
class ValueExample:
    """One trajectory: its tree, what each branch is, and where in the trunk each history ends.

    `rewards` has one per transition. `ends` has one place per history that is valued: h_1 to h_n, and h_{n+1}
    where the trajectory stopped before its planned end, which has a value still.
    """

    tree: Tree
    branches: tuple[PromptBranch, ...]
    ends: tuple[int, ...]
    rewards: tuple[float, ...]
    columns: int

    @property
    def longest(self) -> int:
        """The longest history with a prompt, in tokens; the model's context must hold it."""
        return max(branch.at + len(branch.tokens) for branch in self.tree.branches)


def value_example(
    tokens: ValueTokens,
    record: TrajectoryRecord,
    rewards: Sequence[float],
    *,
    all_candidates: bool = False,
    also: Collection[int] = (),
    own: Sequence[Sequence[float]] | None = None,
) -> ValueExample:
    """The example of a trajectory of one turn or more; `rewards` as `iql.rewards_of` gives them.

    `all_candidates` takes also the prompts that weren't shown, which the Bellman targets need: then the last
    turn of a trajectory that was abandoned only serves the one before it. `also` names turns (0-based) whose
    other prompts are taken for measuring alone. `own[t][l]` is what turn t's column l was worth by itself.
    """
    turns = record.turns
    told = [_shown_turn(turn) for turn in turns]
    segments = tokens.history(record.initial_prompt, told)
    histories = len(turns) if record.complete or all_candidates else len(turns) + 1
    ends = tuple(accumulate(len(segment) for segment in segments[:histories]))
    branches, meanings = [], []
    for number, turn in enumerate(turns):
        for index, candidate in enumerate(turn.candidates):
            shown = index in turn.slate.indices
            if shown or all_candidates or number in also:
                read = tokens.candidate(candidate.prompt)
                credit = 0.0
                if shown and own is not None:
                    credit = own[number][turn.slate.indices.index(index)] - rewards[number]
                branches.append(Branch(ends[number], read.tokens))
                meanings.append(PromptBranch(number, read.lead, candidate.category, shown, credit))
    trunk = tuple(token for segment in segments[:histories] for token in segment)
    transitions = len(turns) - (all_candidates and not record.complete)
    return ValueExample(
        Tree(trunk, tuple(branches)),
        tuple(meanings),
        tuple(end - 1 for end in ends),
        tuple(rewards[:transitions]),
        len(turns[-1].slate.indices),
    )


@dataclass(frozen=True)
class BatchTokens:
    """The regressed tokens: `row`, `column` (n,) in the batch, `of` (n,) their transition, `weight` (n,).

    `whole` (n,) says where a token is its prompt's last, so that its value is f(h, p) itself; `credit` (n,)
    is its prompt's.
    """

    row: Tensor
    column: Tensor
    of: Tensor
    weight: Tensor
    whole: Tensor
    credit: Tensor

    def read(self, values: Tensor) -> Tensor:
        """Their values (n,) of all the batch's (rows, width)."""
        return values[self.row, self.column]


@dataclass(frozen=True)
class ValueBatch:
    """A batch of trajectories with t transitions.

    `state_row`, `state_column` (s,) are where histories end; `state` (t,) is the place of a transition's
    history among them, `following` (t,) that of the history after it, -1 where v is 0; `turn` (t,) its number
    in its trajectory, from 0.
    """

    packed: Packed
    tokens: BatchTokens
    state_row: Tensor
    state_column: Tensor
    state: Tensor
    following: Tensor
    turn: Tensor
    rewards: Tensor
    examples: tuple[ValueExample, ...]

    def v(self, values: Tensor) -> Tensor:
        """v(h_t) of every transition, (t,), of all the batch's values (rows, width)."""
        return self._states(values)[self.state]

    def v_next(self, values: Tensor) -> Tensor:
        """v(h_{t+1}) of every transition, (t,); 0 after the last turn."""
        return torch.where(self.following >= 0, self._states(values)[self.following], 0.0)

    def best_next(self, values: Tensor) -> Tensor:
        """max_P q(h_{t+1}, P) of every transition, (t,), over the next turn's branches; 0 after the last.

        `values` (rows, width) are the target network's (`iql.bellman_targets`).
        """
        found = []
        for row, example in enumerate(self.examples):
            starts = example.tree.starts
            for turn in range(1, len(example.rewards) + 1):
                places = [place for place, what in enumerate(example.branches) if what.turn == turn]
                ends = [starts[place] + len(example.tree.branches[place].tokens) - 1 for place in places]
                categories = [example.branches[place].category for place in places]
                best = best_slate_value(values[row, ends], categories, example.columns) if places else None
                found.append(values.new_zeros(()) if best is None else best)
        return torch.stack(found)

    def _states(self, values: Tensor) -> Tensor:
        return values[self.state_row, self.state_column]


def value_batch(
    examples: Sequence[ValueExample],
    device: torch.device | str = "cpu",
    *,
    transitions: float | None = None,
    padding: int = 0,
    prefixes: bool = True,
) -> ValueBatch:
    """Pack examples into a batch, or into the part of one that has `transitions` in all.

    Every transition weighs the same, and within it every shown prompt, and within that every token prefix:
    the sums of E.1 become means, or long prompts and long trajectories would count more. Without `prefixes` a
    prompt regresses at its last token alone.
    """
    token_rows: list[tuple[int, int, int, float, bool, float]] = []
    states: list[tuple[int, int]] = []
    state: list[int] = []
    following: list[int] = []
    transitions = transitions or sum(len(example.rewards) for example in examples)
    for row, example in enumerate(examples):
        first, before = len(states), len(state)
        turns, last = len(example.rewards), len(example.ends) - 1
        states += [(row, end) for end in example.ends]
        state += [first + turn for turn in range(turns)]
        following += [first + turn + 1 if turn < last else -1 for turn in range(turns)]
        for start, branch, what in zip(
            example.tree.starts, example.tree.branches, example.branches, strict=True
        ):
            if what.shown and what.turn < turns:
                prompts = sum(other.shown and other.turn == what.turn for other in example.branches)
                # a prompt that leaves no token is valued by the words that lead to it
                last = len(branch.tokens) - 1
                places = range(min(what.lead, last) if prefixes else last, len(branch.tokens))
                weight = 1 / (transitions * prompts * len(places))
                token_rows += [
                    (row, start + place, before + what.turn, weight, place == places[-1], what.credit)
                    for place in places
                ]
    tokens = BatchTokens(*(torch.tensor(part, device=device) for part in zip(*token_rows, strict=True)))
    state_row, state_column = torch.tensor(states, device=device).unbind(1)
    rewards = [reward for example in examples for reward in example.rewards]
    return ValueBatch(
        packed=pack([example.tree for example in examples], padding).to(device),
        tokens=tokens,
        state_row=state_row,
        state_column=state_column,
        state=torch.tensor(state, device=device),
        following=torch.tensor(following, device=device),
        turn=torch.tensor(
            [turn for example in examples for turn in range(len(example.rewards))], device=device
        ),
        rewards=torch.tensor(rewards, device=device),
        examples=tuple(examples),
    )


def _shown_turn(turn: TurnRecord) -> ShownTurn:
    prompts = tuple(turn.candidates[index].prompt for index in turn.slate.indices)
    return ShownTurn(prompts, turn.choice.column, turn.choice.critique)
