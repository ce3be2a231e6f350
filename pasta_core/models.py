"""The files of a profile's models: which there are, how large, and what is plainly wrong with them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.gguf_header import gguf_facts, gguf_problem
from pasta_core.hub.cache import missing_files, present_files, wanted
from pasta_core.hub.manifest import read_manifest
from pasta_core.paths import Paths
from pasta_core.profiles import known_profiles, load_profile
from pasta_core.safetensors_header import LORA, SDXL, UNKNOWN, VAE, kind_of, read_header, safetensors_problem
from pasta_core.settings import HubSource, ModelSource, Profile
from pasta_core.typed_toml import nearest

__all__ = ["ModelFile", "Part", "find_parts", "model_files", "parts", "remedy", "require_models"]

ABSENT = "is not on this machine"
MISSING = "is missing"
UNREADABLE = "cannot be read"
INDEX = "model_index.json"
NO_TEMPLATE = "has no chat template: it is no instruct model"
NO_INDEX = f"has no {INDEX}"
_PULLED = (ABSENT, MISSING, "lacks ", "is cut short", "is an empty ", NO_INDEX)
"""What goes away when a part is fetched; of another kind it would still be."""
_REPLACED = frozenset(
    {
        "is damaged",
        "has no checksum here",
        "is not a safetensors file",
        "is not a GGUF file",
        f"has a damaged {INDEX}",
    }
)
"""What goes away only when it is removed first: fetching leaves files alone that have the right length."""
_PICKLES = (".pt", ".pth", ".bin", ".ckpt")


@dataclass(frozen=True)
class Part:
    """A file or folder that a profile needs."""

    role: str
    """What it is for: writer, painter, vae, lora-1, ... (`parts`)."""
    path: Path
    source: ModelSource
    chat: bool = False
    """Whether it is a language model that must bring its chat template."""


@dataclass(frozen=True)
class ModelFile:
    """A model's file or folder as it lies on the disk; `problem` is empty if nothing is plainly wrong."""

    role: str
    path: Path
    size: int
    """In bytes, all files of a folder together."""
    problem: str = ""


def parts(profile: Profile) -> tuple[Part, ...]:
    """Every file and folder that a profile names."""
    served = bool(profile.writer.url)
    named: list[tuple[str, Path | None]] = [
        ("writer", None if served else profile.writer.model),
        ("template", profile.writer.template),
        ("mmproj", None if served else profile.writer.mmproj),
        ("painter", profile.painter.model),
        ("config", profile.painter.config),
        ("scheduler", profile.painter.scheduler),
        ("vae", profile.painter.vae),
        ("preview", profile.painter.preview),
        *((f"lora-{number}", lora.path) for number, lora in enumerate(profile.painter.loras, start=1)),
        ("clip", profile.clip.model),
        ("vocabulary", profile.vocabulary),
        ("captions", profile.captions),
        ("user", profile.user_model),
        ("value", profile.value_model),
    ]
    sources = profile.sources
    return tuple(
        Part(
            role,
            path,
            sources.get(role) or sources.get(f"{role}_model") or ModelSource(),
            chat=role == "writer" and profile.writer.chat,
        )
        for role, path in named
        if path is not None
    )


def find_parts(name: str, paths: Paths) -> tuple[str, tuple[Part, ...]]:
    """The profile and the parts that PROFILE or PROFILE.PART means. Raises `InvalidInput`."""
    whole = name in known_profiles(paths) or "." not in name
    profile, _, role = (name, "", "") if whole else name.rpartition(".")
    found = parts(load_profile(profile, paths))
    if not role:
        return profile, found
    roles = {part.role: part for part in found}
    if role not in roles:
        near = nearest(role, roles)
        raise InvalidInput(
            f"profile {profile} has no part {role!r}",
            f'did you mean "{profile}.{near}"?' if near else f"its parts: {', '.join(roles)}",
        )
    return profile, (roles[role],)


def model_files(profile: Profile) -> tuple[ModelFile, ...]:
    """Look at every model of a profile, without loading one."""
    return tuple(file for part in parts(profile) for file in inspect_part(part))


def require_models(profile: Profile) -> None:
    """Raise `ModelUnavailable` for the first model file that is missing, cut short or of another kind."""
    for part in parts(profile):
        for model in inspect_part(part):
            if model.problem:
                what = part.source.hub if model.problem == ABSENT else model.path
                raise ModelUnavailable(
                    f"the {model.role} model of profile {profile.name} {model.problem}: {what}",
                    remedy(part, model, profile.name)
                    or f"{_instead(model)} or choose another --profile ('pasta doctor' lists them)",
                )


def _instead(model: ModelFile) -> str:
    return "put the file back" if model.problem in (ABSENT, MISSING) else "name another file in the profile"


def remedy(part: Part, model: ModelFile, profile: str) -> str:
    """What to do about a problem of a part, "" where another file must be put there."""
    if model.problem.startswith(UNREADABLE):
        return "make it readable, or correct its path in the profile"
    if model.problem == NO_TEMPLATE:
        return "name an instruct GGUF, or set writer.chat = false for one that continues plain text"
    hub = part.source.hub
    if hub is None or (model.problem == NO_INDEX and _never_had_index(hub, part.path)):
        return ""
    if model.problem in _REPLACED:
        return f"'pasta models remove {profile}.{part.role}' and pull it again"
    return f"get it with 'pasta models pull {profile}'" if model.problem.startswith(_PULLED) else ""


def _never_had_index(hub: HubSource, folder: Path) -> bool:
    """Whether fetching brings no index of a pipeline: it is not asked for, or the repository has none."""
    listed = read_manifest(folder)
    return not wanted(hub, INDEX) or (listed is not None and INDEX not in {file.name for file in listed})


def inspect_part(part: Part) -> Sequence[ModelFile]:
    """Look at one part: one record for all of it, or one for each file that something is wrong with."""
    try:
        return list(_inspected(part))
    except OSError as error:
        return [ModelFile(part.role, part.path, 0, f"{UNREADABLE} ({error.strerror})")]


def _inspected(part: Part) -> Iterator[ModelFile]:
    role, path, hub = part.role, part.path, part.source.hub
    if not path.exists():
        yield ModelFile(role, path, 0, MISSING if hub is None else ABSENT)
        return
    if not path.is_dir():
        files = [path]
    elif hub is not None:
        files = [path / name for name in present_files(hub, path)]
    else:
        files = sorted(file for file in path.rglob("*") if file.is_file())
    broken = [(file, problem) for file in files if (problem := _problem(file))]
    if not broken:
        lacking = missing_files(hub, path) if hub is not None and path.is_dir() else []
        problem = f"lacks {lacking[0]}" if lacking else "" if files else "is an empty folder"
        yield ModelFile(
            role, path, sum(file.stat().st_size for file in files), problem or _kind_problem(part)
        )
    for file, problem in broken:
        yield ModelFile(role, file, file.stat().st_size if file.exists() else 0, problem)


def _problem(file: Path) -> str:
    """What is wrong with one file, as far as its first bytes and its length tell."""
    try:
        if file.stat().st_size == 0 and file.suffix in (".gguf", ".safetensors", ".json", ".txt"):
            return "is an empty file"
        if file.suffix == ".gguf":
            return gguf_problem(file)
        if file.suffix == ".safetensors":
            return safetensors_problem(file)
    except OSError as error:
        return f"{UNREADABLE} ({error.strerror})"
    return ""


def _kind_problem(part: Part) -> str:
    """What a whole file or folder is, where it is not what its part needs."""
    path, role = part.path, part.role
    if path.suffix == ".gguf" and role in ("writer", "mmproj"):
        facts = gguf_facts(path)
        encoder = facts.architecture == "clip"
        if encoder != (role == "mmproj"):
            return "is an image encoder, not a language model" if encoder else "is no image encoder"
        if part.chat and not facts.chat:
            return NO_TEMPLATE
    if role == "clip":
        return _clip_problem(path)
    if role == "preview" and path.suffix == ".safetensors":
        found = kind_of(read_header(path))
        return "" if found == UNKNOWN else f"is {found}, and not a small autoencoder such as TAESDXL"
    needed = LORA if role.startswith("lora-") else {"painter": SDXL, "vae": VAE}.get(role)
    if needed is None:
        return ""
    if path.is_dir():
        return _pipeline_problem(path) if role == "painter" else ""
    if path.suffix != ".safetensors":
        return f"is a {path.suffix or 'nameless'} file, and only .safetensors is read"
    found = kind_of(read_header(path))
    return "" if found == needed else f"is {found}" if needed == SDXL else f"is {found}, and not {needed}"


def _clip_problem(path: Path) -> str:
    """OpenAI's own weights come as a pickle; what is plainly one is named before anything loads."""
    found = [path] if path.is_file() else sorted(path.iterdir())
    pickled = [file.name for file in found if file.suffix in _PICKLES]
    if not pickled or (path / "open_clip_model.safetensors").is_file():
        return ""
    return f"is a pickle ({pickled[0]}), which can run programs and is never read: name an open_clip folder"


def _pipeline_problem(folder: Path) -> str:
    """What is wrong with a folder of diffusers, as far as its index tells."""
    index = folder / INDEX
    if not index.is_file():
        return NO_INDEX
    try:
        table = json.loads(index.read_text(encoding="utf-8"))
        kind = str(table.get("_class_name", ""))
    except (ValueError, OSError, AttributeError, RecursionError):
        return f"has a damaged {INDEX}"
    if not kind.startswith("StableDiffusionXL"):
        return f"is a folder of {kind or 'something else'}, not of SDXL"
    for name, value in table.items():
        loads = isinstance(value, list) and value[:1] != [None] and not name.startswith("_")
        if loads and not (folder / name).is_dir():
            return f"lacks {name}"
    return ""
