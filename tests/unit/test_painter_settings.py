"""What a profile may say of its painter: guidance that ends early, a negative prompt, precision, previews."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from safetensors.torch import load_file, save_file

from pasta_core.errors import Cancelled, InvalidInput, ModelUnavailable
from pasta_core.painter.checkpoints import load_scheduler
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.painter.loading import dtype_on, load_pipeline
from pasta_core.painter.previewing import SIDE, Previewer, guessed_latents
from pasta_core.paths import find_assets, locate
from pasta_core.profiles import load_profile
from pasta_core.settings import PainterProfile
from tests.support.small_sdxl import small_sdxl

PROMPTS, SEEDS = ["a red train", "a cat in the snow"], [[1, 2], [3]]


@pytest.fixture(scope="module")
def pipe() -> Any:
    pipe = small_sdxl()
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> PainterProfile:
    return PainterProfile(tmp_path_factory.mktemp("unused"), size=64, steps=4, guidance=4.0, pass_size=3)


def painted(painter: DiffusersPainter, **options: Any) -> list[Any]:
    return [pixels for batch in painter.paint(PROMPTS, SEEDS, **options) for *_, pixels in batch]


def by_diffusers(pipe: Any, **options: Any) -> Any:
    """What the plain pipeline paints from the same seeds."""
    images = pipe(
        [prompt for prompt, seeds in zip(PROMPTS, SEEDS, strict=True) for _ in seeds],
        num_inference_steps=4,
        guidance_scale=4.0,
        generator=[torch.Generator().manual_seed(seed) for column in SEEDS for seed in column],
        height=64,
        width=64,
        output_type="np",
        **options,
    ).images
    return (np.asarray(images) * 255).round().astype(int)


def largest_difference(ours: list[Any], theirs: Any) -> int:
    return max(
        int(np.abs(a.astype(int) - np.asarray(b).astype(int)).max())
        for a, b in zip(ours, theirs, strict=True)
    )


def test_guidance_may_end_early() -> None:
    # a painter that was trained, so that guidance shows
    profile = replace(load_profile("micro", locate({})).painter, steps=4, guidance=4.0, pass_size=3)
    pipe = load_pipeline(profile, "cpu")
    pipe.set_progress_bar_config(disable=True)
    rows: list[int] = []
    hook = pipe.unet.register_forward_pre_hook(lambda unet, inputs: rows.append(len(inputs[0])))
    ours = painted(DiffusersPainter(pipe, replace(profile, guidance_until=0.5), "cpu"))
    hook.remove()
    assert rows == [6, 6, 3, 3]

    def cut_off(pipe: Any, step: int, timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if step == 1:
            pipe._guidance_scale = 1.0
            return {name: value[len(value) // 2 :] for name, value in values.items() if name != "latents"}
        return values

    theirs = by_diffusers(
        pipe,
        callback_on_step_end=cut_off,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds", "add_text_embeds", "add_time_ids"],
    )
    assert largest_difference(ours, theirs) <= 1
    assert largest_difference(ours, painted(DiffusersPainter(pipe, profile, "cpu"))) > 2


def test_guidance_that_never_begins_is_no_guidance(pipe: Any, profile: PainterProfile) -> None:
    never = painted(DiffusersPainter(pipe, replace(profile, guidance_until=0.0), "cpu"))
    without = painted(DiffusersPainter(pipe, replace(profile, guidance=1.0), "cpu"))
    assert largest_difference(never, without) == 0


def test_a_negative_prompt_is_what_the_pipeline_makes_of_it(pipe: Any, profile: PainterProfile) -> None:
    read: list[int] = []
    hook = pipe.text_encoder.register_forward_pre_hook(lambda encoder, inputs: read.append(len(inputs[0])))
    painter = DiffusersPainter(pipe, replace(profile, negative="rain, blurry"), "cpu")
    ours = painted(painter)
    again = painted(painter)
    hook.remove()
    # two prompts and the negative one, however many images and turns there are of them
    assert read == [1, 1, 1]
    assert largest_difference(ours, again) == 0
    assert largest_difference(ours, by_diffusers(pipe, negative_prompt=["rain, blurry"] * 3)) <= 1
    assert largest_difference(ours, painted(DiffusersPainter(pipe, profile, "cpu"))) > 1


def test_a_negative_prompt_that_is_too_long_is_said_once(pipe: Any, profile: PainterProfile) -> None:
    notes: list[str] = []
    painter = DiffusersPainter(pipe, replace(profile, steps=1, negative="rain " * 90 + "end"), "cpu")
    for _ in range(2):
        painted(painter, note=notes.append)
    assert len(notes) == 1 and "of the negative prompt" in notes[0] and notes[0].endswith("end")


@pytest.mark.parametrize(
    ("key", "value", "said"), [("guidance_until", 1.5, "a share"), ("pass_size", 0, "at least 1")]
)
def test_values_out_of_range_are_refused(profile: PainterProfile, key: str, value: float, said: str) -> None:
    with pytest.raises(InvalidInput, match=f"{key} is {value}") as caught:
        replace(profile, **{key: value})
    assert said in caught.value.hint


def test_the_precision_follows_the_device_unless_it_is_named() -> None:
    assert dtype_on("auto", "cpu") is torch.float32
    assert dtype_on("auto", "cuda:1") is torch.float16
    assert dtype_on("bfloat16", "cuda") is dtype_on("bfloat16", "cpu") is torch.bfloat16
    with pytest.raises(ModelUnavailable, match="'half'") as caught:
        dtype_on("half", "cpu")
    assert "auto" in caught.value.hint


def test_half_precision_paints_nearly_the_same(pipe: Any, profile: PainterProfile) -> None:
    whole = painted(DiffusersPainter(pipe, profile, "cpu"))
    half = small_sdxl().to(torch.bfloat16)
    close = painted(DiffusersPainter(half, profile, "cpu"))
    differences = [np.abs(a.astype(int) - b.astype(int)) for a, b in zip(whole, close, strict=True)]
    assert 0 < max(float(one.mean()) for one in differences) < 4


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_an_image_that_is_no_number_is_named(profile: PainterProfile, part: str) -> None:
    broken = small_sdxl()
    last = broken.unet.conv_out if part == "unet" else broken.vae.decoder.conv_out
    # in the last image of the pass only
    last.register_forward_hook(
        lambda module, inputs, output: output.index_fill(0, torch.tensor([len(output) - 1]), float("nan"))
    )
    with pytest.raises(ModelUnavailable, match=re.escape("(NaN) for column 2, image 1 (seed 3)")) as caught:
        painted(DiffusersPainter(broken, profile, "cpu"))
    assert ("autoencoder" if part == "vae" else "UNet") in caught.value.message
    assert ("sdxl-vae-fp16-fix" in caught.value.hint) is (part == "vae")
    assert caught.value.exit_code == 3


@pytest.fixture(scope="module")
def small_decoder() -> AutoencoderTiny:
    torch.manual_seed(2)
    return AutoencoderTiny().eval()


def test_previews_come_while_images_are_painted_and_change_none(
    pipe: Any, profile: PainterProfile, small_decoder: AutoencoderTiny
) -> None:
    painter = DiffusersPainter(pipe, profile, "cpu", previewer=Previewer(small_decoder))
    looks: list[tuple[int, int]] = []
    shapes = set()

    def preview(column: int, index: int, pixels: Any) -> None:
        looks.append((column, index))
        shapes.add((pixels.shape, str(pixels.dtype)))

    ours = painted(painter, preview=preview)
    assert looks == [(0, 0), (0, 1), (1, 0)] * 4
    assert shapes == {((64, 64, 3), "uint8")}
    assert largest_difference(ours, painted(painter)) == 0
    assert largest_difference(ours, painted(DiffusersPainter(pipe, profile, "cpu"))) == 0


def test_there_are_no_previews_of_what_was_stopped(
    pipe: Any, profile: PainterProfile, small_decoder: AutoencoderTiny
) -> None:
    painter = DiffusersPainter(pipe, profile, "cpu", previewer=Previewer(small_decoder))
    looks: list[tuple[int, int]] = []
    with pytest.raises(Cancelled):
        painted(painter, should_stop=lambda: bool(looks), preview=lambda *look: looks.append(look[:2]))
    assert len(looks) == 3


def test_previews_are_few_and_small(small_decoder: AutoencoderTiny) -> None:
    previewer = Previewer(small_decoder)
    for steps, due in (
        (1, [0]),
        (4, [0, 1, 2, 3]),
        (30, [4, 9, 14, 19, 24, 29]),
        (50, [4, 13, 22, 31, 40, 49]),
    ):
        assert [step for step in range(steps) if previewer.due(step, steps)] == due
    decoded: list[torch.Size] = []
    hook = small_decoder.decoder.register_forward_pre_hook(lambda _, given: decoded.append(given[0].shape))
    with torch.inference_mode():
        looks = previewer.look(torch.full((2, 4, 16, 64), float("nan")))
    hook.remove()
    # what would be 128x512 pixels is brought down first; what is no number is no reason to stop
    assert [look.shape for look in looks] == [(SIDE // 4, SIDE, 3)] * 2
    assert decoded == [(1, 4, 8, 32)] * 2


def test_a_preview_model_is_a_folder_or_a_file_under_either_names(
    small_decoder: AutoencoderTiny, tmp_path: Path
) -> None:
    small_decoder.save_pretrained(tmp_path / "taesd")
    whole = tmp_path / "taesd" / "diffusion_pytorch_model.safetensors"
    original = {
        f"{int(name.split('.')[2]) + 1}.{'.'.join(name.split('.')[3:])}": value
        for name, value in load_file(whole).items()
        if name.startswith("decoder.layers.")
    }
    save_file(original, tmp_path / "taesdxl_decoder.safetensors")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        looks = [
            Previewer.load(path, "cpu", torch.float32).look(latents)[0]
            for path in (tmp_path / "taesd", whole, tmp_path / "taesdxl_decoder.safetensors")
        ]
    assert looks[0].std() > 0 and np.array_equal(looks[0], looks[1]) and np.array_equal(looks[0], looks[2])


@pytest.mark.parametrize("damage", ["missing", "foreign", "cut short", "pickled"])
def test_a_preview_model_that_cannot_be_used_is_named(tmp_path: Path, damage: str) -> None:
    file = tmp_path / ("taesd.pth" if damage == "pickled" else "taesd.safetensors")
    if damage != "missing":
        save_file({"decoder.conv_in.weight": torch.zeros(3)}, file)
    if damage == "cut short":
        file.write_bytes(file.read_bytes()[:20])
    with pytest.raises(ModelUnavailable, match=re.escape(str(file))) as caught:
        Previewer.load(file, "cpu", torch.float32)
    assert caught.value.hint and "\n" not in caught.value.message


@pytest.mark.parametrize("name", ["dpm", "lightning", "turbo"])
def test_what_a_step_guesses_is_where_the_last_step_arrives(name: str) -> None:
    scheduler = load_scheduler(find_assets() / "painters" / "schedulers" / f"{name}.json")
    scheduler.set_timesteps(4)
    generator = torch.Generator().manual_seed(3)
    latents = torch.randn(1, 4, 8, 8, generator=generator) * scheduler.init_noise_sigma
    target = torch.randn(1, 4, 8, 8, generator=generator)
    for step in scheduler.timesteps:
        inputs = scheduler.scale_model_input(latents, step)
        sigma = scheduler.sigmas[scheduler.step_index or 0]
        if name == "dpm":
            alpha = 1 / (sigma**2 + 1) ** 0.5
            noise = (inputs - alpha * target) / (alpha * sigma)
        else:
            noise = (latents - target) / sigma
        output = scheduler.step(noise, step, latents)
        # a model that knows the picture says so from the first step on
        assert torch.allclose(guessed_latents(output, scheduler), target, atol=1e-3)
        latents = output.prev_sample
    assert torch.allclose(latents, target, atol=2e-2)
