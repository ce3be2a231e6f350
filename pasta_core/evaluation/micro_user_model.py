"""The micro user model with its card: trained by its recipe, measured on raters that it never met."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

from pasta_core.data.embeddings_references import ImageRows, TextRows
from pasta_core.data.sources import open_source
from pasta_core.evaluation.labels import Tables
from pasta_core.evaluation.metric import Metric
from pasta_core.evaluation.torch_model import UserModelPreferences
from pasta_core.evaluation.user_model import LabelSets, evaluate_user_model
from pasta_core.files import write_atomically
from pasta_core.microworld.recipes.user_model_recipe import TrainedUserModel, train_micro_user_model
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.paths import find_assets

__all__ = ["build_user_model"]

_CARD = """\
# The micro user model

{types} user types for the `micro` profile: how well an image fits a prompt in their eyes, which column they
choose, and how frequent they are. It reads the embeddings of `assets/micro/clip`.

**Data.** Planted raters only (`raters.toml`, hash `{raters}`), in the publishers' formats:
{labels:,} labels of {people:,} raters on painted pictures (`pasta microworld ratings --format pickapic`).
**Recipe.** `pasta_core/microworld/recipes/user_model_recipe.py`, seed {seed}: {steps:,} steps of Algorithm 1
with the `micro` preset, {second}; {minutes:.1f} minutes once everything is embedded.

**Measured** on test raters, none of whom it was trained on, looking at pictures of held-out scenes:

| | value | 95 % interval | chance | n |
|---|---|---|---|---|
{table}

docs/user-model.md says how far this is from what could be known, and why.
"""

_TITLES = {
    "pickapic_accuracy": "Pick-a-Pic accuracy (§6.2)",
    "choice_accuracy": "choice accuracy",
    "choice_nll": "choice NLL, nats",
    "cross_turn_accuracy": "cross-turn accuracy",
}


def build_user_model(out: Path, shop: Workshop, start: Path | None) -> None:
    """Train the micro user model into `out/user-model`, on the CLIP beside it, and write its card."""
    began, assets = time.monotonic(), find_assets()
    trained = train_micro_user_model(out / "user-model", out / "clip", assets, shop)
    if trained is None:
        return
    after = _measured(trained.path, trained, assets)
    before = None if trained.before_sessions is None else _measured(trained.before_sessions, trained, assets)
    figures = {
        when: {key: metric.as_json() for key, metric in found.items()}
        for when, found in (("before", before), ("after", after))
        if found is not None
    }
    write_atomically(trained.path / "bars.json", json.dumps(figures, indent=2).encode() + b"\n")
    truth = json.loads((trained.ratings.path / "truth.json").read_bytes())
    card = _CARD.format(
        types=trained.recipe.types,
        raters=truth["raters_sha256"][:12],
        labels=trained.labels,
        people=trained.raters,
        seed=shop.seed,
        steps=trained.recipe.steps,
        second=_second_phase(trained),
        minutes=(time.monotonic() - began) / 60,
        table="\n".join(_row(*row) for row in _rows(before, after)),
    )
    write_atomically(trained.path / "README.md", card.encode())


def _second_phase(trained: TrainedUserModel) -> str:
    steps, sessions = trained.recipe.finetune_steps, trained.session_count
    if not steps:
        return "and no sequential phase (docs/user-model.md says why)"
    return f"then {steps:,} steps on {sessions:,} planted sessions with CLIP kept as it is"


def _measured(folder: Path, trained: TrainedUserModel, assets: Path) -> Mapping[str, Metric]:
    """Every metric of the test splits."""
    labels = LabelSets()
    for spec in (trained.test_ratings, trained.sessions):
        source = open_source(spec, assets)
        images, texts = ImageRows(trained.store, source), TextRows(trained.store)
        labels.test.add(source.kind, source.records("test"), images, texts)
    tables = Tables(trained.store.images, trained.store.texts)
    found = evaluate_user_model(labels, tables, UserModelPreferences.load(folder, "cpu"))
    return {name: found.metrics[name] for name in _TITLES}


def _rows(before: Mapping[str, Metric] | None, after: Mapping[str, Metric]) -> list[tuple[str, Metric]]:
    """Each metric, and what it was before the sessions."""
    found = []
    for key, title in _TITLES.items():
        found.append((title, after[key]))
        if before is not None:
            found.append(("- before the sessions", before[key]))
    return found


def _row(title: str, metric: Metric) -> str:
    value, low, high, chance = metric.numbers()
    return f"| {title} | {value:.3f} | {low:.3f} to {high:.3f} | {chance:.3f} | {metric.n:,} |"
