"""The workstation's profiles on a small machine: their pinned files, of the true formats, in a hub's cache.

What a profile names lies under its very repository, commit and file name, so that the shipped TOML finds it;
only the sizes are others. SDXL's shapes are fixed by the shipped configuration, so profiles that extend these
name the small ones.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny, StableDiffusionXLPipeline

from pasta_core.models import parts
from pasta_core.paths import locate
from pasta_core.profiles import load_profile
from pasta_core.settings import Profile
from tests.support import small_writers
from tests.support.hub_cache import keep
from tests.support.small_clip import openai_like
from tests.support.small_sdxl import save_checkpoint, save_config, small_sdxl

PROFILES = ("turbo", "sdxl")


@dataclass(frozen=True)
class Workstation:
    """A home with every model of the profiles in Hugging Face's shared cache."""

    root: Path
    pipes: dict[str, StableDiffusionXLPipeline]
    """What each profile paints with, its autoencoder included."""

    @property
    def env(self) -> dict[str, str]:
        """What `pasta` is told of it."""
        folders = ("config", "data", "logs", "cache")
        return {
            "HF_HOME": str(self.root / "huggingface"),
            **{f"PASTA_{name.upper()}_DIR": str(self.root / name) for name in folders},
        }

    @property
    def shapes(self) -> Path:
        """The configuration of its checkpoints: SDXL's as it ships, its shapes excepted."""
        return self.root / "shapes"

    def extend(self, base: str, painter: str = "", more: str = "", writer: str = "") -> str:
        """A profile that paints with the small shapes, and says what else is given; returns its name."""
        folder = self.root / "config" / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        shapes = f'config = "{self.shapes}"\nsize = 64\n{painter}'
        text = f'extends = "{base}"\n{more}\n[writer]\n{writer}\n[painter]\n{shapes}\n'
        (folder / f"small-{base}.toml").write_text(text, encoding="utf-8")
        return f"small-{base}"

    def profile(self, name: str) -> Profile:
        """One of its profiles."""
        return load_profile(name, locate(self.env))


def furnish(root: Path) -> Workstation:
    """Make the models, and fetch them as it were."""
    pipes = {name: small_sdxl(seed) for seed, name in enumerate(PROFILES, start=1)}
    station = Workstation(root, pipes)
    save_config(pipes["sdxl"], station.shapes)
    shipped = locate({}).assets / "painters" / "sdxl" / "scheduler"
    shutil.copytree(shipped, station.shapes / "scheduler", dirs_exist_ok=True)
    for name, pipe in pipes.items():
        for part in parts(station.profile(name)):
            if part.source.hub is not None:
                made = root / "made" / name / part.role
                made.mkdir(parents=True)
                _make(part.role, pipe, made, part.source.hub.files)
                keep(root / "huggingface" / "hub", part.source.hub, made)
    for pipe in pipes.values():
        pipe.vae = _fixed_autoencoder()
    _round(pipes["turbo"])
    shutil.rmtree(root / "made")
    return station


def _fixed_autoencoder() -> AutoencoderKL:
    """Another one than the checkpoints', which needs no other precision than theirs."""
    vae = small_sdxl(len(PROFILES) + 1).vae
    vae.register_to_config(force_upcast=False)
    return vae


def _round(pipe: StableDiffusionXLPipeline) -> None:
    """Leave of the models that the file in half precision holds what it can say."""
    for model in (pipe.unet, pipe.text_encoder, pipe.text_encoder_2):
        for parameter in model.parameters():
            parameter.data = parameter.data.half().float()


def _make(role: str, pipe: StableDiffusionXLPipeline, folder: Path, names: tuple[str, ...]) -> None:
    """Write a part's files, under the names that its repository has them by."""
    if role == "painter":
        save_checkpoint(pipe, folder / names[0], half="fp16" in names[0])
    elif role == "writer":
        small_writers.turning(folder / names[0])
    elif role == "clip":
        openai_like(folder)
    elif role == "preview":
        torch.manual_seed(2)
        AutoencoderTiny().save_pretrained(folder)
    elif role == "vae":
        _fixed_autoencoder().save_pretrained(folder)
    else:
        raise ValueError(f"nothing makes a small {role}")
