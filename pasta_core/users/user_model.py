"""The user model of §5.1: K user types, each with its scores, utilities and choices, and its share."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from pasta_core.errors import InvalidInput
from pasta_core.users.choice import ChoiceTemperature, log_choice_probabilities
from pasta_core.users.user_encoder import UserEncoder
from pasta_core.users.utility import Aggregator, utility

__all__ = ["UserModel", "UserModelConfig"]

_SHORTEST = 1e-6
"""Lengths below it count as it: an embedding of zeros has cosine 0, not no number."""

_LOG_LARGEST_SCALE = math.log(100.0)


@dataclass(frozen=True)
class UserModelConfig:
    """The shape of a user model and what it was not taught. Out of range is `InvalidInput`."""

    dimension: int
    """d, the length of a CLIP embedding (D.4: 768)."""
    types: int = 8
    """K (§6.2: 8)."""
    columns: int = 4
    """L, the slate size that the choice temperature is built for; others are interpolated (§6.1)."""
    temperature_hidden: int = 16
    """Width of the choice temperature's one hidden layer; the paper does not print it."""
    aggregator: Aggregator = Aggregator.SOFTMAX
    """Agg of Eq. 3 (§6.1: softmax sampling)."""
    aggregator_temperature: float = 1.0
    """Temperature of the softmax sampler, in units of the score; the paper does not print it."""
    nu: float = 0.25
    """Standard deviation of a rating in [0, 1] (Eq. 6, "predefined"): about how one rater's ratings vary."""
    initial_scale: float = 1 / 0.07
    """exp(a) before training: CLIP's own start. It is kept at or below 100, as CLIP's is."""
    clip: str = ""
    """Fingerprint of the encoder whose embeddings it was trained on."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("dimension", self.dimension, 1, 65536),
            ("types", self.types, 1, 1024),
            ("columns", self.columns, 1, 64),
            ("temperature_hidden", self.temperature_hidden, 1, 4096),
            ("aggregator_temperature", self.aggregator_temperature, 1e-3, 1e6),
            ("nu", self.nu, 1e-3, 1e3),
            ("initial_scale", self.initial_scale, 1e-3, 100.0),
        ):
            if not low <= value <= high:
                raise InvalidInput(f"{name} is {value}", f"choose a value from {low:g} to {high:g}")


class UserModel(nn.Module):
    """s_theta, R_theta, C_theta and eta: everything that is known about users before one is met.

    Tensors have one row an image-prompt pair and one column a type, (n, K), unless said otherwise.
    """

    prior: Tensor

    def __init__(self, config: UserModelConfig) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = UserEncoder(config.dimension, config.types)
        self.text_encoder = UserEncoder(config.dimension, config.types)
        self.log_scale = nn.Parameter(torch.tensor(math.log(config.initial_scale)))
        self.log_slope = nn.Parameter(torch.tensor(0.0))
        self.intercept = nn.Parameter(torch.tensor(0.5))
        self.temperature = ChoiceTemperature(config.columns, config.temperature_hidden)
        self.register_buffer("prior", torch.full((config.types,), 1 / config.types))

    @property
    def types(self) -> int:
        """K."""
        return self.config.types

    def cosines(self, images: Tensor, texts: Tensor, image_rows: Tensor, text_rows: Tensor) -> Tensor:
        """The cosine that each type sees between image and prompt (D.4), in [-1, 1]: (n, K).

        `images` (u, d) and `texts` (v, d) are distinct CLIP outputs; the n pairs name their rows, so that an
        image or prompt in many pairs is encoded once.
        """
        return cosines_of(self.image_encoder(images), self.text_encoder(texts), image_rows, text_rows)

    def scores(self, cosines: Tensor) -> Tensor:
        """s_theta = exp(a) cos, what Eq. 3 to 5 are made of."""
        return self.log_scale.clamp(max=_LOG_LARGEST_SCALE).exp() * cosines

    def relevance(self, cosines: Tensor) -> Tensor:
        """The mean of a rating in [0, 1]: b cos + c with b > 0, shared by the types.

        Eq. 6 takes the score itself for the mean; a score that ranks well need not lie between 0 and 1.
        """
        return self.log_slope.exp() * cosines + self.intercept

    def utilities(self, scores: Tensor) -> Tensor:
        """R_theta of Eq. 3: the scores (..., M) of a column's images to its utility (...)."""
        return utility(scores, self.config.aggregator, self.config.aggregator_temperature)

    def log_choices(self, utilities: Tensor) -> Tensor:
        """log C_theta of Eq. 4: utilities (..., L) of a slate's columns to log probabilities (..., L)."""
        return log_choice_probabilities(utilities, self.temperature(utilities))


def cosines_of(images: Tensor, texts: Tensor, image_rows: Tensor, text_rows: Tensor) -> Tensor:
    """Cosines (n, K) of encoded images (u, K, d) and texts (v, K, d), paired by their rows (n,)."""
    product = (_rows(images, image_rows) * _rows(texts, text_rows)).sum(-1)
    lengths = _rows(images.norm(dim=-1), image_rows) * _rows(texts.norm(dim=-1), text_rows)
    return product / lengths.clamp_min(_SHORTEST)


def _rows(table: Tensor, rows: Tensor) -> Tensor:
    """table[rows]; the gradient of an embedding is summed in one order, that of indexing in any."""
    return nn.functional.embedding(rows, table.flatten(1)).view(len(rows), *table.shape[1:])
