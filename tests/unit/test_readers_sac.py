"""Simulacra Aesthetic Captions as they are published, with each of their quirks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pasta_core.data.images import AbsentImage
from pasta_core.data.splits import HASHED, split_of
from pasta_core.errors import InvalidInput
from tests.support.data_sets import picture, read, write_files, write_sac, write_tar

PREFIX = "home/jdp/simulacra-aesthetic-captions/"
NASTY = 'a "cat" <of> | doubt?\nwith *stars*'
FILE = '3_a_"cat"_<of>_|_doubt?\nwith_*stars*_2.png'

TABLES = {
    "generations": [(3, 1, 2, NASTY, 1), (4, 1, 3, "a/b", 1), (5, 1, 3, None, 1)],
    "images": [(10, 3, 2), (11, 4, 1), (12, 4, 2), (13, 5, 1)],
    "paths": [(10, f"{PREFIX}{FILE}"), (11, f"{PREFIX}4_a_b_1.png"), (12, f"{PREFIX}4_a_b_2.png")],
    "ratings": [(7, 10, 10, 1), (7, 11, 1, 1), (8, 10, None, 1), (8, 11, 5, 1)],
}


def _write(folder: Path, tables: dict) -> Path:
    return write_sac(folder / "sac_public_2022_06_29.sqlite", tables)


@pytest.mark.parametrize("place", ["folder", "tar", "shortened"])
def test_ratings_wherever_the_images_lie(place: str, tmp_path: Path) -> None:
    _write(tmp_path, TABLES)
    files = {f"{PREFIX}{FILE}": picture(1), f"{PREFIX}4_a_b_1.png": picture(2)}
    if place == "tar":
        write_tar(tmp_path / "sac.tar", files)
    elif place == "shortened":
        write_files(tmp_path / "images", {"3_2.png": picture(1), "4_1.png": picture(2)})
    else:
        write_files(tmp_path / "sac", files)
    ratings, tally = read("sac", tmp_path)
    assert [(rating.rater, rating.prompt, rating.value) for rating in ratings] == [
        ("sac:7", NASTY, 1.0),
        ("sac:7", "a/b", 0.0),
        ("sac:8", "a/b", 4 / 9),
    ]
    assert [int(rating.image.open()[0, 0, 0]) for rating in ratings] == [1, 2, 2]
    assert tally.skipped == {"no rating": 1}


def test_missing_images_prompts_and_odd_ratings(tmp_path: Path) -> None:
    odd = [(7, 12, 3, 1), (7, 13, 3, 1), (7, 99, 3, 1), (7, 11, 11, 1), (7, 11, "good", 1), (None, 11, 6, 1)]
    _write(tmp_path, TABLES | {"ratings": odd})
    write_files(tmp_path, {"4_a_b_1.png": picture(2)})
    ratings, tally = read("sac", tmp_path)
    assert [(rating.rater, rating.group) for rating in ratings] == [(None, "sac:prompt:a/b")]
    assert tally.skipped == {"an image is missing": 1, "no prompt": 2, "a rating is not in 1 to 10": 2}


def test_two_paths_of_an_image_are_one_rating(tmp_path: Path) -> None:
    doubled = [*TABLES["paths"], (11, "elsewhere/4_a_b_1.png")]
    _write(tmp_path, TABLES | {"paths": doubled, "ratings": [(7, 11, 2, 1), (7, 11, 2, 1)]})
    assert len(read("sac", tmp_path)[0]) == 2


def test_without_images_they_are_named(tmp_path: Path) -> None:
    path = _write(tmp_path, TABLES)
    ratings, tally = read("sac", path)
    assert len(ratings) == 3 and isinstance(ratings[0].image, AbsentImage)
    assert any(note.startswith("there are no images") for note in tally.notes)


def test_nothing_is_written_beside_the_data_base(tmp_path: Path) -> None:
    path = _write(tmp_path, TABLES)
    before = path.read_bytes()
    path.chmod(0o444)
    read("sac", tmp_path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_raters_are_split_by_a_hash(tmp_path: Path) -> None:
    many = [(sid, 11, 5, 1) for sid in range(200)]
    _write(tmp_path, TABLES | {"ratings": many})
    found = {split: {rating.rater for rating in read("sac", tmp_path, split)[0]} for split in HASHED}
    assert sum(map(len, found.values())) == 200
    assert all(split_of(rater) == split for split, raters in found.items() for rater in raters)
    assert 10 <= len(found["test"]) <= 32 and 10 <= len(found["validation"]) <= 32


def test_what_is_not_sac_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.sqlite").write_text("not a data base at all, but long enough to have a header" * 20)
    with pytest.raises(InvalidInput, match="not the data base of SAC"):
        read("sac", tmp_path)
    (tmp_path / "text.sqlite").write_bytes(b"")
    with pytest.raises(InvalidInput, match="not the data base of SAC"):
        read("sac", tmp_path / "text.sqlite")


def test_a_schema_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = _write(tmp_path, TABLES)
    data = path.read_bytes()
    path.write_bytes(data.replace(b"CREATE TABLE ratings (sid", b"CREATE TABLE ratings (\x80i\n"))
    with pytest.raises(InvalidInput) as refused:
        read("sac", tmp_path)
    assert "\n" not in refused.value.message
