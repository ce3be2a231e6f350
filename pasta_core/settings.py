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
    "MEMORY",
    "ModelSource",
    "PainterProfile",
    "Profile",
    "SessionSettings",
    "WriterProfile",
]


MEMORY = ("auto", "resident", "swap", "cpu")
"""How language model and painter share one GPU: both on it, in turns, or the language model on the CPU.

`auto` follows from what fits (`pasta_core.planning`)."""


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
    bytes: int = 0
    """About how large it is, for plans that are made before it is here; 0 where nothing says it."""


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
    """A GGUF file; with `url` the name of a model that the server there knows, empty for its only one."""
    template: Path
    """The text template of its prompt (Fig. 11)."""
    chat: bool = True
    """Whether it is an instruct model, asked in its own chat form; else it continues plain text."""
    parallel: bool = True
    """Whether a session's categories are written side by side, on the prompt that they share."""
    context: int = 4096
    """Context window in tokens."""
    threads: int = 2
    """CPU threads; fixed per profile, as a different number may round differently."""
    nucleus: float = 0.8
    """p of nucleus sampling (App. E.2)."""
    temperature: float = 1.0
    """Applied last: it shifts the odds inside the nucleus."""
    slots: int = 8
    """Texts that a simulation writes side by side; a session writes one."""
    mmproj: Path | None = None
    """The GGUF file of the model's image encoder, for a writer that sees images."""
    image_tokens: int = 256
    """The most tokens of a picture: the images of one prompt, side by side."""
    url: str = ""
    """The address of a server with the OpenAI interface (llama-server, vLLM) that writes instead."""
    timeout: float = 120.0
    """Seconds of silence after which such a server counts as gone."""
    images: bool = False
    """Whether the model on such a server is shown the pictures."""

    @property
    def served(self) -> str:
        """The model's name on the server at `url`, empty for its only one."""
        return "" if self.model == Path() else str(self.model)

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of its models, none where a server writes."""
        return () if self.url else (self.model, *([] if self.mmproj is None else [self.mmproj]))

    @property
    def sees(self) -> bool:
        """Whether it is shown the history's images."""
        return self.images if self.url else self.mmproj is not None


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
    guidance_until: float = 1.0
    """The share of the steps, from the first on, that are guided: the others cost half as much."""
    negative: str = ""
    """What guidance leads away from."""
    pass_size: int = 4
    """Images per denoising pass, or as many of them as the GPU's memory holds.

    Every pass is padded to that size, so an image never depends on its company.
    """
    dtype: str = "float32"
    """What the models compute in: float32, float16, bfloat16, or auto for what suits the device."""
    compile: bool = False
    """Whether the UNet is compiled first, which takes minutes once and makes every step faster."""
    preview: Path | None = None
    """A small autoencoder (TAESDXL) that shows what is being painted: a folder of diffusers or a file."""
    vae: Path | None = None
    """Another autoencoder than the model's own: a folder of diffusers or a `.safetensors` file."""
    loras: tuple[Lora, ...] = ()
    """Added to the weights in this order when they are loaded."""
    scheduler: Path | None = None
    """A scheduler's JSON configuration of diffusers, instead of the model's own."""
    config: Path | None = None
    """The configuration of a checkpoint file, a folder of diffusers without weights; None for SDXL 1.0's."""

    def __post_init__(self) -> None:
        if not 0 <= self.guidance_until <= 1:
            raise InvalidInput(f"guidance_until is {self.guidance_until}", "choose a share from 0 to 1")
        if self.pass_size < 1:
            raise InvalidInput(f"pass_size is {self.pass_size}", "choose at least 1")


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
    memory: str = "auto"
    """One of `MEMORY`."""
    lineage: tuple[str, ...] = ()
    """The profiles that it extends, the nearest first."""
    sources: Mapping[str, ModelSource] = field(default_factory=dict)
    """Licences and hub addresses of parts, by role (`pasta_core.models.parts`)."""
