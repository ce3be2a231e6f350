"""The writer is told what images show in one form, the one it learned from."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from pasta_core.agent.captions import Captioner, CaptionSheet
from pasta_core.domain import Embedding, Image
from pasta_core.errors import InvalidInput, WorkerError
from pasta_core.microworld.captions import known_words, parse_attributes
from pasta_core.microworld.dialogues import sample_dialogue
from pasta_core.microworld.grammar import ATTRIBUTES
from pasta_core.microworld.image_captions import TAGGED, caption_sheet, sheet_text
from pasta_core.paths import find_assets

SHEET = CaptionSheet("{mood} {thing}", {"thing": {"cat": "cat", "dog": "dog"}, "mood": {"sad": "a sad"}})


def _image(*embedding: float) -> Image:
    return Image(0, np.zeros((1, 1, 3), np.uint8), np.array(embedding, np.float32) if embedding else None)


class _Encoder:
    """Three phrases of two dimensions; fails as often as it is told to."""

    def __init__(self, failures: int = 0) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._failures = failures

    async def embed(self, texts: Sequence[str]) -> Embedding:
        self.asked.append(tuple(texts))
        await asyncio.sleep(0)
        if len(self.asked) <= self._failures:
            raise WorkerError("it died")
        return np.array([[2, 0], [0, 0.1], [1, 1]], np.float32)


def test_the_shipped_sheet_is_the_one_that_dialogues_use() -> None:
    shipped = find_assets() / "micro" / "clip" / "captions.toml"
    assert CaptionSheet.load(shipped) == caption_sheet()
    assert shipped.read_text() == sheet_text(caption_sheet())


def test_every_caption_of_a_dialogue_says_one_value_of_each_tagged_attribute() -> None:
    rng = random.Random(0)
    captions = {sample_dialogue(rng, turn=1).request.caption for _ in range(200)} - {""}
    assert len(captions) > 10
    for text in captions:
        said = parse_attributes(text)
        assert set(said.known()) == set(TAGGED)
        assert caption_sheet().describe(said.known()) == text


def test_captions_use_words_that_the_models_know() -> None:
    sheet = caption_sheet()
    for tags in (dict(zip(TAGGED, row, strict=True)) for row in _rows()):
        assert set(sheet.describe(tags).split()) <= known_words()


def _rows() -> list[tuple[str, ...]]:
    longest = max(len(ATTRIBUTES[name]) for name in TAGGED)
    return [tuple(ATTRIBUTES[name][n % len(ATTRIBUTES[name])] for name in TAGGED) for n in range(longest)]


def test_a_tag_is_the_phrase_of_the_highest_mean_cosine() -> None:
    texts = np.array([[2, 0], [0, 0.1], [1, 1]], np.float32)
    # one image speaks loudly for the cat, two quietly for the dog: lengths must not count
    images = np.array([[9, 0], [0.1, 0.3], [0.1, 0.3]], np.float32)
    assert SHEET.tags(images, texts) == {"thing": "dog", "mood": "sad"}
    assert SHEET.tags(images[:1], texts)["thing"] == "cat"


def test_phrases_are_embedded_once_for_all_captions() -> None:
    encoder = _Encoder()

    async def ask() -> list[str]:
        captioner = Captioner(SHEET, encoder.embed)
        return await asyncio.gather(*(captioner.caption([_image(x, 1 - x)]) for x in (0.9, 0.2, 0.8)))

    assert asyncio.run(ask()) == ["a sad cat", "a sad dog", "a sad cat"]
    assert encoder.asked == [("cat", "dog", "a sad")]


def test_after_a_failure_the_phrases_are_asked_for_again() -> None:
    encoder = _Encoder(failures=1)

    async def ask() -> str:
        captioner = Captioner(SHEET, encoder.embed)
        with pytest.raises(WorkerError):
            await captioner.caption([_image(1, 0)])
        return await captioner.caption([_image(1, 0)])

    assert asyncio.run(ask()) == "a sad cat"


@pytest.mark.parametrize("images", [[], [_image()], [_image(1, 0), _image()]])
def test_images_without_embeddings_get_no_caption(images: list[Image]) -> None:
    encoder = _Encoder()
    assert asyncio.run(Captioner(SHEET, encoder.embed).caption(images)) == ""
    assert not encoder.asked


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("form = 3", "form"),
        ("form = 'a picture'\n[phrases.thing]\ncat = 'cat'", "says nothing"),
        ("form = '{thing'\n[phrases.thing]\ncat = 'cat'", "form"),
        ("form = '{other}'\n[phrases.thing]\ncat = 'cat'", "{other}"),
        ("form = '{thing.__class__}'\n[phrases.thing]\ncat = 'cat'", "thing.__class__"),
        ("form = '{thing!r}'\n[phrases.thing]\ncat = 'cat'", "thing"),
        ("form = '{thing}'\n[phrases.thing]", "is empty"),
        ("form = '{thing}'\n[phrases]\nthing = 'cat'", "a table"),
        ("form = '{thing}'\n[phrases.thing]\ncat = 3", "text"),
        ("from = '{thing}'", "form"),
    ],
)
def test_a_sheet_that_cannot_be_used_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    file = tmp_path / "captions.toml"
    file.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        CaptionSheet.load(file)
    assert complaint in f"{caught.value.message} {caught.value.hint}"
