"""Damaged files of every kind: a reader counts what it cannot use, or refuses the file; it never crashes."""

from __future__ import annotations

import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pasta_core.data.embeddings import EmbeddingShelf
from pasta_core.data.embeddings_references import UNREADABLE
from pasta_core.data.embeddings_shards import Header
from pasta_core.data.images import UnreadableImage, decode_image
from pasta_core.data.json_stream import json_entries
from pasta_core.data.records import Tally, images_of
from pasta_core.data.sources import open_source, parse_source
from pasta_core.data.trajectories import write_trajectories
from pasta_core.domain import TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.training.session_labels import session_set
from tests.support.data_sets import (
    ASSETS,
    comparison,
    grid,
    odd_trajectory,
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


def _zip(folder: Path) -> Path:
    rows = "".join(json.dumps(session(number)) + "\n" for number in range(3)).encode()
    with zipfile.ZipFile(folder / "pasta.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {"a.jsonl": rows, **grid()}.items():
            archive.writestr(name, data)
    return folder / "pasta.zip"


def _trajectories(folder: Path) -> Path:
    path = folder / "a.parquet"
    write_trajectories(path, [odd_trajectory(str(number), png=picture(3)) for number in range(4)])
    return path


KINDS = {
    "sac": _sac,
    "hpd": _hpd,
    "pickapic": _pickapic,
    "pasta": _pasta,
    "pasta in a zip": _zip,
    "imagereward": _imagereward,
    "trajectories": _trajectories,
    "sessions": _trajectories,
}


@pytest.fixture(scope="module", params=list(KINDS))
def sample(request: pytest.FixtureRequest) -> Iterator[tuple[str, Path, Path]]:
    folder = Path(tempfile.mkdtemp())
    yield request.param.partition(" ")[0], folder, KINDS[request.param](folder)
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


_INDEX = st.integers(-9, 9)


@settings(max_examples=EXAMPLES)
@given(
    slate=st.lists(_INDEX, max_size=5),
    choice=_INDEX,
    preferred=_INDEX,
    scores=st.lists(_INDEX, max_size=5),
    sha256=st.sampled_from(["", "no hash", "AB" * 32, "g" * 64]) | st.text(max_size=70),
    png=st.none() | st.binary(max_size=20) | st.just(picture(3)),
)
def test_odd_trajectories_never_crash_a_reader(
    slate: list[int], choice: int, preferred: int, scores: list[int], sha256: str, png: bytes | None
) -> None:
    """Numbers that name nothing, hashes that are none: what is left can be embedded and learned from."""
    rating = TurnRating(preferred, tuple(scores), 3)
    odd = odd_trajectory("odd", tuple(slate), choice, rating, sha256, png)
    with tempfile.TemporaryDirectory() as name:
        write_trajectories(Path(name) / "a.parquet", [odd, odd_trajectory("whole")])
        count, _ = _drain("trajectories", Path(name))
        records = list(open_source(parse_source(f"trajectories:{name}"), ASSETS).records())
    assert count == 2 and len(records[1].turns) == 1
    shelf = EmbeddingShelf(Header("", "image", 3, "float32"), ())
    shelf.find([image.known_sha256 or UNREADABLE for record in records for image in images_of(record)])
    session_set(records)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=EXAMPLES * 2)
@given(kind=st.sampled_from(["hpd", "pasta", "imagereward"]), entry=st.integers(0, 2), data=st.data())
def test_odd_values_never_crash_a_reader(kind: str, entry: int, data: st.DataObject) -> None:
    """Any JSON value in the place of any field."""
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
