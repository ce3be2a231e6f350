"""Figures through matplotlib, which only the train extra installs: PNG to look at, SVG to publish."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.errors import PastaError
from pasta_core.evaluation.metric import Metric
from pasta_core.files import make_directory, write_atomically

__all__ = ["Panel", "require_matplotlib", "save_figure", "save_panels"]

_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "png": {"dpi": 150, "metadata": {"Software": None}},
    "svg": {"metadata": {"Date": None}},
}
"""How each file is written: without what would make two equal figures differ."""


ACROSS = 5
"""Panels in a row."""


@dataclass(frozen=True)
class Panel:
    """One metric over evenly spread positions (such as numbers of types), each with its interval."""

    title: str
    axis: str
    labels: tuple[str, ...]
    metrics: tuple[Metric, ...]
    joined: bool = True
    """Whether the positions have an order, so that a line joins them."""


def require_matplotlib() -> None:
    """Raise `PastaError` where figures cannot be drawn, before anything long is begun."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise PastaError("figures need matplotlib", "install pasta-t2i[train]") from error


def save_panels(panels: Sequence[Panel], folder: Path, name: str) -> list[Path]:
    """Draw panels, `ACROSS` in a row, as `name.png` and `name.svg`; the same numbers give the same bytes.

    Without panels nothing is drawn. Raises `PastaError` without matplotlib.
    """
    require_matplotlib()
    if not panels:
        return []
    across = min(len(panels), ACROSS)
    down = -(-len(panels) // across)

    def draw(figure: Any) -> None:
        places = figure.subplots(down, across, squeeze=False).ravel()
        for panel, axes in zip(panels, places, strict=False):
            _draw(panel, axes)
        for axes in places[len(panels) :]:
            axes.set_axis_off()

    return save_figure(draw, (4.2 * across, 3.2 * down), folder, name)


def save_figure(
    draw: Callable[[Any], None], size: tuple[float, float], folder: Path, name: str
) -> list[Path]:
    """Write what `draw` puts on an empty figure of `size` (inches) as `name.png` and `name.svg`.

    The same drawing gives the same bytes. Raises `PastaError` without matplotlib.
    """
    require_matplotlib()
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    make_directory(folder)
    paths = []
    with rc_context({"svg.hashsalt": name, "svg.fonttype": "none"}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        for suffix, options in _FORMATS.items():
            data = BytesIO()
            figure.savefig(data, format=suffix, **options)
            paths.append(folder / f"{name}.{suffix}")
            write_atomically(paths[-1], data.getvalue())
    return paths


def _draw(panel: Panel, axes: Any) -> None:
    """Points with their intervals, and chance as a dashed line."""
    measured = [(place, *metric.numbers()) for place, metric in enumerate(panel.metrics) if metric.n]
    places, values, lows, highs, chances = np.array(measured).reshape(-1, 5).T
    form = "o-" if panel.joined else "o"
    axes.errorbar(places, values, [values - lows, highs - values], fmt=form, capsize=3, linewidth=1.2)
    axes.plot(places, chances, linestyle="--", linewidth=0.8, color="grey")
    axes.set_xticks(range(len(panel.labels)), panel.labels)
    axes.set_xlabel(panel.axis)
    axes.set_title(panel.title)
    axes.grid(axis="y", linewidth=0.3)
