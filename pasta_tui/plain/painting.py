"""Painting without a session: prompts in, image files out."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pasta_core.configuration import Configuration, configure
from pasta_core.domain import Image, PaintedImage
from pasta_core.errors import InvalidInput
from pasta_core.files import write_atomically
from pasta_core.seeds import derive_seed
from pasta_core.sessions.images import png_bytes
from pasta_core.text import clean_prompt
from pasta_core.vocabulary import load_vocabulary, unknown_words
from pasta_tui.console.connect import worker_for
from pasta_tui.console.output import Output
from pasta_tui.console.run import run_until_stopped
from pasta_tui.console.seeds import checked_seed
from pasta_tui.plain.files import usable_directory
from pasta_tui.plain.view import row_of_pictures

__all__ = ["Commission", "paint_all"]

_BATCH = 16
"""Prompts sent to the worker at once, so that a long list is painted and shown bit by bit."""


_LONGEST_SLUG = 60


@dataclass(frozen=True)
class Commission:
    """What was typed; None was not."""

    prompt: str
    flags: Mapping[str, Any]
    seed: int | None
    as_json: bool
    out: Path | None


def paint_all(commission: Commission) -> None:
    """Paint what was asked for; each file is there before its path is printed."""
    out = Output(os.environ, commission.as_json)
    config = configure(commission.flags, os.environ, Path.cwd())
    seed = checked_seed(commission.seed)
    prompts = _prompts(commission, config, out)
    directory = usable_directory(commission.out or Path.cwd())
    run_until_stopped(_paint(prompts, seed, config, out, directory))


def _prompts(commission: Commission, config: Configuration, out: Output) -> list[str]:
    given = _lines_of_stdin() if commission.prompt == "-" else [commission.prompt]
    if not given:
        raise InvalidInput("stdin has no prompt", "give one prompt a line")
    cleaned = [clean_prompt(text, config.session.max_words) for text in given]
    if any(prompt.stripped for prompt in cleaned):
        out.note("control characters were removed from the prompt")
    prompts = [prompt.text for prompt in cleaned]
    words = unknown_words(" ".join(prompts), load_vocabulary(config.profile.vocabulary))
    if words:
        out.note(f"the {config.profile.name} models have never seen: {', '.join(words)}; they paint the rest")
    return prompts


def _lines_of_stdin() -> list[str]:
    text = sys.stdin.buffer.read().decode(errors="replace")
    return [line for line in text.splitlines() if line.strip()]


async def _paint(
    prompts: Sequence[str], seed: int, config: Configuration, out: Output, directory: Path
) -> None:
    seeds = [derive_seed(seed, "paint", index) for index in range(config.session.images)]
    worker = worker_for(config, config.profile, out.note)
    total = len(prompts) * len(seeds)
    done: list[dict[str, Any]] = []
    try:
        out.progress("starting the models")
        await worker.start()
        for start in range(0, len(prompts), _BATCH):
            batch = prompts[start : start + _BATCH]
            out.progress("painting", start * len(seeds), total)
            painting = worker.painter.paint(batch, [seeds] * len(batch), lambda done, total: None)
            finished: dict[int, list[tuple[Image, Path]]] = {}
            async with aclosing(painting) as images:  # type: ignore[type-var]
                async for painted in images:
                    path = _written(painted, batch[painted.column], seed, directory)
                    column = finished.setdefault(painted.column, [])
                    column.append((painted.image, path))
                    out.progress("painting", start * len(seeds) + sum(map(len, finished.values())), total)
                    if len(column) == len(seeds):
                        done.append(_delivered(batch[painted.column], column, out))
    finally:
        out.end_progress()
        await worker.close()
    if out.as_json:
        out.document({"profile": config.profile.name, "seed": seed, "prompts": done})


def _delivered(prompt: str, column: Sequence[tuple[Image, Path]], out: Output) -> dict[str, Any]:
    """Show one prompt's images, print where they lie, and describe them."""
    if out.terminal.interactive and not out.as_json:
        out.show(row_of_pictures([image for image, _ in column], len(column), out.terminal))
    for _, path in column:
        out.data(str(path))
    images = [{"path": str(path), "seed": image.seed, "sha256": image.sha256} for image, path in column]
    return {"prompt": prompt, "images": images}


def _written(painted: PaintedImage, prompt: str, seed: int, directory: Path) -> Path:
    path = directory / f"{_slug(prompt)}-{seed}-{painted.index + 1}.png"
    write_atomically(path, png_bytes(painted.image.pixels))
    return path


def _slug(prompt: str) -> str:
    """A file name of the prompt; where the prompt does not fit in, a hash keeps names apart."""
    whole = re.sub(r"[^\w]+", "-", prompt.lower()).strip("-")
    if whole and len(whole.encode()) <= _LONGEST_SLUG:
        return whole
    start = whole.encode()[:_LONGEST_SLUG].decode(errors="ignore").strip("-")
    return f"{start or 'image'}-{hashlib.sha256(prompt.encode()).hexdigest()[:8]}"
