"""What the types of a trained user model think of painted slates: simulated users of §4.2 and App. C.1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.domain import Embedding, Image
from pasta_core.errors import ModelUnavailable, PastaError
from pasta_core.users.appraisal import Appraisal, Table
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import CLIP_FOLDER, load_user_model
from pasta_core.users.user_model import UserModel

__all__ = ["CarriedEmbeddings", "Embedder", "OwnEmbeddings", "TypeJudge", "load_type_judge"]

EmbedTexts = Callable[[Sequence[str]], Awaitable[Embedding]]


class CarriedEmbeddings:
    """Embeddings of the profile's encoder: images carry them, texts are asked for and remembered."""

    def __init__(self, embed_texts: EmbedTexts) -> None:
        self._embed_texts = embed_texts
        self._texts: dict[str, Embedding] = {}

    async def images(self, images: Sequence[Image]) -> Embedding:
        """CLIP's outputs before normalisation, (n, d)."""
        found = [image.embedding for image in images if image.embedding is not None]
        if len(found) < len(images):
            raise PastaError("the painter sent images without embeddings", "use a worker that embeds them")
        return np.stack(found)

    async def text(self, text: str) -> Embedding:
        """CLIP's output before normalisation, (d,)."""
        if text not in self._texts:
            self._texts[text] = (await self._embed_texts([text]))[0]
        return self._texts[text]


class OwnEmbeddings:
    """Embeddings of the encoder that was fine-tuned together with a user model (§6.2)."""

    def __init__(self, encoder: ClipEncoder) -> None:
        self._encoder = encoder
        self._texts: dict[str, Embedding] = {}

    async def images(self, images: Sequence[Image]) -> Embedding:
        """CLIP's outputs before normalisation, (n, d)."""
        return self._encoder.embed_images([image.pixels for image in images])

    async def text(self, text: str) -> Embedding:
        """CLIP's output before normalisation, (d,)."""
        if text not in self._texts:
            self._texts[text] = self._encoder.embed_texts([text])[0]
        return self._texts[text]


Embedder = CarriedEmbeddings | OwnEmbeddings


class TypeJudge:
    """The K types of a user model as a service (`simulation.users.Appraiser`).

    A slate is always computed alone and on one thread, so an appraisal never depends on what else is asked.
    """

    def __init__(self, model: UserModel, embedder: Embedder) -> None:
        self._model = model
        self._embedder = embedder
        self._thread = ThreadPoolExecutor(1, "user model", torch.set_num_threads, (1,))

    @property
    def prior(self) -> Table:
        """eta (K,), normalised."""
        prior = self._model.prior.double().cpu().numpy()
        return np.asarray(prior / prior.sum())

    @property
    def scale(self) -> float:
        """exp(a): utilities lie between -exp(a) and exp(a)."""
        return float(self._model.scores(torch.ones((), device=self._model.prior.device)))

    async def appraise(self, initial_prompt: str, columns: Sequence[Sequence[Image]]) -> Appraisal:
        """Appraise columns of M images each."""
        images = await self._embedder.images([image for column in columns for image in column])
        text = await self._embedder.text(initial_prompt)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._computed, images, text, len(columns))

    @torch.inference_mode()
    def _computed(self, images: Embedding, text: Embedding, columns: int) -> Appraisal:
        model = self._model
        device = model.prior.device
        pairs = torch.arange(len(images), device=device)
        cosines = model.cosines(
            torch.tensor(images, device=device),
            torch.tensor(text, device=device)[None],
            pairs,
            torch.zeros_like(pairs),
        )
        scores = model.scores(cosines).T.reshape(model.types, columns, -1)
        utilities = model.utilities(scores)
        log_choices = model.log_choices(utilities)
        return Appraisal(utilities.double().cpu().numpy(), log_choices.double().cpu().numpy())


def load_type_judge(
    folder: Path, fingerprint: str, embed_texts: EmbedTexts, device: str = "cpu"
) -> TypeJudge:
    """Load a user model that judges what a profile's encoder, of this fingerprint, embeds.

    A model with an encoder of its own brings that along. `ModelUnavailable` where it was trained on another.
    """
    model = load_user_model(folder, device)
    own = folder / CLIP_FOLDER
    if own.is_dir():
        if model.config.clip and model.config.clip != encoder_fingerprint(own):
            raise ModelUnavailable(
                f"the user model in {folder} was trained with another encoder than the one in {own}",
                "train or fetch both again",
            )
        return TypeJudge(model, OwnEmbeddings(ClipEncoder.load(own, device)))
    if model.config.clip and model.config.clip != fingerprint:
        raise ModelUnavailable(
            f"the user model in {folder} was trained on another encoder than the profile's",
            "name the profile it was trained with, or train one for this profile",
        )
    return TypeJudge(model, CarriedEmbeddings(embed_texts))
