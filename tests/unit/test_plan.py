"""Plans: sizes come from headers, machines of five sizes get what fits them, and what was measured counts."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import struct
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pasta_core.errors import InvalidInput
from pasta_core.gguf_header import gguf_facts
from pasta_core.paths import Paths, locate
from pasta_core.planning.amd import amd_gpus
from pasta_core.planning.arrangement import Needs, arrange
from pasta_core.planning.machine import GIB, Machine, find_machine, imagined
from pasta_core.planning.measured import MEASURED, Measured, Measurements, profile_key
from pasta_core.planning.needs import painting_bytes
from pasta_core.planning.plan import Plan, make_plan
from pasta_core.planning.settled import settled_machine
from pasta_core.planning.sizes import cache_of, sizes_of
from pasta_core.planning.speeds import speed_of
from pasta_core.planning.torch_build import torch_is_for_amd, torch_is_for_nvidia
from pasta_core.planning.verdict import verdict_of
from pasta_core.profiles import load_profile
from pasta_core.settings import Lora
from pasta_core.worker.sharing import plan_sharing

GPU_12 = "NVIDIA GeForce RTX 3060, 12288 MiB, 11700 MiB, 570.86.10\n"
GPU_11 = "NVIDIA GeForce RTX 2080 Ti, 11264 MiB, 10800 MiB, 570.86.10\n"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return locate({"PASTA_CONFIG_DIR": str(tmp_path), "HF_HUB_CACHE": str(tmp_path / "nothing")})


def planned(paths: Paths, name: str, gigabytes: float, asked: str = "auto") -> Plan:
    return make_plan(load_profile(name, paths), imagined(gigabytes), asked)


def golden(plan: Plan) -> dict[str, Any]:
    chosen = plan.arrangement
    return {
        "mode": chosen.mode,
        "parks": chosen.park,
        "apart": chosen.apart,
        "at once": chosen.images,
        "fits": chosen.fits,
        "writing": round(chosen.writing / GIB, 1),
        "painting": round(chosen.painting / GIB, 1),
        "writer lives": plan.parts[0].lives,
        "painter lives": plan.parts[2].lives,
    }


SDXL = {"at once": 4, "apart": False, "painter lives": "GPU"}
IN_TURNS = {"mode": "swap", "parks": True, "writer lives": "GPU in turns", "painter lives": "GPU in turns"}
BOTH = {"mode": "resident", "parks": False, "writer lives": "GPU"}


@pytest.mark.parametrize(
    ("gigabytes", "expected"),
    [
        (8, SDXL | IN_TURNS | {"apart": True, "fits": False, "writing": 5.3, "painting": 8.1}),
        (10, SDXL | IN_TURNS | {"apart": True, "at once": 8, "fits": True, "writing": 5.3, "painting": 9.3}),
        (12, SDXL | IN_TURNS | {"at once": 8, "fits": True, "writing": 5.3, "painting": 10.8}),
        (16, SDXL | BOTH | {"at once": 8, "fits": True, "writing": 11.8, "painting": 14.9}),
        (24, SDXL | BOTH | {"at once": 8, "fits": True, "writing": 11.8, "painting": 14.9}),
        (
            0,
            SDXL
            | {
                "mode": "resident",
                "parks": False,
                "at once": 8,
                "fits": True,
                "writing": 19.1,
                "painting": 25.2,
            }
            | {"writer lives": "CPU", "painter lives": "CPU"},
        ),
    ],
)
def test_sdxl_on_six_machines(paths: Paths, gigabytes: float, expected: dict[str, Any]) -> None:
    assert golden(planned(paths, "sdxl", gigabytes)) == expected


def test_a_verdict_is_honest_where_it_is_bad(paths: Paths) -> None:
    small = verdict_of(planned(paths, "sdxl", 8))
    assert "does not fit a GPU of 8 GB: it needs 8.1 GiB, and 7.5 GiB are free" in small[0]
    assert small[1] == (
        "painting alone takes 8.1 GiB: a GPU of 10 GB has the room, or let another machine paint (--worker)"
    )
    slow = verdict_of(planned(paths, "sdxl", 0))
    assert "everything runs on the CPU" in slow[0] and " h: a GPU is what it wants" in slow[1]
    assert len(verdict_of(planned(paths, "turbo", 24))) == 1


def test_advice_never_names_a_smaller_card_than_the_one_that_is_there(paths: Paths) -> None:
    def advice(total: float, free: float, name: str = "turbo") -> str:
        machine = Machine("a card", int(total * GIB), int(free * GIB), 32 * GIB, 8)
        return verdict_of(make_plan(load_profile(name, paths), machine))[1]

    assert advice(12, 6) == (
        "close what else uses the GPU, which takes 6.0 GiB, or let another machine paint (--worker)"
    )
    assert "a GPU of 10 GB has the room" in advice(8, 7.5, "sdxl")
    for total in (8, 10, 11, 12, 16, 24):
        for free in range(total):
            plan = make_plan(load_profile("sdxl", paths), Machine("a card", total * GIB, free * GIB, GIB, 8))
            said = re.search(r"a GPU of (\d+) GB", "".join(verdict_of(plan)))
            assert said is None or int(said[1]) > total
            assert plan.arrangement.fits or total < 10 or "close what else" in verdict_of(plan)[1]


def test_what_a_profile_says_that_it_needs_is_what_its_plan_fits(paths: Paths) -> None:
    for name in ("sdxl", "turbo"):
        profile = load_profile(name, paths)
        said = re.match(r"a GPU with (\d+) GB and", profile.needs)
        assert said is not None
        assert make_plan(profile, imagined(int(said[1]))).arrangement.fits
        assert not make_plan(profile, imagined(int(said[1]) - 2)).arrangement.fits, "it needs less"


def test_estimates_say_that_they_are_estimates(paths: Paths) -> None:
    times = planned(paths, "sdxl", 24).times
    assert not times.turn.measured and times.like == "RTX 3090"
    assert 30 < times.paint.seconds < 600 and times.select is None
    assert times.write is not None and 1 < times.write.seconds < 60
    assert planned(paths, "turbo", 24).times.paint.seconds < times.paint.seconds / 10
    profile = load_profile("sdxl", paths)
    known = {"write": 0.1, "paint": 2.5}
    turn = make_plan(profile, imagined(24), seconds=known).times
    assert turn.write is not None
    assert (turn.write.seconds, turn.paint.seconds) == (pytest.approx(2.5), pytest.approx(40.0))
    assert turn.turn.measured


@pytest.mark.parametrize(("name", "asked"), [("turbo", "cpu"), ("turbo", "auto"), ("sdxl", "auto")])
def test_what_moves_while_it_is_painted_counts_as_painting(paths: Paths, name: str, asked: str) -> None:
    profile = load_profile(name, paths)
    less, more = imagined(8 if name == "turbo" else 10), imagined(12)
    # two cards of one speed
    apart, whole = (make_plan(profile, replace(one, name="RTX 3060"), asked) for one in (less, more))
    assert apart.arrangement.apart and not whole.arrangement.apart
    painter = sizes_of(profile).painter
    moving = 4 * (painter.unet + painter.text) / 12e9
    assert apart.times.paint.seconds - whole.times.paint.seconds == pytest.approx(moving)
    seconds = {"write": 0.1, "paint": 2.5} | ({"hand over": 3.0} if asked == "auto" else {})
    times = make_plan(profile, less, asked, seconds=seconds).times
    assert times.turn.measured and times.paint.seconds == 40.0
    assert times.turn.seconds == pytest.approx(42.5 + seconds.get("hand over", 0))
    handed = apart.times.hand_over
    assert (handed is None) == (asked == "cpu")
    # the language model alone
    assert handed is None or handed.seconds == pytest.approx(sizes_of(profile).writer.bytes / 12e9)


def test_turbo_fits_eight_gigabytes_without_its_text_encoders(paths: Paths) -> None:
    plan = planned(paths, "turbo", 8)
    chosen, lives = plan.arrangement, {part.role: part.lives for part in plan.parts}
    assert (chosen.fits, chosen.apart, chosen.park, chosen.images) == (True, True, True, 16)
    assert lives["text encoders"] == lives["UNet"] == "GPU in turns"
    turns = (
        "language model and painter take turns on the GPU, the painter's text encoders leave the GPU before"
    )
    assert turns in verdict_of(plan)[0]
    profile = load_profile("turbo", paths)
    elsewhere = replace(profile, writer=replace(profile.writer, url="http://gpubox:8080", model=Path()))
    alone = make_plan(elsewhere, imagined(8))
    assert (alone.arrangement.mode, alone.arrangement.apart, alone.arrangement.fits) == (
        "resident",
        True,
        True,
    )
    said = "the language model is elsewhere, the painter's text encoders leave the GPU before it paints"
    assert verdict_of(alone)[0].endswith(f": {said}")
    kept = planned(paths, "turbo", 8, "cpu")
    assert kept.arrangement.apart
    said = "the language model runs on the CPU, the painter's text encoders leave the GPU before it paints"
    assert verdict_of(kept)[0].endswith(f": {said}")
    small = arrange(replace(NEEDS, encoders=GIB, value=0), imagined(9))
    assert (small.apart, small.images, small.painting) == (False, 2, 8 * GIB + GIB // 2)
    less = arrange(replace(NEEDS, encoders=2 * GIB, value=0), imagined(8.5))
    assert (less.apart, less.images, less.painting) == (True, 4, 7 * GIB + GIB // 2)


@pytest.mark.parametrize("mode", ["resident", "swap", "cpu"])
def test_a_mode_that_is_asked_for_is_taken(paths: Paths, mode: str) -> None:
    for gigabytes in (12, 24):
        plan = planned(paths, "sdxl", gigabytes, mode)
        assert plan.arrangement.mode == mode
        assert plan.arrangement.fits or (mode, gigabytes) == ("resident", 12)
    refused = verdict_of(planned(paths, "sdxl", 12, "resident"))
    assert "does not fit" in refused[0] and "--memory" in refused[1]


NEEDS = Needs(
    writer=4 * GIB,
    painter=6 * GIB,
    painting={1: GIB, 2: 2 * GIB, 4: 3 * GIB},
    clip=0,
    value=5 * GIB,
)


def test_what_fits_is_the_quickest_that_fits() -> None:
    found = {size: arrange(NEEDS, imagined(size)) for size in (7, 9, 12, 15, 18, 20)}
    chosen = {
        size: (one.mode, one.park, one.value_on_gpu, one.images, one.fits) for size, one in found.items()
    }
    assert chosen == {
        7: ("swap", True, False, 1, False),
        9: ("swap", True, False, 2, True),
        12: ("swap", False, False, 4, True),
        15: ("swap", True, True, 4, True),
        18: ("swap", False, True, 4, True),
        20: ("resident", False, True, 4, True),
    }
    assert all(one.peak == max(one.writing, one.painting) for one in found.values())


def test_a_writer_that_is_not_on_the_gpu_leaves_nothing() -> None:
    machine = replace(imagined(12), writer_on_gpu=False)
    assert arrange(NEEDS, machine).mode == "resident"
    assert arrange(NEEDS, imagined(12), served=True).mode == "resident"


def test_a_writer_elsewhere_takes_nothing_and_nobody_knows_how_long(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = load_profile("sdxl", paths)
    profile = replace(profile, writer=replace(profile.writer, url="http://gpubox:8080", model=Path()))
    plan = make_plan(profile, imagined(12))
    assert plan.arrangement.mode == "resident" and plan.arrangement.fits
    assert (plan.parts[0].lives, plan.parts[0].needs, plan.times.write) == ("elsewhere", 0, None)
    assert "the language model is elsewhere" in verdict_of(plan)[0]
    monkeypatch.chdir(tmp_path)
    shutil.copy(load_profile("micro", paths).writer.model, "qwen3")
    named = replace(profile, writer=replace(profile.writer, model=Path("qwen3")))
    assert sizes_of(named).writer.bytes == 0, "the name of a model on a server is no file here"
    known = make_plan(profile, imagined(12), seconds={"write": 0.2})
    assert known.times.write is not None and known.times.write.measured


def test_this_machine_is_asked_without_a_model_library() -> None:
    found = find_machine(query=lambda: GPU_12)
    assert (found.name, found.gpu_bytes, found.gpu_free) == (
        "NVIDIA GeForce RTX 3060",
        12 * GIB,
        11700 * 2**20,
    )
    assert found.driver == "570.86.10" and found.key == found.name
    assert speed_of(found).like == "RTX 3060"
    for said in ("", "no devices were found\n", "NVIDIA GB10, [N/A], [N/A], 580\n"):
        assert not find_machine(query=lambda said=said: said).has_gpu
    assert not find_machine("cpu", query=lambda: GPU_12).has_gpu
    two = GPU_12 + GPU_12.replace("3060", "3090")
    assert find_machine("cuda:1", query=lambda: two).name.endswith("3090")
    for shown, name in (("1", "3090"), ("1,0", "3090"), ("0,7,1", "3060"), ("-1", "cpu"), ("", "cpu")):
        found = find_machine(query=lambda: two, env={"CUDA_VISIBLE_DEVICES": shown})
        assert found.name.endswith(name), shown


def system(folder: Path) -> Path:
    """What the kernel says of a machine with a CPU, two GPUs of AMD, and one whose memory it does not say."""
    nodes = folder / "kfd" / "kfd" / "topology" / "nodes"
    for number, (simd, minor, target) in enumerate(
        [(0, 0, 0), (192, 128, 110000), (440, 129, 90010), (8, 130, 100306)]
    ):
        (nodes / str(number)).mkdir(parents=True)
        facts = (
            f"cpu_cores_count 0\nsimd_count {simd}\ngfx_target_version {target}\ndrm_render_minor {minor}\n"
        )
        (nodes / str(number) / "properties").write_text(facts)
    for minor, total, name in ((128, 24, ""), (129, 64, "Instinct MI210\n")):
        device = folder / "drm" / f"renderD{minor}" / "device"
        device.mkdir(parents=True)
        (device / "mem_info_vram_total").write_text(f"{total * GIB}\n")
        (device / "mem_info_vram_used").write_text(f"{GIB}\n")
        (device / "product_name").write_text(name)
    return folder


def test_gpus_of_amd_are_planned_for_as_torch_counts_them(paths: Paths, tmp_path: Path) -> None:
    gpus = amd_gpus(system(tmp_path))
    assert gpus == [("AMD gfx1100", 24 * GIB, 23 * GIB), ("Instinct MI210", 64 * GIB, 63 * GIB)]

    def found(device: str | None = None, **env: str) -> Machine:
        return find_machine(device, query=lambda: "", env=env, amd=lambda: (True, gpus))

    assert (found().name, found().gpu_free, found("cuda:1").name) == (*gpus[0][::2], "Instinct MI210")
    for maker in ("HIP", "ROCR", "CUDA"):
        assert found(**{f"{maker}_VISIBLE_DEVICES": "1"}).name == "Instinct MI210"
    # HIP's own numbers count instead of CUDA's, and those of ROCr before them
    for env, name in (
        ({"HIP": "1", "CUDA": "1"}, "Instinct MI210"),
        ({"HIP": "0", "CUDA": "1"}, "AMD gfx1100"),
        ({"HIP": "0", "CUDA": "-1"}, "AMD gfx1100"),
        ({"ROCR": "1", "HIP": "0", "CUDA": "1"}, "Instinct MI210"),
        ({"ROCR": "1,0", "HIP": "1"}, "AMD gfx1100"),
        ({"ROCR": "1", "CUDA": "0"}, "Instinct MI210"),
        ({"ROCR": "1", "HIP": "1"}, "cpu"),
    ):
        assert found(**{f"{maker}_VISIBLE_DEVICES": shown for maker, shown in env.items()}).name == name, env
    assert not found("cpu").has_gpu and not found("cpu").unused
    assert not found(HIP_VISIBLE_DEVICES="-1").has_gpu
    assert verdict_of(make_plan(load_profile("sdxl", paths), found()))[0].startswith("sdxl fits AMD gfx1100")


def test_a_gpu_of_amd_that_cannot_be_used_is_told_of(paths: Paths, tmp_path: Path) -> None:
    assert amd_gpus(tmp_path) == []
    profile = load_profile("micro", paths)
    for amd, why in (
        ((True, []), "PyTorch was built for AMD's GPUs, and the kernel names none"),
        ((False, [("AMD gfx1100", GIB, GIB)]), "there is a GPU of AMD, which this PyTorch was not built for"),
    ):
        machine = find_machine(query=lambda: "", amd=lambda amd=amd: amd)  # type: ignore[misc]
        assert not machine.has_gpu
        lines = verdict_of(make_plan(profile, machine))
        assert len(lines) == 2 and lines[1].startswith(f"planned without a GPU: {why}")
    quiet = find_machine(query=lambda: GPU_12, amd=lambda: (False, [("AMD gfx1036", GIB, GIB)]))
    assert quiet.name.endswith("3060") and not quiet.unused


def test_a_gpu_of_nvidia_that_torch_was_not_built_for_is_told_of(paths: Paths) -> None:
    forgone = find_machine(query=lambda: GPU_12, nvidia=lambda: False)
    assert not forgone.has_gpu and forgone.key.startswith("cpu")
    assert forgone.unused == forgone.missed
    lines = verdict_of(make_plan(load_profile("micro", paths), forgone))
    assert lines[1].startswith("planned without a GPU: there is NVIDIA GeForce RTX 3060, which this PyTorch")
    used = find_machine(query=lambda: GPU_12, nvidia=lambda: True)
    assert used.has_gpu and not used.unused
    assert used.missed == "PyTorch finds none, though there is NVIDIA GeForce RTX 3060"
    hidden = find_machine(query=lambda: GPU_12, env={"CUDA_VISIBLE_DEVICES": "-1"}, nvidia=lambda: True)
    assert hidden.unused == "CUDA_VISIBLE_DEVICES hides NVIDIA GeForce RTX 3060"
    assert not hidden.missed, "whoever hides it knows"
    for machine in (find_machine(query=lambda: "", nvidia=lambda: False), find_machine("cpu")):
        assert not machine.unused and not machine.missed


def test_whose_gpus_a_torch_is_for_is_told_by_its_version_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "torch"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.setattr(
        "pasta_core.planning.torch_build.find_spec",
        lambda name: SimpleNamespace(origin=str(package / "__init__.py")),
    )
    assert not torch_is_for_amd()
    assert torch_is_for_nvidia(), "nothing is said against it"
    for cuda, hip in (("None", "'6.4.1'"), ("'13.2'", "None"), ("None", "None")):
        said = f"cuda: Optional[str] = {cuda}\nhip: Optional[str] = {hip}\n"
        (package / "version.py").write_text(f"__version__ = '2.9'\n{said}")
        assert (torch_is_for_nvidia(), torch_is_for_amd()) == (cuda != "None", hip != "None")


def test_cards_are_told_apart_by_whole_names() -> None:
    def like(name: str, gigabytes: int) -> str:
        return speed_of(Machine(name, gigabytes * GIB, 0, 0, 1)).like

    assert like("NVIDIA A100-SXM4-80GB", 80) == "A100"
    assert like("NVIDIA H100 80GB HBM3", 80) == "H100"
    assert like("NVIDIA GeForce RTX 4070 Ti SUPER", 16) == "RTX 4070 Ti"
    assert like("NVIDIA RTX A4000", 16) == "RTX 4060 Ti", "an unknown card counts as a usual one of its size"


def test_previews_are_small_and_decoded_one_at_a_time(paths: Paths) -> None:
    for name in ("turbo", "sdxl"):
        profile = load_profile(name, paths)
        size, painter = sizes_of(profile).painter, profile.painter
        for images in (1, 16):
            blind = painting_bytes(size, replace(painter, preview=None), True, images)
            assert painting_bytes(size, painter, True, images) == blind, "they never take the most"


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InvalidInput, match="-1 GB"):
        imagined(-1)


def test_sizes_are_those_of_the_files(paths: Paths) -> None:
    profile = load_profile("micro", paths)
    sizes = sizes_of(profile)
    values = 0
    for file in (profile.painter.model / "unet").glob("*.safetensors"):
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            header = json.loads(stream.read(length))
        shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
        values += sum(math.prod(shape) for shape in shapes)
    assert sizes.painter.unet == values > 1_000_000
    assert sizes.painter.known and sizes.clip_known and sizes.writer.known
    assert sizes.writer.bytes == profile.writer.model.stat().st_size
    facts = gguf_facts(profile.writer.model)
    # 4 layers of 4 heads with 48 values each, keys and values in float16
    assert cache_of(facts) == 4 * 4 * 48 * 2 * 2
    assert sizes.value is not None and sizes.value.values > 500_000


def test_layers_with_heads_of_their_own_are_added_up() -> None:
    facts = gguf_facts(load_profile("micro", locate({})).writer.model)
    mixed = replace(facts, lists={"attention.head_count_kv": (4, 1, 1, 4)})
    assert cache_of(mixed) == 10 * 48 * 2 * 2
    wide = replace(mixed, numbers={**facts.numbers, "attention.key_length": 64, "attention.value_length": 32})
    assert cache_of(wide) == 10 * 96 * 2


def test_a_damaged_file_counts_as_one_that_is_not_here(paths: Paths, tmp_path: Path) -> None:
    for name in ("writer.gguf", "painter.safetensors"):
        (tmp_path / name).write_bytes(b"GGUF" + bytes(20))
    profile = load_profile("sdxl", paths)
    damaged = replace(
        profile,
        writer=replace(profile.writer, model=tmp_path / "writer.gguf"),
        painter=replace(profile.painter, model=tmp_path / "painter.safetensors"),
    )
    sizes = sizes_of(damaged)
    assert not sizes.writer.known and not sizes.painter.known
    assert sizes.painter.unet == sizes_of(profile).painter.unet > 2_500_000_000


def test_what_was_measured_is_kept_by_machine_and_profile(tmp_path: Path, paths: Paths) -> None:
    kept = Measurements(tmp_path / "cache")
    for seconds in (9.0, 2.0, 2.2):
        kept.note_seconds("a card", "sdxl 1", "paint", seconds)
    kept.note_peak("a card", "sdxl 1", "worker", 10 * GIB)
    before = (tmp_path / "cache" / MEASURED).read_bytes()
    kept.note_peak("a card", "sdxl 1", "worker", 9 * GIB)
    assert (tmp_path / "cache" / MEASURED).read_bytes() == before
    again = Measurements(tmp_path / "cache").of("a card", "sdxl 1")
    assert again.seconds == {"paint": 2.2} and again.peaks == {"worker": 10 * GIB}
    assert kept.of("a card", "sdxl 2").seconds == {} == kept.of("another", "sdxl 1").peaks
    for _ in range(20):
        kept.note_seconds("a card", "sdxl 1", "paint", 1.0)
    assert (
        len(
            json.loads((tmp_path / "cache" / MEASURED).read_text())["machines"]["a card"]["sdxl 1"][
                "seconds"
            ]["paint"]
        )
        == 8
    )

    profile = load_profile("micro", paths)

    def painting(**other: Any) -> str:
        return profile_key(replace(profile, painter=replace(profile.painter, **other)), "resident")

    keys = [
        painting(),
        painting(steps=2),
        painting(pass_size=16),
        painting(compile=True),
        painting(preview=tmp_path),
        painting(vae=tmp_path),
        painting(loras=(Lora(tmp_path, 1.0),)),
        *(profile_key(profile, how) for how in ("swap", "swap parked", "swap parked apart", "cpu apart")),
        profile_key(profile, "resident", slots=8),
    ]
    assert len(set(keys)) == len(keys) and all(key.startswith("micro ") for key in keys)
    assert painting(negative="blurry") == painting()


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", '{"version": 2}', '{"version": 1, "machines": {"m": {"p": 3}}}'),
        '{"version": 1, "machines": {"m": {"p": {"peaks": [], "seconds": []}}}}',
    ],
)
def test_a_damaged_file_of_measurements_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / MEASURED).write_text(text)
    kept = Measurements(tmp_path)
    assert kept.of("m", "p").seconds == {}
    kept.note_seconds("m", "p", "write", 1.5)
    kept.note_peak("m", "p", "writer", 3)
    assert kept.of("m", "p") == Measured({"writer": 3}, {"write": 1.5})


def test_a_worker_follows_its_plan(paths: Paths, tmp_path: Path) -> None:
    micro = plan_sharing(load_profile("micro", paths), tmp_path, None, "")
    assert micro.writer_options == ()
    assert not micro.swaps and micro.notes == () and not micro.writer_environment and micro.bearable
    assert plan_sharing(load_profile("micro", paths), tmp_path, "cpu", "swap").swaps
    asked = replace(load_profile("micro", paths), memory="swap")
    assert plan_sharing(asked, tmp_path, "cpu", "").swaps
    assert not plan_sharing(asked, tmp_path, "cpu", "resident").swaps
    apart = plan_sharing(asked, tmp_path, "cpu", "cpu")
    assert apart.writer_environment["CUDA_VISIBLE_DEVICES"] == "-1"
    for off in (apart, plan_sharing(asked, tmp_path, None, "cpu"), plan_sharing(asked, tmp_path, "cpu", "")):
        assert off.writer_options == ("--no-gpu",)

    hours = plan_sharing(load_profile("sdxl", paths), tmp_path, "cpu", "")
    assert not hours.bearable
    assert len(hours.notes) == 1 and "a GPU is what it wants" in hours.notes[0]


def test_times_are_told_apart_by_what_comes_and_goes(paths: Paths) -> None:
    asked = {8: "auto", 12: "auto", 24: "auto", 10: "cpu"}
    ways = [planned(paths, "sdxl", size, how).arrangement.sharing for size, how in asked.items()]
    assert ways == ["swap parked apart", "swap parked", "resident", "cpu apart"]


def test_a_full_gpu_is_left_alone_where_the_cpu_takes_minutes(paths: Paths) -> None:
    micro, sdxl = (load_profile(name, paths) for name in ("micro", "sdxl"))
    card = find_machine(query=lambda: GPU_12, nvidia=lambda: True)
    full = replace(card, gpu_free=GIB // 5)
    assert settled_machine(micro, card, "auto") is card
    instead = settled_machine(micro, full, "auto")
    assert not instead.has_gpu and instead.key.startswith("cpu x") and not instead.missed
    assert instead.unused.startswith("NVIDIA GeForce RTX 3060 has 0.2 GiB free, and ")
    assert verdict_of(make_plan(micro, instead))[1] == f"planned without a GPU: {instead.unused}"
    for kept in (
        settled_machine(sdxl, full, "auto"),
        settled_machine(micro, full, "swap"),
        settled_machine(micro, full, "auto", exact=True),
    ):
        assert kept is full
    no_memory = replace(full, ram_bytes=GIB // 2)
    assert settled_machine(micro, no_memory, "auto") is no_memory


def test_who_names_a_device_gets_that_or_none(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    micro = load_profile("micro", paths)
    card = find_machine(query=lambda: GPU_12, nvidia=lambda: True)
    monkeypatch.setattr("pasta_core.worker.sharing.find_machine", lambda device: replace(card, gpu_free=1))
    by_itself = plan_sharing(micro, tmp_path, None, "")
    assert by_itself.given_up and by_itself.device == "cpu" and by_itself.writer_options == ("--no-gpu",)
    for asked in ("cuda", "cuda:0"):
        named = plan_sharing(micro, tmp_path, asked, "")
        assert not named.given_up and named.device == asked


def test_a_gpu_that_is_not_counted_is_used_by_nobody_and_explains_its_absence(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    micro, of_amd = load_profile("micro", paths), (False, [("AMD gfx1100", GIB, GIB)])
    uncounted = find_machine(query=lambda: "", amd=lambda: of_amd)
    monkeypatch.setattr("pasta_core.worker.sharing.find_machine", lambda device: uncounted)
    by_itself = plan_sharing(micro, tmp_path, None, "")
    assert by_itself.writer_options == ("--no-gpu",) and by_itself.missed == ""
    assert "not built for" in plan_sharing(micro, tmp_path, "cuda", "").missed


def test_a_worker_paints_as_many_at_a_time_as_its_plan_has_room_for(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\necho '{GPU_11.strip()}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    sdxl = load_profile("sdxl", paths)
    session = plan_sharing(sdxl, tmp_path, None, "cpu")
    assert session.plan.machine.name.endswith("2080 Ti") and session.plan.arrangement.fits
    assert session.pass_size == session.plan.arrangement.images == 4
    assert session.notes[-1] == "memory holds 4 images at a time, not 8"
    tool.write_text(f"#!/bin/sh\necho '{GPU_11.replace('10800', '9300').strip()}'\n")
    simulation = plan_sharing(sdxl, tmp_path, None, "cpu", exact=True)
    assert simulation.pass_size == 8 and "does not fit" in simulation.notes[0]


def test_texts_that_are_written_side_by_side_have_a_context_each(paths: Paths) -> None:
    profile = load_profile("sdxl", paths)
    alone, many = (make_plan(profile, imagined(24), "resident", slots=slots) for slots in (1, 8))
    window = sizes_of(profile).writer.cache * profile.writer.context
    assert many.parts[0].needs == alone.parts[0].needs + 7 * window
    assert many.arrangement.writing == alone.arrangement.writing + 7 * window
