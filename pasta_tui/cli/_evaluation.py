"""Measuring user models from the command line: embed what lacks, look labels up, score, tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.data.embeddings import EmbeddingStore
from pasta_core.data.embeddings_references import ImageRows, TextRows
from pasta_core.data.records import Kind, Source
from pasta_core.data.sources import open_source, parse_source
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.labels import LabelRows, Tables, score_uses
from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.plots import Panel, require_matplotlib, save_panels
from pasta_core.evaluation.text_plot import text_plot
from pasta_core.evaluation.top_images import best_images, write_sheets
from pasta_core.evaluation.torch_model import (
    UserModelPreferences,
    check_encoder,
    encoder_folder,
    usual_device,
)
from pasta_core.evaluation.user_model import Evaluation, LabelSets, evaluate_user_model
from pasta_tui.cli._embedding import Embedder, EncoderChoice
from pasta_tui.cli._output import Output
from pasta_tui.cli._stopping import StopRequest

__all__ = ["Request", "evaluate"]

TITLES = {
    "pickapic_accuracy": "Pick-a-Pic accuracy",
    "hpd_spearman": "HPD Spearman",
    "hpd_accuracy": "HPD accuracy",
    "choice_accuracy": "choice accuracy",
    "choice_nll": "choice NLL (nats)",
    "cross_turn_accuracy": "cross-turn accuracy",
    "pickapic_accuracy_by_prompt": "  series of one prompt",
    "pickapic_accuracy_raw_score": "  ties by raw score",
    "pickscore_accuracy": "PickScore's metric",
    "hpd_spearman_averaged": "  of averaged ranks",
    "imagereward_accuracy": "ImageReward accuracy",
}
_ORDER = tuple(TITLES)


@dataclass(frozen=True)
class Request:
    """What `pasta evaluate user-model` was asked."""

    model: Path | None
    data: tuple[str, ...]
    split: str
    sweep: Path | None
    types: str
    top_images: bool
    variants: bool
    out: Path | None
    store: Path | None
    dtype: str
    profile: str | None
    device: str | None
    seed: int
    as_json: bool


@dataclass(frozen=True)
class _Prepared:
    """Labels as rows of one encoder's embeddings."""

    labels: LabelSets
    tables: Tables


def evaluate(request: Request) -> None:
    """Measure one model, or a model for each number of types."""
    models = _models(request)
    if request.sweep is not None:
        require_matplotlib()
    if not request.data:
        raise InvalidInput("there is nothing to measure on", "name a data set: --data hpd:data/hpd")
    out = Output(os.environ, request.as_json)
    bench = _Bench(request, [open_source(parse_source(text)) for text in request.data], out)
    measured = {name: bench.measure(folder) for name, folder in models.items()}
    if request.sweep is None:
        (evaluation,) = measured.values()
        _tell_one(evaluation, request, out)
    else:
        _tell_sweep(measured, request, request.out or request.sweep, out)


def _models(request: Request) -> dict[str, Path]:
    """The folders to measure, by the name they have in the result."""
    if (request.model is None) == (request.sweep is None):
        raise InvalidInput("name a MODEL or a --sweep, not both", "see 'pasta evaluate user-model --help'")
    if request.model is not None:
        return {"": request.model}
    counts = [part.strip() for part in request.types.split(",") if part.strip()]
    if not counts or not all(count.isdecimal() and int(count) > 0 for count in counts):
        raise InvalidInput(f"{request.types!r} are no numbers of types", "write them as 1,2,4,8")
    folders = {count: request.sweep / count for count in counts if request.sweep is not None}
    for count, folder in folders.items():
        if not folder.is_dir():
            raise InvalidInput(f"there is no model in {folder}", f"train it, or leave {count} out of --types")
    return folders


class _Bench:
    """Measures models on the same data; labels are looked up once for each encoder."""

    def __init__(self, request: Request, sources: Sequence[Source], out: Output) -> None:
        self._request = request
        self._sources = sources
        self._out = out
        self._device = request.device or usual_device()
        self._prepared: dict[str, _Prepared] = {}
        self._stop = StopRequest()

    def measure(self, folder: Path) -> Evaluation:
        """Measure the model in a folder."""
        request = self._request
        model = UserModelPreferences.load(folder, self._device)
        default = EncoderChoice.of(request.profile, None, request.store, request.dtype)
        own = encoder_folder(folder, default.folder)
        choice = default
        if own != default.folder:
            choice = EncoderChoice.of(request.profile, own, request.store, request.dtype)
        check_encoder(model, choice.fingerprint, choice.folder)
        if choice.fingerprint not in self._prepared:
            self._prepared[choice.fingerprint] = self._prepare(choice)
        prepared = self._prepared[choice.fingerprint]
        self._out.progress(f"scoring with {folder}")
        evaluation = evaluate_user_model(prepared.labels, prepared.tables, model, request.seed)
        if request.top_images:
            self._show_top(model, prepared, folder)
        self._out.end_progress()
        return evaluation

    def _prepare(self, choice: EncoderChoice) -> _Prepared:
        self._stop.install()
        embed = Embedder(choice, self._device, self._out, self._stop)
        wanted = [
            (source, split, place)
            for source in self._sources
            for split, place in _splits(source, self._request.split)
        ]
        for source, split, _ in wanted:
            embed(source, split)
        store = EmbeddingStore(choice.store, choice.fingerprint, choice.dtype)
        labels = LabelSets()
        if self._request.top_images:
            labels.test.references = {}
        for source, split, place in wanted:
            rows: LabelRows = getattr(labels, place)
            rows.add(source.kind, source.records(split), ImageRows(store, source), TextRows(store))
        if labels.test.left_out:
            self._out.note(f"{labels.test.left_out} labels were left out: an image cannot be read")
        if not (labels.test.pairs or labels.test.rankings or labels.test.sessions):
            raise InvalidInput(
                f"split {self._request.split} holds no pairs, rankings or sessions that can be measured",
                "'pasta data check' says what is in it",
            )
        return _Prepared(labels, Tables(store.images, store.texts))

    def _show_top(self, model: UserModelPreferences, prepared: _Prepared, folder: Path) -> None:
        rows = prepared.labels.test
        scores = score_uses(list(rows.uses), prepared.tables, model)
        base = self._request.out or folder
        target = base / f"top-images-{folder.name}" if self._request.sweep else base / "top-images"
        paths = write_sheets(best_images(rows, scores), target)
        self._out.data(str(paths[-1]))


def _splits(source: Source, split: str) -> Iterator[tuple[str, str]]:
    """The splits of a source that are read, and which labels of `LabelSets` they are."""
    yield split, "test"
    if source.kind != Kind.PICKAPIC or split.endswith("_unique"):
        return
    if f"{split}_unique" in source.splits:
        yield f"{split}_unique", "unique"
    for name in ("validation_unique", "validation"):
        if name in source.splits and name != split:
            yield name, "validation"
            return


def _tell_one(evaluation: Evaluation, request: Request, out: Output) -> None:
    out.data(f"{'':24} {'value':>8}  {'95 % interval':^17}  {'chance':>7}  {'n':>8}")
    both = {**evaluation.metrics, **evaluation.variants}
    for name in _ORDER:
        if both[name].n:
            out.data(_row(TITLES[name], both[name]))
    if request.as_json:
        out.document(_json(evaluation, request.variants))


def _row(title: str, metric: Metric) -> str:
    value, low, high, chance = metric.numbers()
    interval = f"{low:.4f} to {high:.4f}"
    return f"{title:24} {value:8.4f}  {interval:^17}  {chance:7.4f}  {metric.n:8,}"


def _json(evaluation: Evaluation, variants: bool) -> dict[str, Any]:
    told = {**evaluation.metrics, **(evaluation.variants if variants else {})}
    return {name: metric.as_json() for name, metric in told.items()}


def _tell_sweep(measured: Mapping[str, Evaluation], request: Request, folder: Path, out: Output) -> None:
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
        out.show(["", *_text(panel, out.terminal.unicode), ""] if not request.as_json else [])
    paths = save_panels(panels, folder, "user-types")
    for path in paths:
        out.data(str(path))
    if request.as_json:
        models = {label: _json(one, request.variants) for label, one in measured.items()}
        out.document({"types": models, "figures": [str(path) for path in paths]})


def _text(panel: Panel, unicode: bool) -> list[str]:
    numbers = [metric.numbers() for metric in panel.metrics]
    values, intervals = [one[0] for one in numbers], [one[1:3] for one in numbers]
    return text_plot(panel.labels, values, intervals, numbers[0][3], unicode=unicode)
