"""The painter: an image depends on its prompt and its seed alone, and a bad folder is named."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pasta_core.errors import Cancelled, ModelUnavailable
from pasta_core.painter.diffusers_painter import DiffusersPainter
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import PainterProfile


@pytest.fixture(scope="module")
def profile() -> PainterProfile:
    return replace(load_profile("micro", locate({})).painter, steps=3)


@pytest.fixture(scope="module")
def painter(profile: PainterProfile) -> DiffusersPainter:
    return DiffusersPainter.load(profile)


KEPT = Path(__file__).parents[1] / "support" / "micro_images.png"
MADE_WITH = ("2.15.0", "AVX512")
"""The torch and the kind of processor that made them: the bytes are promised for the same ones."""


def test_the_micro_images_are_what_they_were() -> None:
    painter = DiffusersPainter.load(load_profile("micro", locate({})).painter)
    prompts = ["a red train in the snow", "a castle in the mountains under the aurora"]
    now = np.concatenate(list(images(painter, prompts, [[1], [4]]).values()), axis=1)
    with Image.open(KEPT) as file:
        then = np.asarray(file.convert("RGB"))
    here = (torch.__version__.split("+")[0], torch.backends.cpu.get_cpu_capability())
    tolerance = 0 if here == MADE_WITH else 2
    assert np.abs(now.astype(int) - then.astype(int)).max() <= tolerance


def images(painter: DiffusersPainter, prompts: list[str], seeds: list[list[int]]) -> dict:
    return {
        (prompts[column], seeds[column][index]): pixels
        for batch in painter.paint(prompts, seeds)
        for column, index, pixels in batch
    }


def test_an_image_has_the_same_bytes_alone_and_in_any_company(painter: DiffusersPainter) -> None:
    alone = images(painter, ["a red train"], [[7]])["a red train", 7]
    assert alone.shape == (64, 64, 3)
    assert alone.dtype == np.uint8
    many = images(painter, ["a cat", "a red train", "snow"], [[1, 2, 3], [4, 7, 5, 6, 8], [9]])
    assert len(many) == 9
    assert np.array_equal(many["a red train", 7], alone)
    assert np.array_equal(images(painter, ["a red train"], [[3, 2, 7]])["a red train", 7], alone)
    assert not np.array_equal(many["a red train", 4], alone)


def test_the_number_of_lanes_changes_no_byte(profile: PainterProfile) -> None:
    prompts, seeds = ["a red train", "a cat", "snow"], [[1, 2, 3, 4], [5], [6, 7, 8]]
    one, three = (images(DiffusersPainter.load(profile, lanes=lanes), prompts, seeds) for lanes in (1, 3))
    assert len(one) == 8
    for key in one:
        assert np.array_equal(one[key], three[key])


def test_models_that_are_there_one_after_the_other_paint_the_same(
    profile: PainterProfile, painter: DiffusersPainter, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = DiffusersPainter.load(profile, apart=True)
    said: list[str] = []
    pipe, stages = apart._pipe, apart._stages
    for name in ("text_encoder", "text_encoder_2", "unet"):
        getattr(pipe, name).register_forward_pre_hook(lambda *given, name=name: said.append(name))
    for name in ("encode", "denoise"):
        real = getattr(stages, name)
        monkeypatch.setattr(stages, name, lambda real=real, name=name: (said.append(name), real()))
    prompts, seeds = ["a red train", "snow"], [[7], [8]]
    found, known = images(apart, prompts, seeds), images(painter, prompts, seeds)
    assert all(np.array_equal(found[key], known[key]) for key in known)
    texts = [place for place, name in enumerate(said) if name.startswith("text_encoder")]
    assert max(texts) < said.index("unet")
    # the empty prompt, with which it is found out what fits, and then both prompts at once
    assert [name for name in said if name in ("encode", "denoise")] == ["encode", "denoise"] * 2
    said.clear()
    images(apart, prompts, [[9], [10]])
    assert said[0] == "denoise" and set(said[1:]) == {"unet"}, "what is encoded stays encoded"


def test_a_stage_without_room_ends_in_one_line_and_can_be_tried_again(
    profile: PainterProfile, monkeypatch: pytest.MonkeyPatch
) -> None:
    apart = DiffusersPainter.load(profile, apart=True)
    real, full = apart._pipe.unet.to, True

    def to(place: object, *more: object, **named: object) -> object:
        if full and isinstance(place, torch.device):
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(place, *more, **named)

    monkeypatch.setattr(apart._pipe.unet, "to", to)
    with pytest.raises(ModelUnavailable, match="the painter in"):
        images(apart, ["a red train"], [[7]])
    full = False
    assert images(apart, ["a red train"], [[7]])["a red train", 7].shape == (64, 64, 3)


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_the_loop_paints_what_the_pipeline_would(profile: PainterProfile, guidance: float) -> None:
    painter = DiffusersPainter.load(replace(profile, guidance=guidance))
    prompts, seeds = ["a red train", "the blue cat at night"], [[1, 2], [3, 4]]
    ours = images(painter, prompts, seeds)
    pipe = painter._pipe
    pipe.set_progress_bar_config(disable=True)
    theirs = pipe(
        [prompt for prompt in prompts for _ in range(2)],
        num_inference_steps=3,
        guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(seed) for column in seeds for seed in column],
        height=64,
        width=64,
        output_type="np",
    ).images
    expected = (np.asarray(theirs) * 255).round().astype(int)
    for number, key in enumerate(ours):
        assert np.abs(ours[key].astype(int) - expected[number]).max() <= 1


def test_images_come_with_each_pass_and_progress_counts_steps(painter: DiffusersPainter) -> None:
    steps: list[tuple[int, int]] = []
    arrived = []
    for batch in painter.paint(
        ["a cat", "snow"], [[1, 2, 3], [4, 5, 6]], progress=lambda *step: steps.append(step)
    ):
        arrived.append(([(column, index) for column, index, _ in batch], len(steps)))
    assert [places for places, _ in arrived] == [[(0, 0), (0, 1), (0, 2), (1, 0)], [(1, 1), (1, 2)]]
    assert arrived[0][1] >= 3
    assert steps == [(done, 6) for done in range(1, 7)]


def test_it_stops_between_two_steps_and_keeps_what_is_finished(painter: DiffusersPainter) -> None:
    steps: list[int] = []
    painting = painter.paint(
        ["a cat", "snow"],
        [[1, 2, 3, 4]] * 2,
        should_stop=lambda: bool(steps) and steps[-1] >= 4,
        progress=lambda done, total: steps.append(done),
    )
    assert len(next(painting)) == 4
    with pytest.raises(Cancelled):
        next(painting)
    assert steps[-1] == 4


def test_a_prompt_that_is_too_long_is_said_once(painter: DiffusersPainter) -> None:
    notes: list[str] = []
    prompt = " ".join(["a red train"] * 25 + ["night"])
    for _ in range(2):
        list(painter.paint([prompt], [[1]], note=notes.append))
    assert len(notes) == 1
    assert notes[0].endswith("night")
    list(painter.paint(["a cat"], [[1]], note=notes.append))
    assert len(notes) == 1


@pytest.mark.parametrize(
    "damage", ["missing", "no index", "no weights", "truncated", "foreign", "no vocabulary", "dtype"]
)
def test_a_folder_that_cannot_be_used_is_named(profile: PainterProfile, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "painter"
    shutil.copytree(profile.model, folder)
    weights = sorted((folder / "unet").glob("*.safetensors"))[0]
    match damage:
        case "missing":
            shutil.rmtree(folder)
        case "no index":
            (folder / "model_index.json").unlink()
        case "no weights":
            weights.unlink()
        case "truncated":
            weights.write_bytes(weights.read_bytes()[:1000])
        case "no vocabulary":
            (folder / "tokenizer_2" / "tokenizer.json").unlink()
        case "foreign":
            config = json.loads((folder / "unet" / "config.json").read_text())
            config["block_out_channels"] = [64, 64]
            (folder / "unet" / "config.json").write_text(json.dumps(config))
    changed = replace(profile, model=folder, dtype="float8" if damage == "dtype" else "float32")
    with pytest.raises(ModelUnavailable) as caught:
        DiffusersPainter.load(changed)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    assert "\n" not in caught.value.message
    assert damage == "dtype" or str(folder) in caught.value.message
