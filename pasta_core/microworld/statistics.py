"""Four statistics of a picture's pixels that no caption states: warmth, brightness, contrast and detail."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pasta_core.domain import Pixels

__all__ = ["STATISTICS", "pixel_statistics"]

STATISTICS = ("warmth", "brightness", "contrast", "detail")


def pixel_statistics(pictures: Pixels) -> npt.NDArray[np.float64]:
    """Measure pictures (n, height, width, 3); returns (n, 4) in the order of `STATISTICS`, in grey levels.

    Warmth is mean red minus mean blue, brightness the mean luminance, contrast its standard deviation, detail
    the mean absolute step between neighbouring pixels.
    """
    pixels = pictures.astype(np.float32)
    luminance = pixels @ np.array([0.299, 0.587, 0.114], np.float32)
    across = np.abs(np.diff(luminance, axis=2)).mean((1, 2))
    down = np.abs(np.diff(luminance, axis=1)).mean((1, 2))
    columns = (
        pixels[..., 0].mean((1, 2)) - pixels[..., 2].mean((1, 2)),
        luminance.mean((1, 2)),
        luminance.std((1, 2)),
        (across + down) / 2,
    )
    return np.stack(columns, axis=-1).astype(np.float64)
