"""Captions of images for a writer that sees none: zero-shot CLIP tags, said in one fixed form."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import numpy as np

from pasta_core.domain import Embedding, Image
from pasta_core.errors import InvalidInput
from pasta_core.typed_toml import convert, read_toml, refuse_unknown_keys

__all__ = ["CaptionSheet", "Captioner"]


@dataclass(frozen=True)
class CaptionSheet:
    """What a caption can say: `phrases[attribute][value]` is both what CLIP is asked and what is written.

    `form` is the whole caption with each attribute's name in braces where its phrase belongs.
    """

    form: str
    phrases: Mapping[str, Mapping[str, str]]

    @classmethod
    def load(cls, path: Path) -> CaptionSheet:
        """Read a TOML file of `form` and tables `[phrases.ATTRIBUTE]`; `InvalidInput` if it is not one."""
        table = read_toml(path)
        refuse_unknown_keys(table, ("form", "phrases"), str(path))
        attributes = convert(table.get("phrases", {}), dict, f"{path}: [phrases]")
        phrases = {name: _phrases(values, f"{path}: [phrases.{name}]") for name, values in attributes.items()}
        form = convert(table.get("form", ""), str, f"{path}: form")
        _refuse_strange_fields(form, phrases, f"{path}: form")
        return cls(form, phrases)

    @property
    def texts(self) -> tuple[str, ...]:
        """Every phrase, attribute by attribute: what `tags` needs the embeddings of."""
        return tuple(phrase for values in self.phrases.values() for phrase in values.values())

    def describe(self, tags: Mapping[str, str]) -> str:
        """The caption that says these values, one for each attribute of the form; others are ignored."""
        said = {name: values[tags[name]] for name, values in self.phrases.items()}
        return " ".join(self.form.format_map(said).split())

    def tags(self, images: Embedding, texts: Embedding) -> dict[str, str]:
        """Each attribute's value whose phrase has the highest mean cosine with the images.

        `images` has shape (m, d), `texts` shape (len(self.texts), d), both CLIP outputs of any length (D.4).
        """
        cosines = (_unit(texts) @ _unit(images).T).mean(axis=1)
        found, start = {}, 0
        for name, values in self.phrases.items():
            end = start + len(values)
            found[name] = tuple(values)[int(np.argmax(cosines[start:end]))]
            start = end
        return found


class Captioner:
    """Captions images from the embeddings they carry; the phrases are embedded once, on first use."""

    def __init__(
        self, sheet: CaptionSheet, embed_texts: Callable[[Sequence[str]], Awaitable[Embedding]]
    ) -> None:
        self._sheet = sheet
        self._embed_texts = embed_texts
        self._texts: Embedding | None = None
        self._asking = asyncio.Lock()

    async def caption(self, images: Sequence[Image]) -> str:
        """What the images show in common, in the sheet's form; empty where one has no embedding.

        Raises what `embed_texts` raises, and asks again the next time.
        """
        rows = [image.embedding for image in images if image.embedding is not None]
        if not rows or len(rows) < len(images):
            return ""
        async with self._asking:
            if self._texts is None:
                self._texts = await self._embed_texts(self._sheet.texts)
        return self._sheet.describe(self._sheet.tags(np.stack(rows), self._texts))


def _unit(rows: Embedding) -> Embedding:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, np.finfo(np.float32).tiny))


def _phrases(values: Any, where: str) -> dict[str, str]:
    table = convert(values, dict, where)
    if not table:
        raise InvalidInput(f"{where} is empty", "give it one phrase for each value")
    return {value: convert(phrase, str, f"{where} {value}") for value, phrase in table.items()}


def _refuse_strange_fields(form: str, phrases: Mapping[str, Any], where: str) -> None:
    try:
        fields = [(name, spec, how) for _, name, spec, how in Formatter().parse(form) if name is not None]
    except ValueError as error:
        raise InvalidInput(f"{where} is {form!r}: {error}", "close its braces") from error
    for name, spec, how in fields:
        if name not in phrases or spec or how:
            known = ", ".join(f"{{{known}}}" for known in phrases) or "none"
            raise InvalidInput(f"{where} names {{{name}}}", f"the attributes with phrases are: {known}")
    if not fields:
        raise InvalidInput(f"{where} says nothing", "name an attribute in braces")
