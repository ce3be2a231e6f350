"""Learning a taste's space from trajectories, and what came of it, as text and as JSON."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pasta_core.configuration import configure
from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.sources import parse_source
from pasta_core.engines.calibrations import own_users
from pasta_core.errors import InvalidInput
from pasta_core.training.taste_space import LearnedSpace, learn_space, read_slates
from pasta_core.training.value_sources import check_value_sources
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.taste_space_files import SPACE_FILE, save_space
from pasta_tui.console.output import Output

__all__ = ["learn"]


def learn(data: Sequence[str], out_file: Path | None, profile: str | None, as_json: bool) -> None:
    """Learn the space of a profile's CLIP and write it."""
    out = Output(os.environ, as_json)
    config = configure({"profile": profile}, os.environ, Path.cwd())
    specs = [parse_source(text) for text in data]
    check_value_sources(specs)
    clip = config.profile.clip.model
    file = (out_file or clip / SPACE_FILE).expanduser().absolute()
    if file.is_dir() or not file.parent.is_dir():
        raise InvalidInput(f"{file} cannot be a file", "name one in a folder that exists: --out FILE")
    fingerprint = encoder_fingerprint(clip)
    out.progress("embedding prompts")
    embed, own = ClipEncoder.load(clip).embed_texts, own_users(config.profile)
    slates = read_slates([spec.path for spec in specs], fingerprint, embed, own)
    out.progress("learning")
    learned = learn_space(fingerprint, slates)
    save_space(learned.space, file)
    if as_json:
        out.document({"path": str(file), **_facts(learned)})
        return
    out.message("\n".join(_lines(learned)))
    out.data(str(file))


def _facts(learned: LearnedSpace) -> dict[str, object]:
    space = learned.space
    return {
        "slates": learned.slates,
        "pairs": space.pairs,
        "image_directions": space.painted - 1,
        "text_directions": space.dimension - space.painted,
        "types": space.types if space.types > 1 else 0,
        "users": space.users or None,
        "untyped": learned.untyped,
        "foresight": asdict(learned.foresight),
    }


def _lines(learned: LearnedSpace) -> list[str]:
    space, told = learned.space, learned.foresight
    of = f" of {space.users}" if space.users else ""
    types = f", {space.types} types{of}" if space.types > 1 else ""
    directions = " ".join(f"{share:.2f}" for share in told.by_direction)
    return [
        f"{learned.slates:,} slates, {space.pairs:,} prompts with pictures; "
        f"{space.painted - 1} image and {space.dimension - space.painted} text directions{types}",
        f"{told.columns:,} columns of {told.prompts} prompts were held out: "
        f"R2 {told.explained:.2f}, cosine {told.cosine:.2f}, fidelity R2 {told.fidelity:.2f}",
        f"R2 by direction: {directions}",
        *_without_types(learned),
    ]


def _without_types(learned: LearnedSpace) -> list[str]:
    """Why the space has no types, where it has none."""
    if not learned.untyped:
        return []
    what = (
        f"{learned.untyped:,} of {learned.slates:,} slates do not say what a user model's types think of them"
    )
    return [f"no types: {what}; those of 'pasta simulate --users model' do"]
