"""HPD v2 as published: `train.json` and `test.json`, with images in folders or archives."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pasta_core.data.archives import FolderImages, ImagePlace, archives_in, find_image
from pasta_core.data.images import AbsentImage, ImageReference
from pasta_core.data.json_stream import json_entries
from pasta_core.data.records import Kind, Pair, Ranking, Record, Tally
from pasta_core.data.splits import checked_split
from pasta_core.errors import InvalidInput

__all__ = ["Hpd"]

SPLITS = ("train", "test")
_FILE_KEYS = ("file_path", "image_path")
"""Editions differ in what they call the list of image files."""


@dataclass(frozen=True)
class Hpd:
    """A folder with `train.json`, `test.json` or both, or one of these files.

    Train entries are pairs whose annotator is not named; the six pairs of a prompt have one annotator, so
    their group is the prompt. Test entries are rankings of 9 or 10 images: the averaged one, and where
    `raw_annotations` exist one for each annotator.
    """

    path: Path
    files: Mapping[str, Path]
    kind = Kind.HPD

    @classmethod
    def open(cls, path: Path) -> Hpd:
        """Find the JSON files; `InvalidInput` where there is none."""
        if path.is_dir():
            files = {split: path / f"{split}.json" for split in SPLITS if (path / f"{split}.json").is_file()}
        else:
            files = {"test" if path.stem == "test" else "train": path}
        if not files:
            raise InvalidInput(f"{path} has neither train.json nor test.json", "name the folder of HPD v2")
        return cls(path, files)

    @property
    def splits(self) -> tuple[str, ...]:
        return tuple(self.files)

    def records(self, split: str | None = None, tally: Tally | None = None) -> Iterator[Record]:
        """Pairs of the train split, rankings of the test split."""
        tally = tally or Tally()
        for name in checked_split(split, self):
            images = _Images(self.files[name].parent, name, tally)
            yield from (
                _pairs(self.files[name], images, tally)
                if name == "train"
                else _rankings(self.files[name], images, tally)
            )


class _Images:
    """The images of one split: below its folder or in its archive; both are tried by path and file name."""

    def __init__(self, root: Path, split: str, tally: Tally) -> None:
        self._root = root
        self._split = split
        self._tally = tally

    @cached_property
    def _places(self) -> list[ImagePlace]:
        folders = [folder for folder in (self._root / self._split, self._root / "images") if folder.is_dir()]
        archives = archives_in(self._root, self._tally, (self._split,))
        if not folders and not archives:
            self._tally.note(f"there are no images of {self._split} beside the JSON")
            return []
        return [FolderImages(self._root), *(FolderImages(folder) for folder in folders), *archives]

    def find(self, files: object) -> tuple[ImageReference, ...] | None:
        """References to all files of an entry; None, and counted, where one is missing."""
        if not isinstance(files, list) or len(files) < 2 or not all(isinstance(file, str) for file in files):
            self._tally.skip("no list of image files")
            return None
        if not self._places:
            return tuple(AbsentImage(f"{Kind.HPD}:{self._split}/{file}") for file in files)
        found = [find_image(self._places, file) for file in files]
        images = tuple(
            replace(image, name=f"{Kind.HPD}:{self._split}/{image.name}")
            for image in found
            if image is not None
        )
        if len(images) < len(files):
            self._tally.skip("an image is missing")
            return None
        return images


def _entries(path: Path, tally: Tally) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The entries with a prompt, each with its number."""
    known = False
    try:
        with path.open("rb") as stream:
            for number, entry in enumerate(json_entries(stream, str(path), tally)):
                if not isinstance(entry, dict) or not isinstance(entry.get("prompt"), str):
                    tally.skip("no prompt")
                    continue
                known = known or any(key in entry for key in _FILE_KEYS)
                yield number, entry
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from error
    if not known:
        raise InvalidInput(f"{path} is not HPD v2: no entry has a prompt and image files")


def _files(entry: Mapping[str, Any]) -> object:
    return next((entry[key] for key in _FILE_KEYS if key in entry), None)


def _pairs(path: Path, images: _Images, tally: Tally) -> Iterator[Pair]:
    for number, entry in _entries(path, tally):
        preference = entry.get("human_preference")
        if preference not in ([1, 0], [0, 1]):
            tally.skip("no preference for one of two images")
            continue
        if (pair := images.find(_files(entry))) is None:
            continue
        if len(pair) != 2:
            tally.skip("not two images")
            continue
        user = entry.get("user_hash")
        rater = f"{Kind.HPD}:{user}" if isinstance(user, str) else None
        yield Pair(
            prompt=entry["prompt"],
            images=(pair[0], pair[1]),
            label=float(preference[0]),
            rater=rater,
            group=rater or f"{Kind.HPD}:prompt:{entry['prompt']}",
            order=number,
        )


def _rankings(path: Path, images: _Images, tally: Tally) -> Iterator[Ranking]:
    ordered = _annotations_are_orders(path)
    if ordered:
        tally.note("raw_annotations list images from best to worst: they are turned into ranks")
    for number, entry in _entries(path, tally):
        found = images.find(_files(entry))
        if found is None:
            continue
        if (ranks := _ranks(entry.get("rank"), len(found))) is None:
            tally.skip("the rank does not order its images")
            continue
        prompt, item = entry["prompt"], f"{Kind.HPD}:{path.stem}:{number}"
        yield Ranking(prompt, found, ranks, None, item, item, averaged=True)
        for index, annotation in enumerate(_annotations(entry)):
            raw = annotation.get("rank") if isinstance(annotation, dict) else None
            own = _ranks(raw, len(found))
            if own is None or (ordered and not _is_order(own)):
                tally.skip("an annotator's rank does not order its images")
                continue
            user = annotation.get("user_hash")
            rater = f"{Kind.HPD}:{user}" if user is not None else None
            own = _inverse(own) if ordered else own
            yield Ranking(prompt, found, own, rater, rater or f"{item}:{index}", item)


def _annotations(entry: Mapping[str, Any]) -> Sequence[Any]:
    raw = entry.get("raw_annotations")
    return raw if isinstance(raw, list) else ()


def _ranks(raw: object, count: int) -> tuple[float, ...] | None:
    """Ranks from 1 (best) for so many images; ranks that count from 0 are moved up."""
    if not isinstance(raw, list) or len(raw) != count:
        return None
    if not all(isinstance(rank, (int, float)) and not isinstance(rank, bool) for rank in raw):
        return None
    ranks = [rank + (0 in raw) for rank in raw]
    return tuple(map(float, ranks)) if all(1 <= rank <= count for rank in ranks) else None


def _is_order(ranks: Sequence[float]) -> bool:
    """Whether they are 1 to n without ties."""
    return sorted(ranks) == list(range(1, len(ranks) + 1))


def _inverse(order: Sequence[float]) -> tuple[float, ...]:
    """Ranks from an order: the image named first has rank 1."""
    ranks = [0.0] * len(order)
    for place, image in enumerate(order, 1):
        ranks[int(image) - 1] = float(place)
    return tuple(ranks)


def _annotations_are_orders(path: Path) -> bool:
    """Whether raw annotations list images by rank, instead of giving each image its rank.

    It is not documented, but the averaged rank is: the reading whose mean sorts like it is right.
    """
    as_ranks = as_orders = 0.0
    for _, entry in _entries(path, Tally()):
        rank = entry.get("rank")
        count = len(rank) if isinstance(rank, list) else 0
        averaged = _ranks(rank, count)
        own = [_ranks(one.get("rank"), count) for one in _annotations(entry) if isinstance(one, dict)]
        strict = [one for one in own if one is not None and _is_order(one)]
        if not averaged or not strict:
            continue
        as_ranks += _agreement(averaged, np.mean(strict, axis=0))
        as_orders += _agreement(averaged, np.mean([_inverse(one) for one in strict], axis=0))
    return as_orders > as_ranks


def _agreement(first: Sequence[float], second: Sequence[float]) -> float:
    """The correlation of two lists of numbers, 0 where one is constant."""
    centred = np.asarray(first) - np.mean(first), np.asarray(second) - np.mean(second)
    norm = float(np.linalg.norm(centred[0]) * np.linalg.norm(centred[1]))
    return float(centred[0] @ centred[1]) / norm if norm else 0.0
