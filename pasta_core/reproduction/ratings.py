"""Planted raters label painted pictures, CLIP embeds them, user models are learnt and measured (§5, §6.2)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pasta_core.data.embeddings import EmbeddingStore, encoder_fingerprint
from pasta_core.data.embeddings_references import ImageRows, TextRows
from pasta_core.data.embeddings_run import EmbeddingJob, EmbeddingProgress, embed_source
from pasta_core.data.records import Kind, Pair, Tally
from pasta_core.data.sources import SourceSpec, open_source
from pasta_core.evaluation.labels import Tables, score_uses
from pasta_core.evaluation.pairs import by_probability, judgements
from pasta_core.evaluation.planted import Truth
from pasta_core.evaluation.planted_report import Yardstick
from pasta_core.evaluation.top_images import best_images, write_sheets
from pasta_core.evaluation.torch_model import UserModelPreferences
from pasta_core.evaluation.user_model import Evaluation, LabelSets, evaluate_user_model
from pasta_core.microworld.ratings.build import build_ratings
from pasta_core.microworld.ratings.order import Order
from pasta_core.microworld.ratings.study import StudyModels
from pasta_core.microworld.recipes.user_model_recipe import UserModelRecipe
from pasta_core.reproduction.lab import Lab, Stop, stopped
from pasta_core.reproduction.scale import RatingsOrder
from pasta_core.reproduction.steps import Done, Finding, Inputs, Step
from pasta_core.training.label_sources import read_labels
from pasta_core.training.presets import SequentialConfig, SingleTurnConfig
from pasta_core.training.sequential_run import train_sequential
from pasta_core.training.session_labels import session_set
from pasta_core.training.user_model_run import TrainingFolder, train_single_turn
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import load_user_model
from pasta_core.users.user_model import UserModelConfig

__all__ = [
    "PEOPLE",
    "USERS",
    "users_step",
    "MODEL",
    "embeddings_step",
    "ratings_step",
    "sweep_step",
    "user_model_folder",
    "user_model_step",
]

USERS = "users"
"""The step that ends with the user model of everything after the sweep."""
PEOPLE = "trajectories"
"""Where the step `people` keeps its sessions."""
MODEL = "model"
"""Where a step that trains keeps its model."""
_DATA = "data"
_STORE = "store"
_SHEETS = "top-images"


def ratings_step(order: RatingsOrder) -> Step:
    """Planted raters label painted pictures in the layout of a public data set."""

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        worker = await lab.worker.running()
        models = StudyModels(worker.writer, worker.painter, lab.settings)
        asked = Order(**asdict(order), seed=lab.seed_of("ratings"))
        population = await build_ratings(
            asked, models, lab.paths.assets, folder / "work", folder / _DATA, lab.pace("images")
        )
        raters = {split: len(population.of(split)) for split in ("train", "test")}
        return Finding({"raters": raters, "raters_sha256": population.sheet.sha256}, (f"{_DATA}/truth.json",))

    title = f"planted raters label pictures as in {order.format}"
    return Step(f"ratings-{order.format}", title, asdict(order), (), work)


def embeddings_step(orders: tuple[RatingsOrder, ...]) -> Step:
    """CLIP embeds every picture and prompt once."""
    needs = tuple(f"ratings-{order.format}" for order in orders)

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        return Finding(await lab.in_thread(lambda stop: _embed(lab, folder, inputs, stop)), (_STORE,))

    return Step("embeddings", "embed pictures and prompts", {}, needs, work)


def _embed(lab: Lab, folder: Path, inputs: Inputs, stop: Stop) -> Mapping[str, Any]:
    clip, pace = lab.profile.clip.model, lab.pace("embeddings")

    def report(progress: EmbeddingProgress) -> None:
        pace(progress.done, progress.total)

    encoder = ClipEncoder.load(clip, str(lab.devices.device))
    job = EmbeddingJob(
        folder / _STORE, encoder, encoder_fingerprint(clip), "float16", time.monotonic, report, stop
    )
    counts = {}
    for spec in _sources(inputs):
        summary = embed_source(job, open_source(spec, lab.paths.assets), None, Tally())
        if summary.stopped:
            raise stopped()
        counts[str(spec.kind)] = {"images": summary.images, "prompts": summary.texts}
    return counts


def _sources(inputs: Inputs) -> list[SourceSpec]:
    """The data sets of ratings among the inputs."""
    found = [done for name, done in inputs.items() if name.startswith("ratings-")]
    return [SourceSpec(Kind(done.name.removeprefix("ratings-")), done.folder / _DATA) for done in found]


def _store(lab: Lab, inputs: Inputs) -> EmbeddingStore:
    root = inputs["embeddings"].folder / _STORE
    return EmbeddingStore(root, encoder_fingerprint(lab.profile.clip.model), "float16")


def user_model_step(types: int, steps: int, orders: tuple[RatingsOrder, ...]) -> Step:
    """Learn `types` user types by Algorithm 1 (D.1), as the shipped model was."""
    config = replace(UserModelRecipe().single_turn, steps=steps)
    needs = ("embeddings", *(f"ratings-{order.format}" for order in orders))

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        found = await lab.in_thread(lambda stop: _learn(lab, types, config, folder / MODEL, inputs, stop))
        return Finding(found, (f"{MODEL}/user_model.json", f"{MODEL}/user_model.safetensors"))

    title = f"learn {types} user types" if types > 1 else "learn one user type"
    return Step(f"user-model-{types}", title, asdict(config) | {"types": types}, needs, work)


def _learn(
    lab: Lab, types: int, config: SingleTurnConfig, folder: Path, inputs: Inputs, stop: Stop
) -> Mapping[str, Any]:
    store = _store(lab, inputs)
    run = lab.training(TrainingFolder(folder), lab.seed_of("user model"), stop)
    labels = read_labels(_sources(inputs), store, lab.paths.assets, lab.seed_of("labels"), lab.note)
    shape = UserModelConfig(labels.images.dimension, types, clip=store.encoder)
    model = train_single_turn(run, labels, config, shape)
    if model is None:
        raise stopped()
    return {"labels": len(labels), "raters": labels.groups, "prior": model.prior.tolist()}


def user_model_folder(done: Done) -> Path:
    """The folder of the user model that a step has learnt."""
    return done.folder / MODEL


def users_step(types: int, steps: int) -> Step:
    """Teach the chosen user model choices by people's sessions (D.3): its choice temperature alone."""
    config, start = UserModelRecipe(finetune_steps=steps).sequential, f"user-model-{types}"

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        begun = user_model_folder(inputs[start])
        sessions = inputs["people"].folder / PEOPLE
        found = await lab.in_thread(lambda stop: _tune(lab, config, begun, sessions, folder / MODEL, stop))
        return Finding(found, (f"{MODEL}/user_model.json", f"{MODEL}/user_model.safetensors"))

    return Step(USERS, "learn choices from people's sessions", asdict(config), (start, "people"), work)


def _tune(
    lab: Lab, config: SequentialConfig, begun: Path, sessions: Path, folder: Path, stop: Stop
) -> Mapping[str, Any]:
    # all of them are of training raters, so none is set apart
    source = open_source(SourceSpec(Kind.SESSIONS, sessions), lab.paths.assets)
    labelled = session_set(source.records(None, Tally()))
    run = lab.training(TrainingFolder(folder), lab.seed_of("choices"), stop)
    clip = lab.profile.clip.model
    if train_sequential(run, load_user_model(begun), clip, labelled, config) is None:
        raise stopped()
    return {"sessions": len(labelled), "steps": config.steps}


def sweep_step(types: tuple[int, ...], shown: int, orders: tuple[RatingsOrder, ...]) -> Step:
    """Measure every user model on raters that it never met (Fig. 3); show what types like (Fig. 4)."""
    models = tuple(f"user-model-{count}" for count in types)
    needs = ("embeddings", *(f"ratings-{order.format}" for order in orders), *models)

    async def work(lab: Lab, folder: Path, inputs: Inputs) -> Finding:
        found = await lab.in_thread(lambda stop: _sweep(lab, types, shown, folder, inputs, stop))
        return Finding(found, (f"{_SHEETS}/types.png",))

    title = "measure user models on new raters"
    return Step("sweep", title, {"types": list(types), "shown": shown}, needs, work)


def _sweep(
    lab: Lab, types: tuple[int, ...], shown: int, folder: Path, inputs: Inputs, stop: Stop
) -> Mapping[str, Any]:
    store, labels, pairs = _store(lab, inputs), LabelSets(), list[Pair]()
    labels.test.references = {}
    truth: Truth | None = None
    for spec in _sources(inputs):
        if stop():
            raise stopped()
        source = open_source(spec, lab.paths.assets)
        if "test" not in source.splits:
            continue
        labels.test.add(source.kind, source.records("test"), ImageRows(store, source), TextRows(store))
        if source.kind == Kind.PICKAPIC:
            truth = Truth.load(spec.path, lab.paths.assets)
            pairs = [record for record in source.records("test") if isinstance(record, Pair)]
    tables, seed = Tables(store.images, store.texts), lab.seed_of("sweep")
    measured: dict[int, Evaluation] = {}
    pace = lab.pace("models")
    for number, count in enumerate(types, 1):
        if stop():
            raise stopped()
        model = UserModelPreferences.load(user_model_folder(inputs[f"user-model-{count}"]))
        measured[count] = evaluate_user_model(labels, tables, model, seed)
        if count == shown:
            scores = score_uses(list(labels.test.uses), tables, model)
            write_sheets(best_images(labels.test, scores), folder / _SHEETS)
        pace(number, len(types))
    compared = {} if truth is None else _compared(Yardstick(truth, pairs, seed), measured, stop)
    return {
        str(count): {name: metric.as_json() for name, metric in one.metrics.items()} | compared.get(count, {})
        for count, one in measured.items()
    }


def _compared(
    yardstick: Yardstick, measured: Mapping[int, Evaluation], stop: Stop
) -> dict[int, dict[str, Any]]:
    """Each model beside the oracle, and how well its types match the archetypes; the floor has one type."""
    floor = judgements(measured[1].series, by_probability(measured[1].prior)) if 1 in measured else None
    found = {}
    for count, one in measured.items():
        if stop():
            raise stopped()
        seen = yardstick.compare(one.series, one.prior, floor)
        found[count] = {
            "oracle": seen.oracle.as_json(),
            "gap_closed": seen.gap_closed.as_json(),
            "types_adjusted_rand": seen.types,
            "bayes_adjusted_rand": seen.bayes,
        }
    return found
