"""The second phase (D.3, §6.2): sessions teach choices, and the whole model, CLIP included, learns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from pasta_core.training.ahead import Ahead
from pasta_core.training.devices import ONE_DEVICE, Devices
from pasta_core.training.em import entropy_sum, group_sums, moved_prior, posterior
from pasta_core.training.em_state import EmState
from pasta_core.training.losses import choice_loss, multi_turn_loss, preference_loss
from pasta_core.training.presets import SequentialConfig
from pasta_core.training.session_batches import SessionBatch, SessionLoader
from pasta_core.training.session_labels import TrainingSession
from pasta_core.users.choice import at_column
from pasta_core.users.likelihood import log_preference
from pasta_core.users.user_model import UserModel

__all__ = ["ClipUserModel", "ForeseenChoices", "Sequential", "TurnScores", "foresee", "turn_scores"]


class ClipUserModel(nn.Module):
    """A user model together with the CLIP whose outputs it reads."""

    def __init__(self, network: Any, users: UserModel) -> None:
        super().__init__()
        self.network = network
        self.users = users

    @property
    def prior(self) -> Tensor:
        """eta (K,)."""
        return self.users.prior

    def forward(self, batch: SessionBatch, columns: int) -> Tensor:
        """Utilities R_theta (T, K, L) of every turn's columns, against the session's initial prompt."""
        images = self.network.encode_image(batch.pixels)
        texts = self.network.encode_text(batch.tokens)
        count, turns = len(images), len(batch.session)
        rows = torch.arange(count, device=images.device)
        sessions = batch.session.repeat_interleave(count // turns)
        scores = self.users.scores(self.users.cosines(images, texts, rows, sessions))
        by_column = scores.view(turns, columns, count // turns // columns, -1)
        return self.users.utilities(by_column.permute(0, 3, 1, 2))


@dataclass(frozen=True)
class TurnScores:
    """What a model makes of a batch of sessions."""

    log_choices: Tensor
    """log C_theta (T, K, L)."""
    in_turn: tuple[Tensor, Tensor]
    """Utilities (p, K) of the two columns of each in-turn label."""
    cross_turn: tuple[Tensor, Tensor]
    """Utilities (c, K) of the reconfirmed columns of each compared turn and of the one before it."""


def turn_scores(model: ClipUserModel, batch: SessionBatch, columns: int) -> TurnScores:
    """Score a batch."""
    utilities = model(batch, columns)
    turn, first, second = batch.in_turn.unbind(-1)
    selected = at_column(utilities, batch.selected)
    return TurnScores(
        log_choices=model.users.log_choices(utilities),
        in_turn=(at_column(utilities[turn], first), at_column(utilities[turn], second)),
        cross_turn=(selected[batch.cross_turn], selected[batch.cross_turn - 1]),
    )


class Sequential:
    """Algorithm 1 on sessions; calling it with a step's number gives that step's loss.

    The E-step sees choices and cross-turn labels, not in-turn ones, which repeat the choice; a rater's other
    sessions are not looked up for it.
    """

    def __init__(
        self,
        state: EmState[ClipUserModel],
        loader: SessionLoader,
        columns: int,
        config: SequentialConfig,
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.state = state
        self._columns = columns
        self._config = config
        self._devices = devices
        self._batches = Ahead(lambda step: loader.batch(step, devices.index, devices.count))
        self.entropy = torch.zeros(2)

    def __call__(self, step: int) -> Tensor:
        """The step's loss."""
        self.state.update_target(step, self._config.target_every)
        batch = self._batches(step)
        gamma = self._expect(batch)
        return self._loss(batch, gamma)

    @torch.no_grad()
    def _expect(self, batch: SessionBatch) -> Tensor:
        scores = turn_scores(self.state.target, batch, self._columns)
        prior = self.state.live.prior
        gamma = posterior(prior, session_log_likelihoods(scores, batch))
        self.entropy = entropy_sum(gamma)
        ones = torch.ones(len(gamma), device=gamma.device)
        prior.copy_(moved_prior(prior, gamma, ones, self._config.alpha_prior, self._devices))
        return gamma

    def _loss(self, batch: SessionBatch, gamma: Tensor) -> Tensor:
        scores = turn_scores(self.state.live, batch, self._columns)
        choices, in_turns, cross_turns = batch.counts
        of_turn = gamma[batch.session]
        weight = batch.readable * batch.weight
        choice = choice_loss(of_turn, scores.log_choices, batch.chosen, choices, weight)
        turn = batch.in_turn[:, 0]
        in_turn = preference_loss(of_turn[turn], *scores.in_turn, batch.in_turn_label, in_turns, weight[turn])
        cross_turn = preference_loss(
            of_turn[batch.cross_turn],
            *scores.cross_turn,
            batch.cross_turn_label,
            cross_turns,
            weight[batch.cross_turn] * batch.readable[batch.cross_turn - 1],
        )
        return multi_turn_loss(choice, in_turn, cross_turn, self._config.kappa_2, self._config.kappa_3)


def session_log_likelihoods(scores: TurnScores, batch: SessionBatch) -> Tensor:
    """log of the E-step's product over a session's choices and cross-turn labels: (b, K)."""
    choices = batch.readable.unsqueeze(-1) * at_column(scores.log_choices, batch.chosen)
    crossing = log_preference(*scores.cross_turn, batch.cross_turn_label)
    crossing = _both_readable(batch).unsqueeze(-1) * crossing
    return group_sums(choices, batch.turns) + group_sums(crossing, batch.cross_turns)


def _both_readable(batch: SessionBatch) -> Tensor:
    return batch.readable[batch.cross_turn] * batch.readable[batch.cross_turn - 1]


@dataclass(frozen=True)
class ForeseenChoices:
    """How well choices are foreseen from the choices before them in the session."""

    loss: float
    """Mean negative log probability in nats; log L by chance."""
    accuracy: float


@torch.no_grad()
def foresee(
    model: ClipUserModel, loader: SessionLoader, sessions: tuple[TrainingSession, ...], columns: int
) -> ForeseenChoices:
    """Foresee every choice of some sessions whose pictures can be read; no number where there are none."""
    losses: list[float] = []
    right = 0
    for session in sessions:
        batch = loader.of([session])
        log_choices = model.users.log_choices(model(batch, columns))
        belief = model.prior.log()
        for turn, chosen in enumerate(session.chosen):
            if not batch.readable[turn]:
                continue
            foreseen = torch.logsumexp(belief.log_softmax(-1).unsqueeze(-1) + log_choices[turn], 0)
            losses.append(-foreseen[chosen].item())
            right += int(foreseen.argmax().item() == chosen)
            belief = belief + log_choices[turn, :, chosen]
    if not losses:
        return ForeseenChoices(float("nan"), float("nan"))
    return ForeseenChoices(sum(losses) / len(losses), right / len(losses))
