"""What an evaluation says: a table for people, the same numbers as JSON, curves as text and files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.plots import Panel, save_panels
from pasta_core.evaluation.text_plot import text_plot
from pasta_core.evaluation.user_model import Evaluation
from pasta_tui.console.output import Output

if TYPE_CHECKING:
    from pasta_core.evaluation.planted_report import PlantedComparison

__all__ = ["tell_one", "tell_sweep"]

TITLES = {
    "pickapic_accuracy": "Pick-a-Pic accuracy",
    "pickapic_accuracy_by_prompt": "  series of one prompt",
    "pickapic_accuracy_raw_score": "  ties by raw score",
    "pickscore_accuracy": "PickScore's metric",
    "hpd_spearman": "HPD Spearman",
    "hpd_spearman_averaged": "  of averaged ranks",
    "hpd_accuracy": "HPD accuracy",
    "imagereward_accuracy": "ImageReward accuracy",
    "choice_accuracy": "choice accuracy",
    "choice_nll": "choice NLL (nats)",
    "cross_turn_accuracy": "cross-turn accuracy",
}
_ORDER = tuple(TITLES)


def tell_one(
    evaluation: Evaluation,
    comparison: PlantedComparison | None,
    sheets: Sequence[Path],
    variants: bool,
    out: Output,
) -> None:
    """A table of everything that the data has, or one JSON document."""
    out.data(f"{'':24} {'value':>8}  {'95 % interval':^17}  {'chance':>7}  {'n':>8}")
    both = {**evaluation.metrics, **evaluation.variants}
    for name in _ORDER:
        if both[name].n:
            out.data(_row(TITLES[name], both[name]))
    if comparison is not None:
        for line in _planted_lines(comparison):
            out.data(line)
    if out.as_json:
        figures = {"figures": [str(path) for path in sheets]} if sheets else {}
        out.document({**_json(evaluation, comparison, variants), **figures})


def _planted_lines(comparison: PlantedComparison) -> Iterator[str]:
    yield _row("oracle's accuracy", comparison.oracle)
    if comparison.gap_closed.n:
        yield _row("gap to it closed", comparison.gap_closed)
    if comparison.archetypes.n:
        yield _row("with the archetypes", comparison.archetypes)
    if comparison.gap_closable.n:
        yield _row("  gap they would close", comparison.gap_closable)
    if comparison.types is not None and comparison.bayes is not None:
        best = f"with the archetypes {comparison.types_at_best:.4f}, Bayes classifier {comparison.bayes:.4f}"
        yield f"{'types, adjusted Rand':24} {comparison.types:8.4f}  {best}"
    yield f"{'raters.toml':24} {comparison.raters_sha256[:12]}"


def _row(title: str, metric: Metric) -> str:
    value, low, high, chance = metric.numbers()
    interval = f"{low:.4f} to {high:.4f}"
    return f"{title:24} {value:8.4f}  {interval:^17}  {chance:7.4f}  {metric.n:8,}"


def _json(evaluation: Evaluation, comparison: PlantedComparison | None, variants: bool) -> dict[str, Any]:
    told = {**evaluation.metrics, **(evaluation.variants if variants else {})}
    document: dict[str, Any] = {name: metric.as_json() for name, metric in told.items()}
    if comparison is not None:
        document["planted"] = {
            "oracle_accuracy": comparison.oracle.as_json(),
            "gap_closed": comparison.gap_closed.as_json(),
            "archetypes_accuracy": comparison.archetypes.as_json(),
            "gap_closable": comparison.gap_closable.as_json(),
            "types_adjusted_rand": comparison.types,
            "archetypes_adjusted_rand": comparison.types_at_best,
            "bayes_adjusted_rand": comparison.bayes,
            "raters_sha256": comparison.raters_sha256,
        }
    return document


def tell_sweep(
    measured: Mapping[str, Evaluation],
    compared: Mapping[str, PlantedComparison],
    sheets: Sequence[Path],
    variants: bool,
    folder: Path,
    out: Output,
) -> None:
    """Fig. 3 as a table, as text and as files: every metric that the data has, over numbers of types."""
    labels = tuple(measured)
    first = next(iter(measured.values()))
    panels = [
        Panel(TITLES[name], "user types", labels, tuple(one.metrics[name] for one in measured.values()))
        for name in first.metrics
        if first.metrics[name].n
    ]
    for panel in panels:
        out.data(f"{panel.title:24} {'value':>8}  {'95 % interval':^17}  {'chance':>7}  {'n':>8}")
        for label, metric in zip(labels, panel.metrics, strict=True):
            out.data(_row(f"  {label} types" if label != "1" else "  1 type", metric))
        out.show(["", *_text(panel, out.terminal.unicode), ""] if not out.as_json else [])
    for label, comparison in compared.items():
        out.data(f"{label} types, of planted raters" if label != "1" else "1 type, of planted raters")
        for line in _planted_lines(comparison):
            out.data(f"  {line}")
    paths = save_panels(panels, folder, "user-types") if panels else []
    for path in paths:
        out.data(str(path))
    if out.as_json:
        models = {label: _json(one, compared.get(label), variants) for label, one in measured.items()}
        out.document({"types": models, "figures": [str(path) for path in (*paths, *sheets)]})


def _text(panel: Panel, unicode: bool) -> list[str]:
    numbers = [metric.numbers() for metric in panel.metrics]
    values, intervals = [one[0] for one in numbers], [one[1:3] for one in numbers]
    return text_plot(panel.labels, values, intervals, numbers[0][3], unicode=unicode)
