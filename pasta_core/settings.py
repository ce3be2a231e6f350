"""Typed settings of a session and of a profile: what each value means and where its default comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pasta_core.domain import CandidateForm
from pasta_core.errors import InvalidInput

__all__ = [
    "ClipProfile",
    "HubSource",
    "Lora",
    "ModelSource",
    "PainterProfile",
    "Profile",
    "SessionSettings",
    "WriterProfile",
]


@dataclass(frozen=True)
class SessionSettings:
    """The shape of a session (§2.2). Validated when made: a value out of range is `InvalidInput`."""

    turns: int = 5
    """H, how often the user chooses (§4.1)."""
    columns: int = 4
    """L, how many prompts are shown per turn (§4.1)."""
    images: int = 4
    """M, how many images are painted per prompt (§4.1)."""
    form: CandidateForm = field(default_factory=CandidateForm)
    """The candidate set: L_C = 25 in 5 categories of 5 (Fig. 11)."""
    max_words: int = 62
    """N_w^max, the longest prompt of the last turn in words (App. E.2)."""

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("turns", self.turns, 1, 50),
            ("columns", self.columns, 1, 9),
            ("images", self.images, 1, 16),
            ("categories", self.form.categories, 1, 9),
            ("per_category", self.form.per_category, 1, 25),
            ("max_words", self.max_words, 1, 200),
        ):
            if not low <= value <= high:
                raise InvalidInput(f"{name} is {value}", f"choose a value from {low} to {high}")
        if self.columns > self.form.categories and not self.form.direct:
            raise InvalidInput(
                f"{self.columns} columns need as many categories, there are {self.form.categories}",
                "a slate shows at most one prompt per category: show fewer columns",
            )


@dataclass(frozen=True)
class HubSource:
    """Files of a model repository on a hub."""

    repo: str
    """OWNER/NAME."""
    revision: str = "main"
    """A commit, which never changes, or a branch or tag, which may."""
    files: tuple[str, ...] = ()
    """Paths in the repository, or patterns of them; none means all."""
    single: bool = False
    """Whether the part is the one file and not the folder that it lies in."""

    def __str__(self) -> str:
        return f"{self.repo}@{self.revision[:12]}"


@dataclass(frozen=True)
class ModelSource:
    """Where a part of a profile comes from, as far as its path alone does not say it."""

    licence: str = ""
    hub: HubSource | None = None


@dataclass(frozen=True)
class Lora:
    """Low-rank additions to a painter's weights."""

    path: Path
    """A `.safetensors` file, named as kohya's trainers or diffusers name tensors."""
    weight: float = 1.0
    """How much of it is added."""


@dataclass(frozen=True)
class WriterProfile:
    """The language model that writes candidates (App. E.2)."""

    model: Path
    """A GGUF file."""
    template: Path
    """The text template of its prompt (Fig. 11)."""
    context: int = 4096
    """Context window in tokens."""
    threads: int = 2
    """CPU threads; fixed per profile, as a different number may round differently."""
    nucleus: float = 0.8
    """p of nucleus sampling (App. E.2)."""
    temperature: float = 1.0
    slots: int = 8
    """Texts that a simulation writes side by side; a session writes one."""
    mmproj: Path | None = None
    """The GGUF file of the model's image encoder, for a writer that sees images."""


@dataclass(frozen=True)
class PainterProfile:
    """The SDXL pipeline that paints (§6.1)."""

    model: Path
    """A folder that `StableDiffusionXLPipeline.from_pretrained` loads, or a `.safetensors` checkpoint."""
    size: int = 1024
    """Side of the square image in pixels."""
    steps: int = 30
    """Denoising steps."""
    guidance: float = 5.0
    """Classifier-free guidance scale; 1 or less paints without guidance."""
    pass_size: int = 4
    """Images per denoising pass; every pass is padded to it, so an image never depends on its company."""
    dtype: str = "float32"
    vae: Path | None = None
    """Another autoencoder than the model's own: a folder of diffusers or a `.safetensors` file."""
    loras: tuple[Lora, ...] = ()
    """Added to the weights in this order when they are loaded."""
    scheduler: Path | None = None
    """A scheduler's JSON configuration of diffusers, instead of the model's own."""
    config: Path | None = None
    """The configuration of a checkpoint file, a folder of diffusers without weights; None for SDXL 1.0's."""


@dataclass(frozen=True)
class ClipProfile:
    """The CLIP model that embeds what is painted (D.4)."""

    model: Path
    """A local open_clip folder: JSON configuration, safetensors weights, tokenizer."""


@dataclass(frozen=True)
class Profile:
    """A set of models that belong together; paths are absolute once loaded."""

    name: str
    description: str
    writer: WriterProfile
    painter: PainterProfile
    clip: ClipProfile
    vocabulary: Path | None = None
    """One known word a line, where the models know only so many; others are named to the user once."""
    examples: tuple[str, ...] = ()
    """Prompts it paints well, offered to who has no idea yet."""
    needs: str = ""
    """What it runs on, in a few words."""
    user_model: Path | None = None
    """A folder of `pasta train-user-model`: the types that simulated users are drawn from."""
    value_model: Path | None = None
    """A folder of `pasta train-value-model`: what `--selector value` asks."""
    captions: Path | None = None
    """How the writer is told what images show (`agent.captions`), for one that sees none itself."""
    session: SessionSettings = field(default_factory=SessionSettings)
    """The shape of a session where nothing else says it."""
    sources: Mapping[str, ModelSource] = field(default_factory=dict)
    """Licences and hub addresses of parts, by role (`pasta_core.models.parts`)."""
