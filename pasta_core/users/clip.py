"""CLIP image and text embeddings before normalisation (D.4), from a local open_clip folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import open_clip
import torch
from PIL import Image as PillowImage
from torch import Tensor, nn

from pasta_core.domain import Embedding, Pixels
from pasta_core.errors import InvalidInput, ModelUnavailable

__all__ = ["ClipEncoder"]

BATCH = 4
"""Rows of every forward pass, images and texts alike: at one shape a row never depends on its neighbours."""

PICKLED = (".pt", ".pth", ".bin", ".ckpt")
_DTYPES = {"float32": torch.float32, "float16": torch.float16}

T = TypeVar("T")


class ClipEncoder:
    """An open_clip model that embeds images and texts in fixed, padded batches.

    The folder holds `open_clip_config.json` (`model_cfg`, `preprocess_cfg`), `open_clip_model.safetensors`
    and, where `text_cfg` names an `hf_tokenizer_name`, that tokenizer's files.
    """

    def __init__(
        self, model: nn.Module, preprocess: Any, tokenizer: Any, device: str, dtype: str = "float32"
    ) -> None:
        self._model = model
        self._preprocess = preprocess
        self._tokenizer = tokenizer
        self._device = device
        self._dtype = _DTYPES[dtype]

    @classmethod
    def load(cls, folder: Path, device: str = "cpu", dtype: str = "float32") -> ClipEncoder:
        """Load a folder; `ModelUnavailable` names it where a file is missing, damaged or foreign.

        `dtype` is what it computes in, float32 or float16; what it returns is float32 either way.
        """
        if dtype not in _DTYPES:
            raise InvalidInput(f"CLIP cannot run in {dtype}", f"choose {' or '.join(_DTYPES)}")
        for name in ("open_clip_config.json", "open_clip_model.safetensors"):
            if not (folder / name).is_file():
                raise _lacking(folder, name)
        try:
            name = f"local-dir:{folder}"
            precision = {"float16": "fp16"}.get(dtype, "fp32")
            model, preprocess = open_clip.create_model_from_pretrained(
                name, device=device, precision=precision
            )
            tokenizer = open_clip.get_tokenizer(name)
            if hasattr(tokenizer, "tokenizer") and not (folder / "tokenizer.json").is_file():
                # Without its file a tokenizer loads all the same, with an empty vocabulary.
                raise FileNotFoundError("tokenizer.json is missing")
            model.eval().requires_grad_(False)
        except Exception as error:
            raise ModelUnavailable(
                f"the CLIP model in {folder} does not load: {_first_line(error)}",
                "fetch or build it again",
            ) from error
        return cls(model, preprocess, tokenizer, device, dtype)

    @property
    def dimension(self) -> int:
        """The length d of an embedding."""
        return int(self.embed_texts([""]).shape[1])

    @property
    def network(self) -> Any:
        """The open_clip model itself, for who trains it."""
        return self._model

    def prepare(self, pixels: Pixels) -> Tensor:
        """RGB pixels (h, w, 3), any size, as the network takes them: (3, s, s)."""
        prepared: Tensor = self._preprocess(PillowImage.fromarray(pixels))
        return prepared

    def tokens(self, texts: Sequence[str]) -> Tensor:
        """Texts as the network takes them, cut at the context length: (n, context)."""
        tokens: Tensor = self._tokenizer(list(texts))
        return tokens

    def embed_images(self, images: Sequence[Pixels]) -> Embedding:
        """Embed RGB images of shape (h, w, 3), any size; returns (n, d) float32."""
        tensors = [self._preprocess(PillowImage.fromarray(pixels)).to(self._dtype) for pixels in images]
        return self._embed(tensors, self._model.encode_image)

    def embed_texts(self, texts: Sequence[str]) -> Embedding:
        """Embed texts, cut at the context length where they are longer; returns (n, d) float32."""
        return self._embed([self._tokenizer([text])[0] for text in texts], self._model.encode_text)

    def too_long(self, texts: Sequence[str]) -> list[str]:
        """The texts that do not fit the context: the tokenizer would drop their ends."""
        length = self._tokenizer.context_length
        return [text for text in texts if len(self._ids(text)) > length]

    def _ids(self, text: str) -> Sequence[int]:
        inner = getattr(self._tokenizer, "tokenizer", None)
        if inner is not None:
            return list(inner(text).input_ids)
        return [0, *self._tokenizer.encode(text), 0]

    def _embed(self, rows: Sequence[Tensor], encode: Any) -> Embedding:
        if not rows:
            return np.zeros((0, self.dimension), np.float32)
        with torch.inference_mode():
            parts = [
                encode(torch.stack(_padded(chunk)).to(self._device))[: len(chunk)].float().cpu().numpy()
                for chunk in _chunks(rows)
            ]
        return np.concatenate(parts)


def _lacking(folder: Path, name: str) -> ModelUnavailable:
    """What to say of a folder without one of its files, above all if it holds OpenAI's own."""
    found = [folder] if folder.is_file() else sorted(folder.glob("*")) if folder.is_dir() else []
    pickled = next((file for file in found if file.suffix in PICKLED), None)
    if pickled is None:
        hint = "point the profile's [clip] model at an open_clip folder"
        return ModelUnavailable(f"the CLIP model in {folder} lacks {name}", hint)
    return ModelUnavailable(
        f"the CLIP model {pickled} is a pickle, which can run programs, and is never read",
        "timm/vit_large_patch14_clip_224.openai has the same weights as safetensors",
    )


def _chunks(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _padded(rows: Sequence[T]) -> list[T]:
    return [*rows, *[rows[0]] * (BATCH - len(rows))]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
