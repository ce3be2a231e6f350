"""The recipe of the micro user model: types from planted ratings, and choices from planted sessions."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from pasta_core.data.embeddings import EmbeddingStore, encoder_fingerprint
from pasta_core.data.embeddings_run import EmbeddingJob, EmbeddingProgress, embed_source
from pasta_core.data.records import Tally
from pasta_core.data.sources import SourceSpec, open_source, parse_source
from pasta_core.errors import InvalidInput
from pasta_core.microworld.recipes.workshop import Workshop
from pasta_core.training.label_sources import read_labels, read_session_labels
from pasta_core.training.presets import PRESETS, SequentialConfig, SingleTurnConfig
from pasta_core.training.sequential_run import train_sequential
from pasta_core.training.user_model_run import SINGLE_TURN, TrainingFolder, UserModelRun, train_single_turn
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig

__all__ = ["TrainedUserModel", "UserModelRecipe", "train_micro_user_model"]

_DATA = (("pickapic", "ratings/pickapic"), ("pickapic", "ratings/pickapic-25"), ("pasta", "ratings/pasta"))
"""The planted data sets and where they lie in the workshop's folder: those to learn from, the same pictures
labelled by raters to be measured on, and sessions of both."""


@dataclass(frozen=True)
class UserModelRecipe:
    """What the shipped model was trained with, apart from the seed."""

    types: int = 8
    steps: int = 1600
    weight_decay: float = 0.1
    """Less than where raters are hundreds: so many are not learnt by heart, and 2 would shrink the scale."""
    finetune_steps: int = 0
    """None: a choice temperature learnt from 120 sessions foresees choices no better (docs/user-model.md)."""

    @property
    def single_turn(self) -> SingleTurnConfig:
        """The first phase."""
        return replace(
            PRESETS["micro"].single_turn,
            steps=self.steps,
            weight_decay=self.weight_decay,
            precision="bfloat16",
            report_every=100,
        )

    @property
    def sequential(self) -> SequentialConfig:
        """The second, for the choice temperature alone.

        120 sessions cannot teach encoders what 784,000 labels did not: where they learnt too, at 1e-4, 200
        steps took 3 points of accuracy and lowered no loss of choices. The prior has nothing to learn either.
        """
        return replace(
            PRESETS["micro"].sequential,
            steps=self.finetune_steps,
            clip_rate=0.0,
            users_rate=0.0,
            alpha_prior=0.9999,
            report_every=10,
        )


@dataclass(frozen=True)
class TrainedUserModel:
    """Where a trained model lies, and what it learnt from."""

    path: Path
    before_sessions: Path | None
    """The same model before it was fine-tuned on sessions, where it was."""
    ratings: SourceSpec
    test_ratings: SourceSpec
    sessions: SourceSpec
    store: EmbeddingStore
    labels: int
    raters: int
    session_count: int
    """Sessions that it was fine-tuned on."""
    recipe: UserModelRecipe


def train_micro_user_model(
    out: Path, clip: Path, assets: Path, shop: Workshop, recipe: UserModelRecipe | None = None
) -> TrainedUserModel | None:
    """Train on the planted data sets of the workshop's folder into `out`; None where it was stopped.

    `InvalidInput` says how to write the data sets where they are not there.
    """
    recipe = recipe or UserModelRecipe()
    ratings, test_ratings, sessions = (_data_set(shop, kind, place) for kind, place in _DATA)
    store = _embedded((ratings, test_ratings, sessions), clip, assets, shop)
    if store is None:
        return None
    folder = TrainingFolder(shop.folder / "user-model")
    folder.begin({"threads": 1})
    run = UserModelRun(folder, shop.seed, lambda line: shop.report(str(line["phase"]), line), stop=shop.stop)
    labels = read_labels([ratings], store, assets, shop.seed)
    shape = UserModelConfig(labels.images.dimension, recipe.types, clip=store.encoder)
    model = train_single_turn(run, labels, recipe.single_turn, shape)
    if model is None:
        return None
    before, session_count = None, 0
    trained: UserModel | None = model
    if recipe.finetune_steps:
        labelled = read_session_labels([sessions], assets)
        before, session_count = folder.phase(SINGLE_TURN), len(labelled)
        trained = train_sequential(run, model, clip, labelled, recipe.sequential)
    if trained is None:
        return None
    save_user_model(trained, out, {"recipe": "user_model_recipe", "seed": shop.seed}, halve=True)
    return TrainedUserModel(
        out,
        before,
        ratings,
        test_ratings,
        sessions,
        store,
        len(labels),
        labels.groups,
        session_count,
        recipe,
    )


def _data_set(shop: Workshop, kind: str, place: str) -> SourceSpec:
    path = shop.folder / place
    if not path.is_dir():
        raise InvalidInput(
            f"there are no planted ratings in {path}", f"'just user-model-data {shop.folder}' writes them"
        )
    return parse_source(f"{kind}:{path}")


def _embedded(
    specs: tuple[SourceSpec, ...], clip: Path, assets: Path, shop: Workshop
) -> EmbeddingStore | None:
    """The store with everything that the data sets hold; None where it was stopped."""

    def tell(progress: EmbeddingProgress) -> None:
        if progress.done == progress.total or progress.done % 2000 == 0:
            shop.report(f"{progress.kind}s", {"step": progress.done, "steps": progress.total})

    fingerprint, root = encoder_fingerprint(clip), shop.folder / "embeddings"
    job = EmbeddingJob(
        root, ClipEncoder.load(clip, shop.device), fingerprint, "float16", time.monotonic, tell, shop.stop
    )
    for spec in specs:
        if embed_source(job, open_source(spec, assets), None, Tally()).stopped:
            return None
    return EmbeddingStore(root, fingerprint, "float16")
