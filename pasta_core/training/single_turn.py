"""The first phase (Algorithm 1, §6.2): user encoders learn from single-turn labels, CLIP stays frozen.

What EM needed on planted mixtures of 4 types in 32 dimensions, by accuracy on new raters (half of their
labels give the posterior) and the adjusted Rand index (ARI) of the types found. 960 raters of 24 pairs: an
oracle has 0.831, known types 0.808 and ARI 0.81, one type 0.68.

- *Heads that differ from the start*: 0.806 and ARI 0.82 with the usual initial weights, 0.673 and 0.00 after
  200 steps with a last layer of zeros, which never leaves K equal types.
- *Several labels a rater*: with as many labels in all, 2 pairs a rater give 0.682 and ARI 0.02, 6 give 0.701
  and 0.11 (by 3), 24 what is said above.
- *A target network that keeps up*: copied every step 0.806 after 100 steps, every 16 steps 0.767 (and 0.805
  after 150), every 256 steps 0.689 after 300. The paper's 256 belongs to its 50,000 steps.
- *Fewer passes and more weight decay where raters are few*: 320 raters of 24 pairs are learnt by heart, and
  types with them. Weight decay 1e-4, 1, 3 ends at 0.698, 0.724, 0.742 after 200 steps; 600 steps at decay 2
  fall from 0.742 to 0.690 (and the 960 raters from 0.808 to 0.786). Known types reach 0.755.
- *Types to spare* do no harm: 8 for 4 have 0.802. No type died.

And on planted raters of the microworld, 8 types, 784,000 labels of 14,000 pictures, by the loss (nats) on new
raters and pictures and the ARI with their archetypes (docs/user-model.md): with 25 labels a rater 0.411 and
0.08 after 400 steps, with 100 of a quarter of the raters, all in the posterior, 0.402 and 0.14.
"""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from pasta_core.training.ahead import Ahead
from pasta_core.training.devices import ONE_DEVICE, Devices
from pasta_core.training.em import entropy_sum, group_sums, moved_prior, posterior
from pasta_core.training.em_state import EmState
from pasta_core.training.embedded_labels import EmbeddedLabels
from pasta_core.training.label_batches import LabelBatch, LabelSampler
from pasta_core.training.losses import mixture_loss, preference_loss, relevance_loss
from pasta_core.training.presets import SingleTurnConfig
from pasta_core.training.smoothing import EmbeddingNoise, average_into
from pasta_core.users.likelihood import log_preference, log_relevance
from pasta_core.users.user_model import UserModel

__all__ = ["LabelScores", "SingleTurn", "label_scores", "rater_log_likelihoods"]


@dataclass(frozen=True)
class LabelScores:
    """What a model makes of a batch: scores (p, K) of the pairs' images, means (r, K) of the ratings."""

    first: Tensor
    second: Tensor
    mean: Tensor


def label_scores(model: UserModel, batch: LabelBatch) -> LabelScores:
    """Score every label's images for every type; a distinct image or prompt is encoded once."""
    pairs, ratings = batch.pairs, batch.ratings
    cosines = model.cosines(
        batch.images,
        batch.texts,
        torch.cat([pairs.first, pairs.second, ratings.image]),
        torch.cat([pairs.text, pairs.text, ratings.text]),
    )
    count = len(pairs.first)
    scores = model.scores(cosines[: 2 * count])
    return LabelScores(scores[:count], scores[count:], model.relevance(cosines[2 * count :]))


def rater_log_likelihoods(scores: LabelScores, batch: LabelBatch, nu: float) -> Tensor:
    """log of the E-step's product over all labels of each rater: (g, K). No weight enters it."""
    of_pairs = log_preference(scores.first, scores.second, batch.pairs.label)
    of_ratings = log_relevance(scores.mean, batch.ratings.value, nu)
    return group_sums(of_pairs, batch.pairs.lengths) + group_sums(of_ratings, batch.ratings.lengths)


class SingleTurn:
    """Algorithm 1 on embedded labels; calling it with a step's number gives that step's loss."""

    def __init__(
        self,
        state: EmState[UserModel],
        labels: EmbeddedLabels,
        config: SingleTurnConfig,
        seed: int,
        devices: Devices = ONE_DEVICE,
    ) -> None:
        self.state = state
        self._config = config
        self._devices = devices
        self._images = EmbeddingNoise(labels.images, config.noise, seed, "images")
        self._texts = EmbeddingNoise(labels.texts, config.noise, seed, "texts")
        sampler = LabelSampler(labels, config.batch, seed, config.most_labels)
        self._batches = Ahead(lambda step: sampler.batch(step, devices.device, devices.index, devices.count))
        self.entropy = torch.zeros(2)
        """Entropy in nats of the last step's posteriors, summed, and how many they were."""

    def __call__(self, step: int) -> Tensor:
        """Lines 4 to 7: the batch, the E-step, the prior, and the loss whose gradient is line 6's."""
        self._follow(step)
        batch = self._batches(step)
        gamma = self._expect(batch)
        return self._loss(self._noisy(batch, step), gamma)

    @property
    def result(self) -> UserModel:
        """What is kept of the training: theta, or its average where there is one, with the prior."""
        if not self._config.target_average:
            return self.state.live
        self.state.target.prior.copy_(self.state.live.prior)
        return self.state.target

    def _follow(self, step: int) -> None:
        if not self._config.target_average:
            self.state.update_target(step, self._config.target_every)
        elif step % self._config.target_every == 0:
            average_into(self.state.target, self.state.live, step, self._config.target_average)

    def _noisy(self, batch: LabelBatch, step: int) -> LabelBatch:
        if not self._config.noise:
            return batch
        return replace(
            batch,
            images=self._images(batch.images, batch.image_rows, step),
            texts=self._texts(batch.texts, batch.text_rows, step),
        )

    @torch.no_grad()
    def _expect(self, batch: LabelBatch) -> Tensor:
        live, target = self.state.live, self.state.target
        with self._precision():
            scores = label_scores(target, batch)
        gamma = posterior(live.prior, rater_log_likelihoods(scores, batch, live.config.nu))
        self.entropy = entropy_sum(gamma)
        alpha = self._config.alpha_prior
        live.prior.copy_(moved_prior(live.prior, gamma, batch.rater_weight, alpha, self._devices))
        return gamma

    def _loss(self, batch: LabelBatch, gamma: Tensor) -> Tensor:
        model, pairs, ratings = self.state.live, batch.pairs, batch.ratings
        with self._precision():
            scores = label_scores(model, batch)
        preference = preference_loss(
            gamma.repeat_interleave(pairs.lengths, 0),
            scores.first,
            scores.second,
            pairs.label,
            batch.pair_mass / self._devices.count,
            pairs.weight,
        )
        relevance = relevance_loss(
            gamma.repeat_interleave(ratings.lengths, 0),
            scores.mean,
            ratings.value,
            model.config.nu,
            batch.rating_mass / self._devices.count,
            ratings.weight,
        )
        return mixture_loss(preference, relevance, self._config.kappa_1)

    def _precision(self) -> AbstractContextManager[object]:
        if self._config.precision == "bfloat16":
            return torch.autocast(self._devices.device.type, torch.bfloat16)
        return contextlib.nullcontext()
