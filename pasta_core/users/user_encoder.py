"""The user encoders of D.4: one small network that moves a CLIP embedding to where each user type sees it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["UserEncoder"]


class UserEncoder(nn.Module):
    """d -> 2d -> 4d -> K d, its last layer cut into K residual offsets (D.4, Fig. 10).

    The paper's "four-layer" network names four widths, so three linear maps lie between them; its activation
    is not printed, and ReLU is used. The last layer must not start at zero: K equal heads get equal gradients
    and stay equal for ever (research: 0.648 instead of 0.707 accuracy, no information about the types).
    """

    def __init__(self, dimension: int, types: int) -> None:
        super().__init__()
        self.types = types
        self.layers = nn.Sequential(
            nn.Linear(dimension, 2 * dimension),
            nn.ReLU(),
            nn.Linear(2 * dimension, 4 * dimension),
            nn.ReLU(),
            nn.Linear(4 * dimension, types * dimension),
        )

    def forward(self, embeddings: Tensor) -> Tensor:
        """Embed (n, d) CLIP outputs, not normalised, for every type: (n, K, d), not normalised either."""
        offsets: Tensor = self.layers(embeddings).view(len(embeddings), self.types, -1)
        return torch.add(embeddings.unsqueeze(1), offsets)
