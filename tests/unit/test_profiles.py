"""Profiles: where a part lies, what one takes from another, and every wrong word named."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.hub.manifest import RemoteFile, write_manifest
from pasta_core.models import ModelFile, Part, find_parts, inspect_part, parts, remedy, require_models
from pasta_core.paths import Paths, locate
from pasta_core.profiles import known_profiles, load_profile
from pasta_core.safetensors_header import LORA, SDXL, VAE, kind_of, read_header
from pasta_core.settings import HubSource, Lora, ModelSource

WRITER = '[writer]\nmodel = "w.gguf"\ntemplate = "assets:templates/writer.txt"\n'
CLIP = '[clip]\nmodel = "clip"\n'


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    (tmp_path / "config" / "profiles").mkdir(parents=True)
    return replace(locate({}), config=tmp_path / "config", models=(tmp_path / "cache",))


def written(paths: Paths, text: str, name: str = "mine") -> Path:
    file = paths.config / "profiles" / f"{name}.toml"
    file.write_text(text)
    return file


def test_the_shipped_profiles_name_pinned_and_licensed_sources(paths: Paths) -> None:
    assert set(known_profiles(paths)) == {"micro", "sdxl", "turbo"}
    for name in ("sdxl", "turbo"):
        profile = load_profile(name, paths)
        hubs = {role: source for role, source in profile.sources.items() if source.hub}
        assert set(hubs) == {"writer", "painter", "vae", "preview", "clip"}
        for source in hubs.values():
            assert source.hub is not None and len(source.hub.revision) == 40 and source.licence
        config = load_profile(name, paths).painter.config
        assert config is not None and (config / "unet" / "config.json").is_file()
    assert load_profile("turbo", paths).painter.scheduler is not None
    assert load_profile("micro", paths).sources == {}


def test_a_part_is_a_path_a_shipped_file_or_a_file_of_a_hub(paths: Paths) -> None:
    written(
        paths,
        WRITER
        + """[painter]
model = { hub = "a/b", revision = "v1", file = "x/big.safetensors", licence = "MIT" }
vae = { path = "vae.safetensors", licence = "Apache-2.0" }
loras = ["one.safetensors", { path = "/two.safetensors", weight = 0.5 }, { hub = "c/d", file = "l" }]
[clip]
model = { hub = "e/f", files = ["*.json", "*.safetensors"] }
""",
    )
    profile = load_profile("mine", paths)
    home, cache = paths.config / "profiles", paths.models[0]
    assert profile.writer.model == home / "w.gguf"
    assert profile.writer.template == paths.assets / "templates" / "writer.txt"
    assert profile.painter.model == cache / "models--a--b" / "snapshots" / "v1" / "x" / "big.safetensors"
    assert profile.painter.vae == home / "vae.safetensors"
    assert profile.painter.loras[:2] == (
        Lora(home / "one.safetensors"),
        Lora(Path("/two.safetensors"), 0.5),
    )
    assert profile.sources["painter"].hub == HubSource("a/b", "v1", ("x/big.safetensors",), True)
    assert profile.sources["vae"].licence == "Apache-2.0"
    assert profile.sources["lora-3"].hub is not None
    assert [part.role for part in parts(profile)] == [
        *("writer", "template", "painter", "config", "vae", "lora-1", "lora-2", "lora-3", "clip")
    ]
    assert [part.role for part in find_parts("mine.lora-2", paths)[1]] == ["lora-2"]
    written(paths, 'extends = "mine"\n', "mine.2")
    assert find_parts("mine.2", paths) == ("mine.2", find_parts("mine", paths)[1])
    assert find_parts("mine.2.vae", paths)[0] == "mine.2"
    with pytest.raises(InvalidInput, match="has no part 'lorra-2'") as raised:
        find_parts("mine.lorra-2", paths)
    assert "mine.lora-2" in raised.value.hint


def test_a_profile_that_extends_another_says_only_what_differs(paths: Paths) -> None:
    written(
        paths,
        'extends = "sdxl"\n[painter]\nmodel = "/models/own.safetensors"\nsteps = 20\n[session]\nimages = 2\n',
    )
    own, base = load_profile("mine", paths), load_profile("sdxl", paths)
    assert own.painter.model == Path("/models/own.safetensors")
    assert own.painter == replace(base.painter, model=own.painter.model, steps=20)
    assert own.writer == base.writer and own.clip == base.clip and own.examples == base.examples
    assert own.session == replace(base.session, images=2)
    assert set(own.sources) == {"writer", "vae", "preview", "clip"}
    written(paths, 'extends = "mine"\n[session]\nturns = 3\n', "other")
    assert load_profile("other", paths).session == replace(own.session, turns=3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (WRITER + CLIP, r"\[painter\] lacks \"model\""),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "just-a-name" }\n', "hub is 'just-a-name'"),
        (WRITER + CLIP + '[painter]\nmodel = { licence = "MIT" }\n', "names no model"),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "a/b", fil = "x" }\n', 'unknown key "fil"'),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "a/b", file = "../x" }\n', "names '../x'"),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "a/b", file = "x", files = ["y"] }\n', "has both"),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "a/b", files = [3] }\n', "files is 3"),
        (WRITER + CLIP + '[painter]\nmodel = { hub = "a/b", revision = "../x" }\n', "revision is '../x'"),
        (WRITER + CLIP + "[painter]\nmodel = 7\n", "model is 7"),
        (WRITER + CLIP + '[painter]\nmodel = "m"\nloras = "l"\n', "loras is 'l'"),
        (
            WRITER + CLIP + '[painter]\nmodel = "m"\nloras = [{ path = "l", weight = "much" }]\n',
            "weight is 'much'",
        ),
        (WRITER + CLIP + '[painter]\nmodel = "m"\nsteps = "many"\n', "steps is 'many'"),
        ('extends = "sdxll"\n', 'no profile "sdxll"'),
        ('extends = "mine"\n', "goes round in a circle"),
    ],
)
def test_what_is_wrong_is_named(paths: Paths, text: str, said: str) -> None:
    written(paths, text)
    with pytest.raises(InvalidInput, match=said) as raised:
        load_profile("mine", paths)
    assert raised.value.hint


def test_what_was_not_fetched_names_the_pull(paths: Paths) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        require_models(load_profile("sdxl", paths))
    assert "Qwen/Qwen3-VL-4B-Instruct-GGUF" in raised.value.message
    assert "pasta models pull sdxl" in raised.value.hint


def weights(file: Path, *names: str, shape: tuple[int, ...] = (4, 4)) -> Path:
    """A `.safetensors` file of float16 zeros under these names."""
    size = 2
    for side in shape:
        size *= side
    entries = {
        name: {"dtype": "F16", "shape": list(shape), "data_offsets": [number * size, (number + 1) * size]}
        for number, name in enumerate(names)
    }
    header = json.dumps(entries).encode()
    file.write_bytes(struct.pack("<Q", len(header)) + header + bytes(size * len(names)))
    return file


UNET = "model.diffusion_model.input_blocks.0.0.weight"
FIRST = "conditioner.embedders.0.transformer.text_model.final_layer_norm.weight"
SECOND = "conditioner.embedders.1.model.ln_final.weight"
KINDS = {
    SDXL: (UNET, FIRST, SECOND, "first_stage_model.decoder.conv_in.weight"),
    LORA: ("lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight",),
    VAE: ("decoder.conv_in.weight", "encoder.conv_in.weight"),
    "an SD1.x checkpoint, not SDXL": (
        UNET,
        "cond_stage_model.transformer.text_model.final_layer_norm.weight",
    ),
    "an SD2.x checkpoint, not SDXL": (UNET, "cond_stage_model.model.ln_final.weight"),
    "the refiner of SDXL, which paints nothing by itself": (
        UNET,
        "conditioner.embedders.0.model.ln_final.weight",
    ),
    "an SDXL checkpoint without its UNet": (FIRST, SECOND),
    "an SDXL checkpoint without its first text encoder and second text encoder": (UNET,),
    "a transformer such as Flux or SD3, not SDXL": (
        "model.diffusion_model.double_blocks.0.img_attn.qkv.weight",
    ),
    "no model that is known here": ("something.else",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_says_what_it_is(tmp_path: Path, kind: str) -> None:
    assert kind_of(read_header(weights(tmp_path / "x.safetensors", *KINDS[kind]))) == kind


def test_an_inpainting_checkpoint_is_told_by_its_first_layer(tmp_path: Path) -> None:
    file = weights(tmp_path / "x.safetensors", *KINDS[SDXL], shape=(8, 9, 3, 3))
    assert "inpainting" in kind_of(read_header(file))


@pytest.mark.parametrize(
    ("role", "kind", "said"),
    [
        ("painter", "an SD1.x checkpoint, not SDXL", "is an SD1.x checkpoint, not SDXL"),
        ("painter", LORA, "is a LoRA"),
        ("vae", SDXL, "is an SDXL checkpoint, and not an autoencoder"),
        ("lora-1", VAE, "is an autoencoder, and not a LoRA"),
        ("preview", LORA, "is a LoRA, and not a small autoencoder such as TAESDXL"),
    ],
)
def test_a_file_of_another_kind_than_its_part_is_named(
    paths: Paths, tmp_path: Path, role: str, kind: str, said: str
) -> None:
    wrong = weights(tmp_path / "wrong.safetensors", *KINDS[kind])
    key = {"painter": "model", "vae": "vae", "lora-1": "loras", "preview": "preview"}[role]
    value = f'["{wrong}"]' if role == "lora-1" else f'"{wrong}"'
    written(paths, f'extends = "micro"\n[painter]\n{key} = {value}\n')
    found = [inspect_part(part) for part in parts(load_profile("mine", paths)) if part.role == role]
    assert [file.problem for file in found[0]] == [said]
    with pytest.raises(ModelUnavailable, match=said) as raised:
        require_models(load_profile("mine", paths))
    assert "name another file in the profile" in raised.value.hint
    fetched = ModelSource(hub=HubSource("somebody/else"))
    for hint, problem in (
        ("", said),
        ("", "is not a GGUF file this version can read"),
        ("get it with 'pasta models pull mine'", "is cut short"),
        (f"'pasta models remove mine.{role}' and pull it again", "is not a safetensors file"),
        (f"'pasta models remove mine.{role}' and pull it again", "is not a GGUF file"),
    ):
        assert remedy(Part(role, wrong, fetched), ModelFile(role, wrong, 1, problem), "mine") == hint


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ('{"_class_name": "StableDiffusionPipeline"}', "is a folder of StableDiffusionPipeline, not of SDXL"),
        ('{"_class_name": "StableDiffusionXLPipeline", "unet": ["diffusers", "X"]}', "lacks unet"),
        ("[]", "has a damaged model_index.json"),
        (None, "has no model_index.json"),
    ],
)
def test_a_folder_of_another_pipeline_is_named(
    paths: Paths, tmp_path: Path, index: str | None, said: str
) -> None:
    (tmp_path / "painter").mkdir()
    (tmp_path / "painter" / ("model_index.json" if index else "readme.txt")).write_text(index or "nothing")
    written(paths, f'extends = "micro"\n[painter]\nmodel = "{tmp_path}/painter"\n')
    with pytest.raises(ModelUnavailable, match=said):
        require_models(load_profile("mine", paths))


def test_a_fetched_folder_without_its_index_is_pulled_and_with_a_damaged_one_removed_first(
    paths: Paths,
) -> None:
    def said(files: str = "") -> str:
        written(
            paths,
            f'extends = "micro"\n[painter]\nmodel = {{ hub = "a/b", revision = "{"0" * 40}"{files} }}\n',
        )
        with pytest.raises(ModelUnavailable, match=r"model_index\.json") as raised:
            require_models(load_profile("mine", paths))
        return raised.value.hint

    folder = paths.models[0] / "models--a--b" / "snapshots" / ("0" * 40)
    (folder / "vae").mkdir(parents=True)
    weights(folder / "vae" / "x.safetensors", *KINDS[VAE])
    assert said() == "get it with 'pasta models pull mine'"
    assert "name another file" in said(', files = ["vae/*"]'), "an index is not asked for"
    (folder / "model_index.json").write_text('{"_class_name')
    assert said() == "'pasta models remove mine.painter' and pull it again"
    (folder / "model_index.json").unlink()
    write_manifest(folder, [RemoteFile("vae/x.safetensors", 8, "0" * 64)])
    assert "name another file" in said(), "the repository has no index"


def test_fetched_weights_that_became_zeros_are_removed_before_they_are_pulled_again(paths: Paths) -> None:
    source = f'{{ hub = "a/b", revision = "{"0" * 40}", file = "style.safetensors" }}'
    written(paths, f'extends = "micro"\n[painter]\nloras = [{source}]\n')
    file = paths.models[0] / "models--a--b" / "snapshots" / ("0" * 40) / "style.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(1000))
    with pytest.raises(ModelUnavailable, match="is not a safetensors file") as raised:
        require_models(load_profile("mine", paths))
    assert raised.value.hint == "'pasta models remove mine.lora-1' and pull it again"


def test_a_pickle_is_refused(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "model.ckpt").write_bytes(b"\x80\x02}q\x00.")
    written(paths, f'extends = "micro"\n[painter]\nmodel = "{tmp_path}/model.ckpt"\n')
    with pytest.raises(ModelUnavailable, match=r"is a \.ckpt file, and only \.safetensors is read"):
        require_models(load_profile("mine", paths))


@pytest.mark.parametrize("inside", [True, False])
def test_openais_own_clip_is_refused_before_anything_loads(
    paths: Paths, tmp_path: Path, inside: bool
) -> None:
    file = tmp_path / "openai" / "ViT-L-14.pt"
    file.parent.mkdir()
    file.write_bytes(b"\x80\x02}q\x00.")
    written(paths, f'extends = "micro"\n[clip]\nmodel = "{file.parent if inside else file}"\n')
    with pytest.raises(ModelUnavailable, match=r"is a pickle \(ViT-L-14\.pt\), which can run programs"):
        require_models(load_profile("mine", paths))
