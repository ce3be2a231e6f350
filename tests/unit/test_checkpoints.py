"""Checkpoints in one file, autoencoders, schedulers and LoRAs: loaded from where they lie, exactly."""

from __future__ import annotations

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from pasta_core.errors import ExitCode, ModelUnavailable
from pasta_core.painter.checkpoints import load_autoencoder, load_scheduler
from pasta_core.painter.clip_tokenizers import sdxl_tokenizers
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.painter.loading import load_pipeline
from pasta_core.painter.lora import add_lora
from pasta_core.paths import find_assets
from pasta_core.settings import Lora, PainterProfile
from tests.support.small_sdxl import original_vae, save_checkpoint, save_config, small_lora, small_sdxl

MODELS = ("unet", "vae", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SDXL as folder/, as one.safetensors, and its shapes as config/."""
    root = tmp_path_factory.mktemp("sdxl")
    pipe = small_sdxl()
    pipe.save_pretrained(root / "folder")
    save_checkpoint(pipe, root / "one.safetensors")
    save_config(pipe, root / "config")
    return root


@pytest.fixture(scope="module")
def single(built: Path) -> PainterProfile:
    return PainterProfile(built / "one.safetensors", size=64, steps=2, config=built / "config")


def loaded(profile: PainterProfile) -> Any:
    return load_pipeline(profile, "cpu")


@pytest.fixture(scope="module")
def plain(single: PainterProfile) -> Any:
    return loaded(single)


def copied(pipe: Any) -> Any:
    """Another pipeline of equal models; the tokenizers are shared, they take long to copy."""
    models = {name: copy.deepcopy(part) for name, part in pipe.components.items() if name in MODELS}
    return type(pipe)(**{**pipe.components, **models}, add_watermarker=False)


def painted(profile: PainterProfile) -> Any:
    painter = DiffusersPainter.load(profile)
    return [pixels for batch in painter.paint(["a cat"], [[1, 2]]) for *_, pixels in batch]


def differing(one: Any, other: Any) -> list[str]:
    """The tensors in which two pipelines differ."""
    return [
        f"{name}.{key}"
        for name in MODELS
        for (key, ours), theirs in zip(
            getattr(one, name).state_dict().items(), getattr(other, name).state_dict().values(), strict=True
        )
        if not torch.equal(ours, theirs)
    ]


def test_a_checkpoint_is_the_folder_it_was_made_from(built: Path, plain: Any) -> None:
    folder, file = loaded(PainterProfile(built / "folder")), plain
    assert differing(folder, file) == []
    assert file.scheduler.config.steps_offset == 1
    assert file.vae.config.scaling_factor == folder.vae.config.scaling_factor == 0.13025
    for ours, theirs in ((file.tokenizer, folder.tokenizer), (file.tokenizer_2, folder.tokenizer_2)):
        text = "A fox's den, asleep in the LIBRARY — 24 fps!"
        assert ours(text, padding="max_length").input_ids == theirs(text, padding="max_length").input_ids


def test_a_checkpoint_paints_what_its_folder_paints(built: Path, single: PainterProfile) -> None:
    one, other = painted(single), painted(replace(single, model=built / "folder", config=None))
    assert len(one) == 2 and one[0].shape == (64, 64, 3)
    assert all(np.array_equal(ours, theirs) for ours, theirs in zip(one, other, strict=True))


@pytest.mark.parametrize(("bias", "said"), [(float("nan"), "no number"), (-1000.0, "black all over")])
def test_images_that_nobody_meant_are_named(
    single: PainterProfile, tmp_path: Path, bias: float, said: str
) -> None:
    tensors = load_file(single.model)
    tensors["first_stage_model.decoder.conv_out.bias"] = torch.full((3,), bias)
    save_file(tensors, tmp_path / "broken.safetensors")
    with pytest.raises(ModelUnavailable, match=said) as raised:
        painted(replace(single, model=tmp_path / "broken.safetensors"))
    assert "sdxl-vae-fp16-fix" in raised.value.hint


def test_the_tokenizers_are_clips_own() -> None:
    first, second = sdxl_tokenizers()
    texts = ["a photo of a cat", "A Fox's den, asleep; 24 naïve fps!", "", "猫 and 🦊", "x" * 300]
    for text in texts:
        theirs = open_clip.tokenize([text])[0].tolist()
        padded = second(text, padding="max_length", truncation=True).input_ids
        assert "!" in text or padded == theirs
        short = first(text, truncation=True).input_ids
        assert short == theirs[: len(short)] and set(theirs[len(short) :]) <= {0}
    assert first("a", padding="max_length").input_ids[-1] == first.eos_token_id == 49407
    # as in the published folder of SDXL 1.0, where the mark of padding is a word of the text, too
    assert second("a!").input_ids == [49406, 320, 0, 49407]


def test_the_shipped_configuration_is_sdxls(tmp_path: Path) -> None:
    from accelerate import init_empty_weights
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    folder = find_assets() / "painters" / "sdxl"
    with init_empty_weights():
        sizes = {
            "unet": UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(folder / "unet")),
            "vae": AutoencoderKL.from_config(AutoencoderKL.load_config(folder / "vae")),
            "text_encoder": CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder")),
            "text_encoder_2": CLIPTextModelWithProjection(
                CLIPTextConfig.from_pretrained(folder / "text_encoder_2")
            ),
        }
    # the published sizes of SDXL 1.0's parts
    counted = {name: sum(value.numel() for value in model.parameters()) for name, model in sizes.items()}
    assert counted == {
        "unet": 2_567_463_684,
        "vae": 83_653_863,
        "text_encoder": 123_060_480,
        "text_encoder_2": 694_659_840,
    }


def test_another_autoencoder_comes_as_a_folder_or_a_file(
    built: Path, single: PainterProfile, tmp_path: Path
) -> None:
    other = small_sdxl(seed=1).vae
    other.register_to_config(force_upcast=False)
    other.save_pretrained(tmp_path / "vae")
    save_file(
        {name: value.contiguous() for name, value in original_vae(other).items()}, tmp_path / "v.safetensors"
    )
    bare = save_checkpoint(small_sdxl(), tmp_path / "bare.safetensors", vae=False)
    folder, original, named = "vae", "v.safetensors", "vae/diffusion_pytorch_model.safetensors"
    for vae in (folder, original, named):
        loads = load_autoencoder(tmp_path / vae, built / "config", torch.float32)
        for key, value in other.state_dict().items():
            assert torch.equal(value, loads.state_dict()[key]), (vae, key)
        assert loads.config.force_upcast is (vae != folder)
    pipe = loaded(replace(single, model=bare, vae=tmp_path / original))
    assert torch.equal(pipe.vae.decoder.conv_in.weight, other.decoder.conv_in.weight)
    with pytest.raises(ModelUnavailable, match="holds no autoencoder"):
        loaded(replace(single, model=bare))


@pytest.mark.parametrize("pickled", ["vae", "vae/diffusion_pytorch_model.bin"])
def test_an_autoencoder_is_never_unpickled(
    built: Path, single: PainterProfile, tmp_path: Path, pickled: str
) -> None:
    shutil.copytree(built / "folder" / "vae", tmp_path / "vae")
    weights = tmp_path / "vae" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    with pytest.raises(ModelUnavailable, match="safetensors"):
        loaded(replace(single, vae=tmp_path / pickled))


def test_a_scheduler_is_a_file_of_its_own(single: PainterProfile, tmp_path: Path) -> None:
    files = sorted((find_assets() / "painters" / "schedulers").glob("*.json"))
    for file in files:
        scheduler = load_scheduler(file)
        assert type(scheduler).__name__ == json.loads(file.read_text())["_class_name"]
        scheduler.set_timesteps(4)
    pipe = loaded(replace(single, scheduler=files[-1]))
    assert type(pipe.scheduler) is type(load_scheduler(files[-1]))
    (tmp_path / "no.json").write_text('{"_class_name": "AutoencoderKL"}')
    with pytest.raises(ModelUnavailable, match="names no scheduler"):
        loaded(replace(single, scheduler=tmp_path / "no.json"))


def test_a_checkpoint_that_predicts_velocity_says_so(
    single: PainterProfile, plain: Any, tmp_path: Path
) -> None:
    tensors = load_file(single.model)
    save_file({**tensors, "v_pred": torch.zeros(1), "ztsnr": torch.zeros(1)}, tmp_path / "v.safetensors")
    config = loaded(replace(single, model=tmp_path / "v.safetensors")).scheduler.config
    assert config.prediction_type == "v_prediction" and config.rescale_betas_zero_snr is True
    assert plain.scheduler.config.prediction_type == "epsilon"


@pytest.mark.parametrize(
    "device",
    ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))],
)
def test_a_lora_adds_the_same_to_models_that_are_not_on_the_device_together(
    single: PainterProfile, plain: Any, tmp_path: Path, device: str
) -> None:
    save_file(small_lora(plain, "kohya"), tmp_path / "style.safetensors")
    styled = replace(single, loras=(Lora(tmp_path / "style.safetensors", 0.7),))
    apart, together = (load_pipeline(styled, device, apart=one) for one in (True, False))
    assert apart.unet.device.type == apart.text_encoder.device.type == "cpu"
    assert differing(apart, together.to("cpu")) == []
    assert device != "cpu" or differing(apart, plain)


def test_a_lora_is_multiplied_on_the_device_wherever_the_weights_are(
    single: PainterProfile, plain: Any, tmp_path: Path
) -> None:
    save_file(small_lora(plain, "kohya"), tmp_path / "style.safetensors")
    styled = replace(single, loras=(Lora(tmp_path / "style.safetensors"),))
    # nothing comes back from a device that computes shapes alone
    with pytest.raises(ModelUnavailable, match=r"cannot be added: .*meta"):
        load_pipeline(styled, "meta", apart=True)


@pytest.mark.parametrize("style", ["kohya", "original", "diffusers"])
def test_a_lora_changes_what_it_says(plain: Any, tmp_path: Path, style: str) -> None:
    tensors = small_lora(plain, style)
    save_file(tensors, tmp_path / "style.safetensors")
    ours, reference = copied(plain), copied(plain)
    add_lora(ours, Lora(tmp_path / "style.safetensors", 0.5))
    # diffusers' own fusing, which needs PEFT and does not take every text encoder
    reference.load_lora_weights({name: value for name, value in tensors.items() if "unet" in name})
    reference.fuse_lora(components=["unet"], lora_scale=0.5)
    reference.unload_lora_weights()
    changed = differing(plain, ours)
    in_unet = [name for name in changed if name.startswith("unet.")]
    assert sorted(in_unet) == sorted(differing(plain, reference))
    for name in in_unet:
        key = name.removeprefix("unet.")
        mine, theirs = (pipe.unet.state_dict()[key] for pipe in (ours, reference))
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)
    scale = 0.5 * (1.0 if style == "diffusers" else 0.5)
    for encoder, path in (
        ("text_encoder", "encoder.layers.0.self_attn.q_proj"),
        ("text_encoder_2", "text_model.encoder.layers.1.mlp.fc1"),
    ):
        marks = {"text_encoder": ("te1", "text_encoder."), "text_encoder_2": ("te2", "text_encoder_2.")}
        down, up = (
            next(
                value
                for name, value in tensors.items()
                if any(mark in name for mark in marks[encoder]) and part in name
            )
            for part in (("lora_A", "lora_B") if style == "diffusers" else ("lora_down", "lora_up"))
        )
        before, after = (getattr(pipe, encoder).get_submodule(path).weight for pipe in (plain, ours))
        torch.testing.assert_close(after, before + scale * up @ down)
    assert len(changed) == len(in_unet) + 2


@pytest.mark.parametrize(
    ("said", "scale"),
    [
        ({"unet.lora_alpha": 3}, 3 / 2),
        ({"unet.lora_alpha": 3, "unet.use_rslora": True}, 3 / 2**0.5),
        ({"unet.lora_alpha": 3, "unet.alpha_pattern": {"to_k": 9, "attn1.to_q": 5}}, 5 / 2),
        ({"unet.use_rslora": True, "text_encoder.lora_alpha": 7}, 2**0.5),
    ],
)
def test_what_peft_says_of_a_lora_counts(
    plain: Any, tmp_path: Path, said: dict[str, Any], scale: float
) -> None:
    path = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    before = plain.unet.get_submodule(path).weight
    down, up = torch.randn(2, before.shape[1]), torch.randn(before.shape[0], 2)
    save_file(
        {f"unet.{path}.lora_A.weight": down, f"unet.{path}.lora_B.weight": up},
        tmp_path / "l.safetensors",
        {"lora_adapter_metadata": json.dumps(said)},
    )
    ours = copied(plain)
    add_lora(ours, Lora(tmp_path / "l.safetensors"))
    torch.testing.assert_close(ours.unet.get_submodule(path).weight, before + scale * up @ down)


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        '{"unet.lora_alpha": "much"}',
        '{"unet.lora_alpha": NaN}',
        '{"unet.alpha_pattern": [1]}',
        '{"unet.alpha_pattern": {".*": 1}}',
    ],
)
def test_what_cannot_be_understood_of_a_lora_is_named(plain: Any, tmp_path: Path, said: str) -> None:
    tensors = {
        "unet.conv_in.lora_A.weight": torch.ones(2, 4, 3, 3),
        "unet.conv_in.lora_B.weight": torch.ones(32, 2, 1, 1),
    }
    save_file(tensors, tmp_path / "l.safetensors", {"lora_adapter_metadata": said})
    with pytest.raises(ModelUnavailable, match="is malformed"):
        add_lora(plain, Lora(tmp_path / "l.safetensors"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lora_te1_q.lora_down.weight": torch.ones(2)}, "nothing here reads its lora_te1_q.lora_down"),
        ({"lora_unet_conv_in.diff": torch.ones(2)}, "nothing here reads its lora_unet_conv_in.diff"),
        ({"lora_unet_conv_in.alpha": torch.ones(2)}, "an alpha of 2 numbers"),
        ({"lora_unet_conv_in.alpha": torch.tensor(torch.inf)}, "the alpha inf"),
        (
            {"lora_unet_conv_in.lora_up.weight": torch.ones(32, 3, 1, 1)},
            r"\[2, 4, 3, 3\] and \[32, 3, 1, 1\]",
        ),
        ({"lora_unet_conv_in.lora_up.weight": torch.ones(32, 2)}, r"and \[32, 2\]"),
        ({"lora_unet_conv_in.lora_up.weight": torch.ones(0, 2, 1, 1)}, "has another shape"),
    ],
)
def test_a_malformed_lora_is_named(
    plain: Any, tmp_path: Path, change: dict[str, torch.Tensor], said: str
) -> None:
    tensors = {
        "lora_unet_conv_in.lora_down.weight": torch.ones(2, 4, 3, 3),
        "lora_unet_conv_in.lora_up.weight": torch.ones(32, 2, 1, 1),
    }
    save_file({**tensors, **change}, tmp_path / "l.safetensors")
    with pytest.raises(ModelUnavailable, match=said):
        add_lora(plain, Lora(tmp_path / "l.safetensors"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"lora_unet_nowhere.lora_down.weight": torch.ones(2, 3)}, "this painter has no lora_unet_nowhere"),
        (
            {"lora_unet_conv_in.lora_down.weight": torch.ones(2, 9, 3, 3)},
            "lora_unet_conv_in has another shape",
        ),
        ({"lora_unet_conv_in.hada_w1_a": torch.ones(2)}, r"no plain LoRA \(hada_w1\)"),
        ({"lora_unet_conv_in.dora_scale": torch.ones(2)}, r"no plain LoRA \(dora_scale\)"),
        ({"something": torch.ones(2)}, "holds no LoRA"),
        (None, "cannot be read"),
    ],
)
def test_a_lora_that_does_not_fit_is_named(
    plain: Any, tmp_path: Path, change: dict[str, torch.Tensor] | None, said: str
) -> None:
    file = tmp_path / "l.safetensors"
    file.write_bytes(b"nothing")
    for name, value in list((change or {}).items()):
        if change and name.endswith("down.weight"):
            change[name.replace("down", "up")] = torch.ones(32, 2, *[1] * (value.ndim - 2))
    if change:
        save_file(change, file)
    with pytest.raises(ModelUnavailable, match=said) as raised:
        add_lora(plain, Lora(file))
    assert raised.value.exit_code is ExitCode.MODEL and str(file) in raised.value.message


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("truncated", "is cut short"),
        ("missing tensor", r"model\.safetensors lacks some of its weights"),
        ("wide tensor", r"other shapes than its configuration: \S+ is \[3, 5\], not \[\d+\]"),
        ("foreign vae", r"the autoencoder \S*model\.safetensors lacks some of its weights"),
        ("sd15", "is an SD1.x checkpoint"),
        ("other shapes", "does not load"),
        ("no config", "nothing says what shapes"),
    ],
)
def test_a_checkpoint_that_cannot_be_used_is_named(
    single: PainterProfile, tmp_path: Path, damage: str, said: str
) -> None:
    file = tmp_path / "model.safetensors"
    tensors = load_file(single.model)
    profile = replace(single, model=file)
    match damage:
        case "missing tensor":
            del tensors["model.diffusion_model.middle_block.1.proj_in.weight"]
        case "wide tensor":
            tensors["model.diffusion_model.out.2.bias"] = torch.zeros(3, 5)
        case "foreign vae":
            tensors = {"a.lora_down.weight": torch.zeros(2)}
            profile = replace(single, vae=file)
        case "sd15":
            tensors = {
                name.replace("conditioner.embedders.0", "cond_stage_model"): tensors[name] for name in tensors
            }
        case "other shapes":
            profile = replace(profile, config=find_assets() / "painters" / "sdxl")
        case "no config":
            profile = replace(profile, config=None)
    save_file(tensors, file)
    if damage == "truncated":
        file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(ModelUnavailable, match=said) as raised:
        loaded(profile)
    assert raised.value.exit_code is ExitCode.MODEL
    assert raised.value.hint and "\n" not in raised.value.message
    assert str(tmp_path) in raised.value.message
