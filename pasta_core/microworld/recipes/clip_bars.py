"""How good the micro CLIP is: retrieval, zero-shot tags, and a linear probe of each taste."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pasta_core.microworld.captions import caption
from pasta_core.microworld.grammar import ATTRIBUTES, Scene
from pasta_core.microworld.image_captions import every_phrase
from pasta_core.microworld.raters import PlantedRater
from pasta_core.microworld.recipes.dataset import DrawnScenes
from pasta_core.seeds import derive_seed
from pasta_core.users.clip import ClipEncoder

__all__ = ["recall_at_one", "tag_accuracy", "utility_probes"]


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


def tag_accuracy(clip: ClipEncoder, scenes: DrawnScenes) -> dict[str, float]:
    """For each attribute the share of pictures whose value has the phrase nearest to the picture."""
    images = _unit(clip.embed_images(list(scenes.pixels)))
    right = {}
    for position, (name, phrases) in enumerate(every_phrase().items()):
        texts = _unit(clip.embed_texts(list(phrases.values())))
        nearest = [tuple(phrases)[index] for index in (images @ texts.T).argmax(-1)]
        told = [ATTRIBUTES[name].index(value) for value in nearest]
        right[name] = float(np.mean(np.array(told) == scenes.labels[:, position]))
    return right


def utility_probes(
    clip: ClipEncoder, raters: Sequence[PlantedRater], train: DrawnScenes, test: DrawnScenes
) -> dict[str, float]:
    """R^2 on test pictures of a ridge regression from CLIP embeddings to each rater's planted taste."""
    designs = [_design(clip, scenes) for scenes in (train, test)]
    sheet, eyes = raters[0].sheet, raters[0].eyes
    sights = [sheet.look(eyes, scenes.pixels) for scenes in (train, test)]
    return {
        rater.archetype.name: _explained(
            designs, [rater.said_taste(sight) + rater.unsaid_taste(sight) for sight in sights]
        )
        for rater in raters
    }


def _design(clip: ClipEncoder, scenes: DrawnScenes) -> npt.NDArray[np.float64]:
    rows = clip.embed_images(list(scenes.pixels)).astype(np.float64)
    return np.concatenate([rows, np.ones((len(rows), 1))], axis=-1)


def _explained(
    designs: Sequence[npt.NDArray[np.float64]], tastes: Sequence[npt.NDArray[np.float64]]
) -> float:
    """The share of the second tastes' variance that a ridge fitted to the first pair explains."""
    ridge = 1e-2 * np.eye(designs[0].shape[1])
    weights = np.linalg.solve(designs[0].T @ designs[0] + ridge, designs[0].T @ tastes[0])
    missed = tastes[1] - designs[1] @ weights
    return float(1 - (missed**2).sum() / ((tastes[1] - tastes[1].mean()) ** 2).sum())
