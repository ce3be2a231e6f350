"""HPD v2 and ImageReward's test set as they are published, with each of their quirks."""

from __future__ import annotations

from pathlib import Path

import pytest

from pasta_core.data.images import AbsentImage, UnreadableImage
from pasta_core.data.sources import open_source, parse_source
from pasta_core.errors import InvalidInput
from tests.support.data_sets import picture, read, write_files, write_json, write_tar

TRAIN = [
    {"human_preference": [1, 0], "prompt": "a", "file_path": ["00000001.jpg", "00000002.jpg"]},
    {"human_preference": [0, 1], "prompt": "a", "file_path": ["00000001.jpg", "00000003.jpg"]},
]
FILES = {f"0000000{number}.jpg": picture(number) for number in (1, 2, 3)}


@pytest.mark.parametrize("place", ["folder", "tar", "tar.gz", "zip"])
@pytest.mark.parametrize("key", ["file_path", "image_path"])
def test_pairs_wherever_the_images_lie(place: str, key: str, tmp_path: Path) -> None:
    renamed = [{key if name == "file_path" else name: value for name, value in row.items()} for row in TRAIN]
    write_json(tmp_path / "train.json", renamed)
    if place == "folder":
        write_files(tmp_path / "train", FILES)
    elif place == "zip":
        import zipfile

        with zipfile.ZipFile(tmp_path / "train.zip", "w") as archive:
            for name, data in FILES.items():
                archive.writestr(f"train/{name}", data)
    else:
        members = {f"./train/{name}": data for name, data in FILES.items()}
        write_tar(tmp_path / f"train.{place}", members, "w:gz" if place == "tar.gz" else "w")
    pairs, tally = read("hpd", tmp_path, "train")
    assert [pair.label for pair in pairs] == [1.0, 0.0]
    assert not tally.skipped
    assert list(tally.notes) == (
        [f"train.{place} is only read forwards: gunzip it once for speed"] * (place == "tar.gz")
    )
    assert {pair.group for pair in pairs} == {"hpd:prompt:a"} and pairs[0].rater is None
    opened = [[int(image.open()[0, 0, 0]) for image in pair.images] for pair in reversed(pairs)]
    assert opened == [[1, 3], [1, 2]]


def test_missing_and_corrupt_images(tmp_path: Path) -> None:
    write_json(tmp_path / "train.json", TRAIN)
    write_files(tmp_path / "train", {"00000001.jpg": FILES["00000001.jpg"][:20], "00000002.jpg": b""})
    pairs, tally = read("hpd", tmp_path)
    assert len(pairs) == 1 and tally.skipped == {"an image is missing": 1}
    for image in pairs[0].images:
        with pytest.raises(UnreadableImage):
            image.open()


def test_a_cut_archive_keeps_what_came_before(tmp_path: Path) -> None:
    write_json(tmp_path / "train.json", TRAIN)
    path = write_tar(tmp_path / "train.tar", {f"train/{name}": data for name, data in FILES.items()})
    path.write_bytes(path.read_bytes()[: 2 * 1024 + 100])
    pairs, tally = read("hpd", tmp_path)
    assert len(pairs) == 1 and "train.tar is cut short" in tally.notes
    assert tally.skipped == {"an image is missing": 1}
    path.write_bytes(b"no archive" * 200)
    with pytest.raises(InvalidInput, match="no tar archive"):
        read("hpd", tmp_path)


def test_names_never_lead_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(picture(1))
    entry = {
        "human_preference": [1, 0],
        "prompt": "a",
        "file_path": ["../secret.png", str(tmp_path / "secret.png")],
    }
    write_json(tmp_path / "hpd" / "train.json", [entry])
    (tmp_path / "hpd" / "train").mkdir()
    pairs, tally = read("hpd", tmp_path / "hpd")
    assert not pairs and tally.skipped == {"an image is missing": 1}


def test_labels_that_prefer_nothing(tmp_path: Path) -> None:
    bad = [[0, 0], [1, 1], [1], None, 1]
    rows = [TRAIN[0] | {"human_preference": preference} for preference in bad]
    write_json(tmp_path / "train.json", [*rows, {"human_preference": [1, 0], "prompt": None}, TRAIN[0]])
    pairs, tally = read("hpd", tmp_path)
    assert len(pairs) == 1 and isinstance(pairs[0].images[0], AbsentImage)
    assert tally.skipped == {"no preference for one of two images": 5, "no prompt": 1}
    assert any(note.startswith("there are no images") for note in tally.notes)


def _ranked(raw: list[list[int]]) -> dict[str, object]:
    return {
        "prompt": "p",
        "image_path": ["1.jpg", "2.jpg", "3.jpg", "4.jpg"],
        "rank": [3, 1, 4, 2],
        "raw_annotations": [{"rank": ranks, "user_hash": f"u{n}"} for n, ranks in enumerate(raw)],
    }


def test_rankings_averaged_and_of_each_annotator(tmp_path: Path) -> None:
    write_json(tmp_path / "test.json", [_ranked([[3, 1, 4, 2], [4, 1, 3, 2]])])
    rankings, tally = read("hpd", tmp_path, "test")
    assert [ranking.averaged for ranking in rankings] == [True, False, False]
    assert [ranking.rater for ranking in rankings] == [None, "hpd:u0", "hpd:u1"]
    assert rankings[0].ranks == (3.0, 1.0, 4.0, 2.0) and rankings[2].ranks == (4.0, 1.0, 3.0, 2.0)
    assert len({ranking.item for ranking in rankings}) == 1
    assert not tally.skipped


def test_annotations_that_are_orders_become_ranks(tmp_path: Path) -> None:
    # Best to worst: image 2, 4, 1, 3 — the inverse of the ranks 3, 1, 4, 2.
    write_json(tmp_path / "test.json", [_ranked([[2, 4, 1, 3], [2, 4, 3, 1]])])
    rankings, tally = read("hpd", tmp_path)
    assert rankings[1].ranks == (3.0, 1.0, 4.0, 2.0)
    assert rankings[2].ranks == (4.0, 1.0, 3.0, 2.0)
    assert any("best to worst" in note for note in tally.notes)


def test_older_copies_have_no_annotations_and_ranks_may_count_from_zero(tmp_path: Path) -> None:
    entry = _ranked([]) | {"rank": [2, 0, 3, 1]}
    del entry["raw_annotations"]
    write_json(tmp_path / "test.json", [entry])
    rankings, _ = read("hpd", tmp_path)
    assert [ranking.ranks for ranking in rankings] == [(3.0, 1.0, 4.0, 2.0)]


_MISFITS: list[object] = [
    [1, 2, 3],
    [1, 2, 3, 9],
    ["1", "2", "3", "4"],
    [],
    None,
    [1, float("nan"), 2, 3],
    [1, 2, 3, 10**400],
]


def test_ranks_that_do_not_fit(tmp_path: Path) -> None:
    rows = [_ranked([]) | {"rank": rank} for rank in _MISFITS]
    write_json(tmp_path / "test.json", [*rows, _ranked([[1, 2, 3]])])
    rankings, tally = read("hpd", tmp_path)
    assert len(rankings) == 1
    assert tally.skipped == {
        "the rank does not order its images": len(_MISFITS),
        "an annotator's rank does not order its images": 1,
    }


def test_a_cut_file_keeps_what_came_before(tmp_path: Path) -> None:
    path = write_json(tmp_path / "train.json", TRAIN * 30)
    text = path.read_text()
    path.write_text(text[: len(text) * 2 // 3])
    pairs, tally = read("hpd", tmp_path)
    assert 30 < len(pairs) < 45
    assert tally.skipped == {"the file is damaged from here on": 1}


@pytest.mark.parametrize("text", ["", "nonsense", "{", "[1, 2]", '[{"a": 1}]', "[]", "\x00\x01"])
def test_what_is_not_hpd_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(text)
    with pytest.raises(InvalidInput):
        read("hpd", tmp_path)


def test_a_folder_without_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="neither train"):
        open_source(parse_source(f"hpd:{tmp_path}"))


def test_imagereward_has_ties_and_gaps(tmp_path: Path) -> None:
    files = [f"part-000001/images/0001/{number}.webp" for number in range(4)]
    entries = [
        {"id": "000001", "prompt": "p", "generations": files, "ranking": [1, 2, 2, 5]},
        {"id": "000002", "prompt": "q", "generations": files[:3], "ranking": [2, 3, 3, 4]},
        {"id": "000003", "prompt": "r", "generations": [*files[:3], "gone.webp"], "ranking": [1, 2, 3, 4]},
        {"id": "000004", "prompt": "s", "generations": files, "ranking": [1, 2, 3, 0]},
    ]
    write_json(tmp_path / "data" / "test.json", entries)
    images = {f"images/{name}": picture(number, "WEBP") for number, name in enumerate(files)}
    write_files(tmp_path, images)
    rankings, tally = read("imagereward", tmp_path, "test")
    assert [ranking.ranks for ranking in rankings] == [(1.0, 2.0, 2.0, 5.0)]
    assert rankings[0].rater is None and rankings[0].group == "imagereward:000001"
    assert tally.skipped == {"the ranking does not fit its images": 2, "an image is missing": 1}
    assert rankings[0].images[3].open().shape == (6, 5, 3)


def test_imagereward_without_images_is_named_only(tmp_path: Path) -> None:
    entry = {"id": 1, "prompt": "p", "generations": ["a.webp", "b.webp"], "ranking": [2, 1]}
    rankings, _ = read("imagereward", write_json(tmp_path / "test.json", [entry]))
    assert all(isinstance(image, AbsentImage) for image in rankings[0].images)
    with pytest.raises(InvalidInput):
        read("imagereward", write_json(tmp_path / "other.json", [{"prompt": "p"}]))
