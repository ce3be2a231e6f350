"""Measuring user models from the command line: embed what lacks, look labels up, score, tell."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pasta_core.data.embeddings import EmbeddingStore
from pasta_core.data.embeddings_references import ImageRows, TextRows
from pasta_core.data.records import Kind, Pair, Source
from pasta_core.data.sources import open_source, parse_source
from pasta_core.errors import InvalidInput
from pasta_core.evaluation.labels import LabelRows, Tables, score_uses
from pasta_core.evaluation.pairs import by_probability, judgements
from pasta_core.evaluation.plots import require_matplotlib
from pasta_core.evaluation.top_images import best_images, write_sheets
from pasta_core.evaluation.user_model import Evaluation, LabelSets, evaluate_user_model
from pasta_core.paths import locate
from pasta_tui.cli._embedding import Embedder, EncoderChoice
from pasta_tui.cli._evaluation_report import tell_one, tell_sweep
from pasta_tui.console.output import Output
from pasta_tui.console.stopping import StopRequest

if TYPE_CHECKING:
    from pasta_core.evaluation.planted import Truth
    from pasta_core.evaluation.planted_report import PlantedComparison
    from pasta_core.evaluation.torch_model import UserModelPreferences

__all__ = ["Request", "evaluate"]


@dataclass(frozen=True)
class Request:
    """What `pasta evaluate user-model` was asked."""

    model: Path | None
    data: tuple[str, ...]
    split: str
    sweep: Path | None
    types: str
    top_images: bool
    planted: bool
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
    sources = [open_source(parse_source(text)) for text in request.data]
    truth = _truth(sources) if request.planted else None
    bench = _Bench(request, sources, out)
    measured = {name: bench.measure(folder) for name, folder in models.items()}
    compared = {} if truth is None else _compared(truth, sources, measured, request, out)
    if request.sweep is None:
        tell_one(measured[""], compared.get(""), bench.sheets, request.variants, out)
    else:
        folder = request.out or request.sweep
        tell_sweep(measured, compared, bench.sheets, request.variants, folder, out)


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
        self._prepared: dict[str, _Prepared] = {}
        self.sheets: list[Path] = []
        """What each type likes best, one file a model."""

    def measure(self, folder: Path) -> Evaluation:
        """Measure the model in a folder."""
        from pasta_core.evaluation.torch_model import (
            UserModelPreferences,
            check_encoder,
            encoder_folder,
            usual_device,
        )

        request = self._request
        model = UserModelPreferences.load(folder, request.device or usual_device())
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
        wanted = [
            (source, split, place)
            for source in self._sources
            for split, place in _splits(source, self._request.split)
        ]
        # Only embedding looks for a stop and keeps its work; the rest ends at once.
        with StopRequest() as stop:
            embed = Embedder(choice, self._request.device, self._out, stop)
            for source, split, _ in wanted:
                embed(source, split)
        if stop.made:
            raise KeyboardInterrupt
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
        self.sheets.append(paths[-1])
        self._out.data(str(paths[-1]))


def _splits(source: Source, split: str) -> Iterator[tuple[str, str]]:
    """The splits of a source that are read, and which labels of `LabelSets` they are.

    PickScore's threshold is tuned on validation pairs, and so not at all where those are what is measured.
    """
    yield split, "test"
    if source.kind != Kind.PICKAPIC or split.endswith("_unique"):
        return
    if f"{split}_unique" in source.splits:
        yield f"{split}_unique", "unique"
    for name in ("validation_unique", "validation"):
        if name in source.splits and name.removesuffix("_unique") != split:
            yield name, "validation"
            return


def _truth(sources: Sequence[Source]) -> Truth:
    """Who the raters of the one Pick-a-Pic source are."""
    from pasta_core.evaluation.planted import TRUTH, Truth

    found = [source for source in sources if source.kind == Kind.PICKAPIC]
    if len(found) != 1:
        raise InvalidInput(
            f"--planted needs one --data pickapic:PATH, there are {len(found)}",
            "write one with 'pasta microworld ratings --format pickapic'",
        )
    # A shard's truth lies beside the folder of the shards.
    path = found[0].path.absolute()
    folders = [folder for folder in (path, *path.parents[:2]) if (folder / TRUTH).is_file()]
    return Truth.load(folders[0] if folders else path, locate(os.environ).assets)


def _compared(
    truth: Truth, sources: Sequence[Source], measured: Mapping[str, Evaluation], request: Request, out: Output
) -> dict[str, PlantedComparison]:
    """Every model beside the oracle and the Bayes classifier; the floor is the model with one type."""
    from pasta_core.evaluation.planted_report import Yardstick

    out.progress("looking at the pictures as the raters do")
    (source,) = (source for source in sources if source.kind == Kind.PICKAPIC)
    pairs = [record for record in source.records(request.split) if isinstance(record, Pair)]
    yardstick = Yardstick(truth, pairs, request.seed)
    floor = None
    if "1" in measured:
        floor = judgements(measured["1"].series, by_probability(measured["1"].prior))
    out.end_progress()
    return {name: yardstick.compare(one.series, one.prior, floor) for name, one in measured.items()}
