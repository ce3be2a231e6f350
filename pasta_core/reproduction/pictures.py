"""The pictures that a step has kept in its trajectories."""

from __future__ import annotations

from pasta_core.data.images import decode_image
from pasta_core.data.trajectories import ImageRecord
from pasta_core.domain import Pixels

__all__ = ["pixels_of"]


def pixels_of(image: ImageRecord) -> Pixels:
    """The pixels (height, width, 3) of an image whose PNG was kept; `InvalidInput` where that is damaged."""
    assert image.png is not None
    return decode_image(image.png, image.sha256)
