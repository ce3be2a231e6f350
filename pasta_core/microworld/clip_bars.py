"""How good the micro CLIP is: retrieval among distinct held-out scenes, and a linear probe of each taste."""

from __future__ import annotations

import random

import numpy as np
import numpy.typing as npt

from pasta_core.microworld.captions import caption
from pasta_core.microworld.dataset import DrawnScenes
from pasta_core.microworld.grammar import Scene
from pasta_core.microworld.raters import PlantedRater
from pasta_core.seeds import derive_seed
from pasta_core.users.clip import ClipEncoder

__all__ = ["recall_at_one", "utility_probe"]


def _unit(rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def recall_at_one(clip: ClipEncoder, scenes: DrawnScenes, seed: int, among: int = 100) -> float:
    """Share of captions whose own picture lies nearest among `among` distinct scenes."""
    rng = random.Random(derive_seed(seed, "retrieval"))
    said = [Scene.from_labels(tuple(int(label) for label in row)) for row in scenes.labels]
    texts = _unit(clip.embed_texts([caption(scene.attributes, rng) for scene in said]))
    images = _unit(clip.embed_images(list(scenes.pixels)))
    found = []
    for start in range(0, len(said) - among + 1, among):
        block = slice(start, start + among)
        found.append((texts[block] @ images[block].T).argmax(-1) == np.arange(among))
    return float(np.mean(np.concatenate(found)))


def utility_probe(clip: ClipEncoder, rater: PlantedRater, train: DrawnScenes, test: DrawnScenes) -> float:
    """R^2 on test pictures of a ridge regression from CLIP embeddings to a rater's planted taste."""

    def features(scenes: DrawnScenes) -> npt.NDArray[np.float64]:
        rows = clip.embed_images(list(scenes.pixels)).astype(np.float64)
        return np.concatenate([rows, np.ones((len(rows), 1))], axis=-1)

    def tastes(scenes: DrawnScenes) -> npt.NDArray[np.float64]:
        return rater.image_utilities("", scenes.pixels)

    design, wanted = features(train), tastes(train)
    weights = np.linalg.solve(design.T @ design + 1e-2 * np.eye(design.shape[1]), design.T @ wanted)
    truth = tastes(test)
    missed = truth - features(test) @ weights
    return float(1 - (missed**2).sum() / ((truth - truth.mean()) ** 2).sum())
