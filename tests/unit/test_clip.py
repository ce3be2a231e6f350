"""CLIP: an embedding depends on its own image or text alone, and is not normalised."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image as PillowImage

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.users.clip import ClipEncoder
from tests.support.small_clip import openai_like


@pytest.fixture(scope="module")
def folder() -> Path:
    return load_profile("micro", locate({})).clip.model


@pytest.fixture(scope="module")
def clip(folder: Path) -> ClipEncoder:
    return ClipEncoder.load(folder)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    return list(np.random.default_rng(0).integers(0, 256, (7, 64, 64, 3), np.uint8))


def test_a_row_never_depends_on_its_neighbours(clip: ClipEncoder, pictures: list[np.ndarray]) -> None:
    together = clip.embed_images(pictures)
    assert together.shape == (7, clip.dimension)
    assert together.dtype == np.float32
    for picture, row in zip(pictures, together, strict=True):
        assert np.array_equal(clip.embed_images([picture])[0], row)
    texts = ["a cat", "a red train", "snow", "at night", "blue"]
    rows = clip.embed_texts(texts)
    assert np.array_equal(clip.embed_texts(["snow"])[0], rows[2])
    assert not np.array_equal(rows[0], rows[1])


def test_it_is_open_clips_own_output_before_normalisation(
    clip: ClipEncoder, folder: Path, pictures: list[np.ndarray]
) -> None:
    model, preprocess = open_clip.create_model_from_pretrained(f"local-dir:{folder}")
    tokens = open_clip.get_tokenizer(f"local-dir:{folder}")(["a red train"])
    with torch.inference_mode():
        image = model.encode_image(preprocess(PillowImage.fromarray(pictures[0]))[None], normalize=False)
        text = model.encode_text(tokens, normalize=False)
    assert np.allclose(clip.embed_images(pictures[:1]), image.numpy(), atol=1e-5)
    assert np.allclose(clip.embed_texts(["a red train"]), text.numpy(), atol=1e-5)
    assert abs(np.linalg.norm(clip.embed_texts(["a red train"])) - 1) > 0.01


def test_nothing_gives_nothing(clip: ClipEncoder) -> None:
    assert clip.embed_images([]).shape == (0, clip.dimension)
    assert clip.embed_texts([]).shape == (0, clip.dimension)


def test_texts_over_the_context_are_found(clip: ClipEncoder) -> None:
    long = " ".join(["a red train"] * 26)
    assert clip.too_long(["a cat", long]) == [long]


@pytest.mark.parametrize(
    "file", ["open_clip_config.json", "open_clip_model.safetensors", "truncated", "tokenizer.json"]
)
def test_a_folder_that_cannot_be_used_is_named(folder: Path, tmp_path: Path, file: str) -> None:
    damaged = tmp_path / "clip"
    shutil.copytree(folder, damaged)
    if file == "truncated":
        weights = damaged / "open_clip_model.safetensors"
        weights.write_bytes(weights.read_bytes()[:500])
    else:
        (damaged / file).unlink()
    with pytest.raises(ModelUnavailable) as caught:
        ClipEncoder.load(damaged)
    assert str(damaged) in caught.value.message


def test_half_precision_is_close_and_comes_back_in_float32(
    clip: ClipEncoder, folder: Path, pictures: list[np.ndarray]
) -> None:
    half = ClipEncoder.load(folder, dtype="float16")
    for own, exact in (
        (half.embed_images(pictures[:3]), clip.embed_images(pictures[:3])),
        (half.embed_texts(["a red train"]), clip.embed_texts(["a red train"])),
    ):
        assert own.dtype == np.float32
        assert 0 < np.abs(own - exact).max() < 0.01 * np.linalg.norm(exact, axis=1).max()
    with pytest.raises(InvalidInput, match="int8"):
        ClipEncoder.load(folder, dtype="int8")


def test_openais_activation_is_the_one_that_its_configuration_names(
    tmp_path: Path, pictures: list[np.ndarray]
) -> None:
    quick = openai_like(tmp_path / "ViT-L-14-quickgelu", quick=True)
    openai_like(tmp_path / "ViT-L-14", quick=False)
    found = ClipEncoder.load(tmp_path / "ViT-L-14-quickgelu")
    with torch.inference_mode():
        exact = quick.encode_image(torch.stack([found.prepare(picture) for picture in pictures[:2]])).numpy()
        words = quick.encode_text(found.tokens(["a red train"])).numpy()
    assert np.allclose(found.embed_images(pictures[:2]), exact, atol=1e-5)
    assert np.allclose(found.embed_texts(["a red train"]), words, atol=1e-5)
    assert found.too_long(["word " * 80, "a cat"]) == ["word " * 80]
    # the same weights with the usual GELU are another model
    plain = ClipEncoder.load(tmp_path / "ViT-L-14").embed_images(pictures[:2])
    assert np.abs(plain - exact).max() > 1e-3


@pytest.mark.parametrize("inside", [True, False])
def test_openais_own_file_is_refused_with_the_reason(tmp_path: Path, inside: bool) -> None:
    place = tmp_path / "clip" / "ViT-L-14.pt"
    place.parent.mkdir()
    place.write_bytes(b"\x80\x02}q\x00.")
    (place.parent / "open_clip_config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match=r"ViT-L-14\.pt is a pickle") as raised:
        ClipEncoder.load(place.parent if inside else place)
    assert "safetensors" in raised.value.hint
