"""ImageReward's test set as published: `test.json`, with WebP images in folders or archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pasta_core.data.archives import FolderImages, ImagePlace, archives_in, find_image
from pasta_core.data.images import AbsentImage, ImageReference
from pasta_core.data.json_stream import json_entries
from pasta_core.data.records import Kind, Ranking, Tally
from pasta_core.data.splits import checked_split
from pasta_core.errors import InvalidInput

__all__ = ["ImageReward"]

_FOLDERS = ("", "images", "test_images", "test")

LAST = 1000
"""Ranks leave gaps, but none this large."""


@dataclass(frozen=True)
class ImageReward:
    """`test.json`, or the folder it lies in (also in its `data/`).

    Rankings have ties and gaps (1, 2, 2, 5); their annotators are not named, so each is its own group.
    """

    path: Path
    file: Path
    kind = Kind.IMAGEREWARD
    splits = ("test",)

    @classmethod
    def open(cls, path: Path) -> ImageReward:
        """Find the JSON file; `InvalidInput` where there is none."""
        if not path.is_dir():
            return cls(path, path)
        for file in (path / "test.json", path / "data" / "test.json"):
            if file.is_file():
                return cls(path, file)
        raise InvalidInput(f"{path} has no test.json", "name ImageReward's data folder")

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Ranking]:
        """One ranking per prompt."""
        tally = tally or Tally()
        checked_split(split, self)
        places = self._places(tally)
        known = False
        for number, entry in enumerate(self._entries(tally)):
            if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
                tally.skip("no prompt")
                continue
            known = known or "generations" in entry
            ranks = _ranks(entry)
            if ranks is None:
                tally.skip("the ranking does not fit its images")
                continue
            images = _found(places, entry["generations"], tally)
            if images is None:
                tally.skip("an image is missing")
                continue
            item = f"{Kind.IMAGEREWARD}:{entry.get('id', number)}"
            yield Ranking(entry["prompt"], images, ranks, None, item, item)
        if not known:
            raise InvalidInput(f"{self.file} is not ImageReward's test set: no entry has generations")

    @property
    def _root(self) -> Path:
        return self.file.parent

    def _places(self, tally: Tally) -> list[ImagePlace]:
        roots = [self._root, *([self.path] if self.path.is_dir() and self.path != self._root else [])]
        folders = [root / name for root in roots for name in _FOLDERS if (root / name).is_dir()]
        return [
            *(FolderImages(folder) for folder in folders),
            *(archive for root in roots for archive in archives_in(root, tally)),
        ]

    def _entries(self, tally: Tally) -> Iterator[Any]:
        try:
            with self.file.open("rb") as stream:
                yield from json_entries(stream, str(self.file), tally)
        except OSError as error:
            raise InvalidInput(f"{self.file} cannot be read: {error.strerror}") from error


def _ranks(entry: Mapping[str, Any]) -> tuple[float, ...] | None:
    files, ranking = entry.get("generations"), entry.get("ranking")
    if not isinstance(files, list) or not isinstance(ranking, list) or not 2 <= len(files) == len(ranking):
        return None
    if not all(isinstance(file, str) for file in files):
        return None
    if not all(
        isinstance(rank, int) and not isinstance(rank, bool) and 1 <= rank <= LAST for rank in ranking
    ):
        return None
    return tuple(float(rank) for rank in ranking)


def _found(places: list[ImagePlace], files: list[str], tally: Tally) -> tuple[ImageReference, ...] | None:
    """References to all images; only named where none is there, None where some are."""
    found = {file: find_image(places, file) for file in files}
    names = {file: f"{Kind.IMAGEREWARD}:{file}" for file in files}
    if not any(found.values()):
        tally.note("images of some prompts are not beside the JSON: they are only named")
        return tuple(AbsentImage(names[file]) for file in files)
    images = [(image, names[file]) for file in files if (image := found[file]) is not None]
    return tuple(replace(image, name=name) for image, name in images) if len(images) == len(files) else None
