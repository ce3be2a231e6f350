"""Damaged files of every kind: a reader counts what it cannot use, or refuses the file; it never crashes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.data.images import UnreadableImage, decode_image
from pasta_core.data.json_stream import json_entries
from pasta_core.data.records import Tally, images_of
from pasta_core.data.sources import open_source, parse_source
from pasta_core.errors import InvalidInput
from tests.support.data_sets import (
    ASSETS,
    comparison,
    grid,
    picture,
    session,
    write_files,
    write_json,
    write_pickapic,
    write_sac,
    write_tar,
)

EXAMPLES = 25


def _sac(folder: Path) -> Path:
    write_tar(folder / "sac.tar", {f"x/1_a_{index}.png": picture(index) for index in (1, 2)})
    tables = {
        "generations": [(1, 1, 2, "a", 1)],
        "images": [(1, 1, 1), (2, 1, 2)],
        "paths": [(1, "x/1_a_1.png"), (2, "x/1_a_2.png")],
        "ratings": [(rater, image, 5, 1) for rater in range(40) for image in (1, 2)],
    }
    return write_sac(folder / "a.sqlite", tables)


def _hpd(folder: Path) -> Path:
    write_tar(folder / "test.tar", {f"test/{index}.jpg": picture(index) for index in range(3)})
    rank = {"rank": [2, 1, 3], "user_hash": "u"}
    entry = {"prompt": "p", "image_path": ["0.jpg", "1.jpg", "2.jpg"], "rank": [2, 1, 3]}
    return write_json(folder / "test.json", [entry | {"raw_annotations": [rank] * 3}] * 6)


def _pickapic(folder: Path) -> Path:
    return write_pickapic(folder / "test-00000-of-00001.parquet", [comparison(n) for n in range(20)])


def _pasta(folder: Path) -> Path:
    write_files(folder, grid())
    return write_json(folder / "sessions.json", [session(number) for number in range(3)])


def _imagereward(folder: Path) -> Path:
    write_files(folder / "images", {f"{index}.webp": picture(index, "WEBP") for index in range(3)})
    names = [f"{index}.webp" for index in range(3)]
    return write_json(
        folder / "test.json", [{"id": 1, "prompt": "p", "generations": names, "ranking": [1, 2, 2]}]
    )


KINDS = {"sac": _sac, "hpd": _hpd, "pickapic": _pickapic, "pasta": _pasta, "imagereward": _imagereward}


@pytest.fixture(scope="module", params=list(KINDS))
def sample(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path, Path]]:
    folder = Path(tempfile.mkdtemp())
    yield request.param, folder, KINDS[request.param](folder)
    shutil.rmtree(folder)


def _drain(kind: str, folder: Path) -> tuple[int, Tally]:
    """Read everything and open every image; what may go wrong is counted."""
    tally, count = Tally(), 0
    try:
        for record in open_source(parse_source(f"{kind}:{folder}"), ASSETS).records(None, tally):
            count += 1
            for image in images_of(record):
                try:
                    pixels = image.open()
                except UnreadableImage:
                    tally.skip("unreadable")
                else:
                    assert pixels.ndim == 3 and pixels.shape[2] == 3
    except InvalidInput as error:
        tally.skip(f"refused: {error.message}")
    assert not any("\n" in reason for reason in tally.skipped)
    return count, tally


@settings(max_examples=EXAMPLES)
@given(data=st.data())
def test_damaged_files_never_crash_a_reader(sample: tuple[str, Path, Path], data: st.DataObject) -> None:
    kind, folder, path = sample
    whole = path.read_bytes()
    try:
        damaged = bytearray(whole)
        for _ in range(data.draw(st.integers(1, 6))):
            place = data.draw(st.integers(0, len(whole) - 1))
            noise = data.draw(st.binary(min_size=1, max_size=12))
            damaged[place : place + len(noise)] = noise
        cut = data.draw(st.integers(0, len(damaged)))
        path.write_bytes(damaged[:cut] if data.draw(st.booleans()) else damaged)
        _drain(kind, folder)
    finally:
        path.write_bytes(whole)
    count, tally = _drain(kind, folder)
    assert count > 0 and not tally.skipped


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES * 2)
@given(kind=st.sampled_from(["hpd", "pasta", "imagereward"]), entry=st.integers(0, 2), data=st.data())
def test_odd_values_never_crash_a_reader(kind: str, entry: int, data: st.DataObject) -> None:
    """Any JSON value in the place of any field."""
    import json

    folder = Path(tempfile.mkdtemp())
    try:
        path = KINDS[kind](folder)
        document = json.loads(path.read_text())
        target: Any = document[entry % len(document)]
        if kind == "pasta" and data.draw(st.booleans()):
            target = target["turns"][data.draw(st.integers(0, 4))]
        for _ in range(data.draw(st.integers(1, 3))):
            target[data.draw(st.sampled_from(sorted(target)))] = data.draw(_JSON)
        path.write_text(json.dumps(document))
        _drain(kind, folder)
    finally:
        shutil.rmtree(folder)


@settings(max_examples=EXAMPLES * 4)
@given(text=st.text(alphabet='[]{}",:1ae \n\\u', max_size=60))
def test_json_streams_agree_with_the_library_or_complain(text: str) -> None:
    import io
    import json

    tally = Tally()
    try:
        entries = list(json_entries(io.BytesIO(text.encode()), "it", tally))
    except InvalidInput:
        entries = None
    try:
        expected = json.loads(text)
    except ValueError:
        return
    assert not tally.skipped
    assert entries == (expected if isinstance(expected, list) else [expected])


@settings(max_examples=EXAMPLES * 4)
@given(data=st.data(), form=st.sampled_from(["PNG", "JPEG", "WEBP"]))
def test_damaged_images_are_unreadable_or_pixels(data: st.DataObject, form: str) -> None:
    damaged = bytearray(picture(9, form))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    cut = damaged[: data.draw(st.integers(0, len(damaged)))]
    for attempt in (bytes(damaged), bytes(cut)):
        try:
            pixels = decode_image(attempt)
        except UnreadableImage:
            continue
        assert pixels.dtype.name == "uint8" and pixels.shape[2] == 3
