"""What is plainly wrong with a model file, found from its header and its length alone."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.errors import ExitCode, ModelUnavailable
from pasta_core.microworld.captions import known_words
from pasta_core.models import model_files, require_models
from pasta_core.paths import find_assets
from pasta_core.settings import (
    ClipProfile,
    HubSource,
    ModelSource,
    PainterProfile,
    Profile,
    WriterProfile,
)
from pasta_core.vocabulary import load_vocabulary, unknown_words


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value)) + value.encode()


def gguf(architecture: str = "llama", template: str = "{{ messages }}") -> bytes:
    """One f16 tensor of 4x8 values, behind strings, two arrays and an alignment."""
    entries = [
        text("general.architecture") + struct.pack("<I", 8) + text(architecture),
        text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("cat"),
        text("tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.5),
        text("tokenizer.chat_template") + struct.pack("<I", 8) + text(template),
        text("general.alignment") + struct.pack("<II", 4, 64),
    ]
    tensor = text("token_embd.weight") + struct.pack("<IQQIQ", 2, 4, 8, 1, 0)
    header = b"GGUF" + struct.pack("<IQQ", 3, 1, len(entries)) + b"".join(entries) + tensor
    return header + bytes(-len(header) % 64) + bytes(4 * 8 * 2)


def safetensors() -> bytes:
    header = json.dumps({"__metadata__": {}, "w": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}})
    return struct.pack("<Q", len(header)) + header.encode() + bytes(16)


@pytest.fixture
def profile(tmp_path: Path) -> Profile:
    """A profile of files that are whole, and models only by their headers."""
    (tmp_path / "writer.gguf").write_bytes(gguf())
    (tmp_path / "writer.txt").write_text("{{ prompt }}")
    for folder in ("painter/unet", "clip"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "model.safetensors").write_bytes(safetensors())
        (tmp_path / folder / "config.json").write_text("{}")
    (tmp_path / "painter" / "model_index.json").write_text('{"_class_name": "StableDiffusionXLPipeline"}')
    return Profile(
        "mine",
        "",
        WriterProfile(tmp_path / "writer.gguf", tmp_path / "writer.txt"),
        PainterProfile(tmp_path / "painter"),
        ClipProfile(tmp_path / "clip"),
    )


def test_whole_files_are_fine_and_measured(profile: Profile) -> None:
    require_models(profile)
    sizes = {model.role: model.size for model in model_files(profile)}
    assert sizes["writer"] == len(gguf())
    assert sizes["clip"] == len(safetensors()) + 2


@pytest.mark.parametrize(
    "name", ["writer.gguf", "painter/unet/model.safetensors", "clip/model.safetensors", "clip/config.json"]
)
def test_every_shorter_file_is_noticed(name: str, profile: Profile, tmp_path: Path) -> None:
    whole = (tmp_path / name).read_bytes()
    for length in {0, 1, len(whole) // 2, len(whole) - 1} - ({1} if name.endswith(".json") else set()):
        (tmp_path / name).write_bytes(whole[:length])
        with pytest.raises(ModelUnavailable, match=str(tmp_path / name)) as raised:
            require_models(profile)
        assert raised.value.exit_code is ExitCode.MODEL
        assert raised.value.hint


@pytest.mark.parametrize("name", ["writer.gguf", "clip/model.safetensors"])
def test_a_file_of_another_kind_is_noticed(name: str, profile: Profile, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"<!DOCTYPE html>" * 100)
    with pytest.raises(ModelUnavailable, match=name):
        require_models(profile)


@pytest.mark.parametrize(
    "header", [b"[" * 100_000, b'{"w": {"shape": [1], "data_offsets": [0, 1e999]}}', b"[]"]
)
def test_a_header_that_means_to_break_its_reader_is_noticed(
    header: bytes, profile: Profile, tmp_path: Path
) -> None:
    (tmp_path / "clip" / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(ModelUnavailable, match="is not a safetensors file"):
        require_models(profile)


def test_a_vocabulary_is_a_part_like_others(profile: Profile, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="vocabulary model of profile mine is missing"):
        require_models(replace(profile, vocabulary=tmp_path / "words.txt"))


def test_a_model_that_cannot_be_read_is_not_advised_to_be_pulled(profile: Profile, tmp_path: Path) -> None:
    hidden = replace(profile, user_model=tmp_path / ("x" * 300))
    fetched = replace(hidden, sources={"user": ModelSource("", HubSource("a/b"))})
    for one in (hidden, fetched):
        with pytest.raises(ModelUnavailable, match="cannot be read") as raised:
            require_models(one)
        assert "make it readable" in raised.value.hint


def test_a_language_model_and_an_image_encoder_are_told_apart(profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "mmproj.gguf").write_bytes(gguf("clip"))
    writer, encoder = tmp_path / "writer.gguf", tmp_path / "mmproj.gguf"
    require_models(replace(profile, writer=replace(profile.writer, mmproj=encoder)))
    with pytest.raises(ModelUnavailable, match="writer model of profile mine is an image encoder"):
        require_models(replace(profile, writer=replace(profile.writer, model=encoder)))
    with pytest.raises(ModelUnavailable, match="mmproj model of profile mine is no image encoder"):
        require_models(replace(profile, writer=replace(profile.writer, mmproj=writer)))


@pytest.mark.parametrize("template", ["", " \n"])
def test_an_instruct_model_needs_a_chat_template(template: str, profile: Profile, tmp_path: Path) -> None:
    (tmp_path / "writer.gguf").write_bytes(gguf(template=template))
    with pytest.raises(ModelUnavailable, match="writer model of profile mine has no chat template") as raised:
        require_models(profile)
    assert "writer.chat = false" in raised.value.hint
    require_models(replace(profile, writer=replace(profile.writer, chat=False)))


def test_a_missing_model_is_noticed(profile: Profile, tmp_path: Path) -> None:
    missing = replace(profile, clip=ClipProfile(tmp_path / "nowhere"))
    with pytest.raises(ModelUnavailable, match="clip model of profile mine is missing"):
        require_models(missing)


def test_words_outside_the_vocabulary_are_named_once_and_in_order(tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("A\ncat\nin\nthe\nclose-up\ndark\n")
    known = load_vocabulary(file)
    assert unknown_words("A zorblax cat, in the Quux: zorblax!", known) == ("zorblax", "quux")
    assert unknown_words("Close-up, the dark-cat, a so-so 7", known) == ("so-so", "7")
    assert unknown_words("anything at all", load_vocabulary(tmp_path / "none.txt")) == ()
    assert unknown_words("anything at all", load_vocabulary(None)) == ()


def test_the_shipped_vocabulary_holds_the_words_that_captions_use() -> None:
    shipped = find_assets() / "micro" / "vocabulary.txt"
    assert shipped.read_text().splitlines() == sorted(known_words())
    assert unknown_words("a red train in the snow, close-up, at night", load_vocabulary(shipped)) == ()
