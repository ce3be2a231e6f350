"""Drawn scenes and their captions, for people who want to see what the micro models learn from."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

from pasta_core.domain import Image
from pasta_core.errors import InvalidInput
from pasta_core.files import write_atomically
from pasta_core.microworld.captions import caption, parse_attributes, sample_mention
from pasta_core.microworld.drawer import draw
from pasta_core.microworld.grammar import sample_scene
from pasta_core.seeds import derive_seed
from pasta_core.sessions.images import png_bytes
from pasta_tui.console.output import Output
from pasta_tui.plain.files import usable_directory
from pasta_tui.plain.view import columns_of_texts

__all__ = ["show_scenes"]


def show_scenes(text: str, count: int, seed: int, directory: Path | None, as_json: bool) -> None:
    """Draw scenes that have the attributes `text` names; the same seed draws the same ones."""
    out = Output(os.environ, as_json)
    wanted = parse_attributes(text).known()
    if text.strip() and not wanted:
        raise InvalidInput(
            f'nothing in "{text.strip()}" can be drawn',
            'name a thing and how it looks: "a red train at night"',
        )
    target = None if directory is None else usable_directory(directory)
    rng = random.Random(derive_seed(seed, "show"))
    scenes = [replace(sample_scene(rng), **wanted) for _ in range(count)]
    images = [
        Image(index, draw(scene, derive_seed(seed, "show", index))) for index, scene in enumerate(scenes)
    ]
    captions = [caption(sample_mention(rng, scene), rng) for scene in scenes]
    paths = [
        None if target is None else target / f"scene-{seed}-{number}.png" for number in range(1, count + 1)
    ]
    for path, image in zip(paths, images, strict=True):
        if path is not None:
            write_atomically(path, png_bytes(image.pixels))
    if as_json:
        described = [
            {
                "attributes": scene.attributes.known(),
                "caption": said,
                "path": None if path is None else str(path),
                "sha256": image.sha256,
            }
            for scene, said, path, image in zip(scenes, captions, paths, images, strict=True)
        ]
        out.document({"seed": seed, "scenes": described})
        return
    if out.terminal.interactive:
        out.show(columns_of_texts([[image] for image in images], captions, out.terminal))
    else:
        for said in captions:
            out.data(said)
    for path in paths:
        if path is not None:
            out.data(str(path))
