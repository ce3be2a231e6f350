"""Pick-a-Pic as it is published, with each of its quirks."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.images import AbsentImage, UnreadableImage
from pasta_core.data.sources import open_source, parse_source
from pasta_core.errors import InvalidInput
from tests.support.data_sets import comparison, picture, read, write_pickapic

SHARD = "test-00000-of-00001-ecef20a3469ae6e6.parquet"


def test_rows_are_pairs(tmp_path: Path) -> None:
    write_pickapic(tmp_path / "data" / SHARD, [comparison(number) for number in range(20)])
    pairs, tally = read("pickapic", tmp_path, "test")
    assert len(pairs) == 20 and not tally.skipped
    pair = pairs[13]
    assert (pair.prompt, pair.label, pair.rater, pair.group) == ("a cat", 1.0, "pickapic:3", "pickapic:3")
    assert pair.weight == 0.25
    assert [image.name for image in pair.images] == ["pickapic:u13", "pickapic:v13"]
    assert pair.order == 1_700_000_000_000_000 and pair.series == ("pickapic:3", "a cat")


def test_images_open_in_any_order_and_whatever_they_are_called(tmp_path: Path) -> None:
    write_pickapic(tmp_path / SHARD, [comparison(number) for number in range(40)])
    pairs, _ = read("pickapic", tmp_path)
    for number in (0, 39, 3, 17, 16, 15):
        assert pairs[number].images[0].open()[0, 0, 0] == number
        assert abs(int(pairs[number].images[1].open()[0, 0, 0]) - number - 100) <= 2
    image = pairs[5].images[0]
    assert image.sha256 == hashlib.sha256(np.full((6, 5, 3), 5, np.uint8).tobytes()).hexdigest()
    assert sorted(pair.images[0].locality for pair in pairs) == [pair.images[0].locality for pair in pairs]


def test_ties_unlabelled_rows_and_nonsense(tmp_path: Path) -> None:
    rows = [
        comparison(0, label_0=0.5, label_1=0.5, best_image_uid="none"),
        comparison(1, label_0=0.0, label_1=1.0),
        comparison(2, has_label=False),
        comparison(3, label_0=0.0, label_1=0.0),
        comparison(4, label_0=float("nan"), label_1=float("nan")),
        comparison(5, caption="  "),
        comparison(6, caption=None),
    ]
    write_pickapic(tmp_path / SHARD, rows)
    pairs, tally = read("pickapic", tmp_path)
    assert [(pair.label, pair.tie) for pair in pairs] == [(0.5, True), (0.0, False)]
    assert tally.skipped == {
        "has_label is false": 1,
        "the labels are neither a win nor a tie": 2,
        "no caption": 2,
    }


def test_apostrophes_come_back(tmp_path: Path) -> None:
    write_pickapic(tmp_path / SHARD, [comparison(0, caption="a cat[single_quote]s paw")])
    assert read("pickapic", tmp_path)[0][0].prompt == "a cat's paw"


def test_the_edition_without_images(tmp_path: Path) -> None:
    row = {key: value for key, value in comparison(0).items() if not key.startswith("jpg")}
    write_pickapic(tmp_path / SHARD, [row])
    pairs, tally = read("pickapic", tmp_path)
    assert isinstance(pairs[0].images[0], AbsentImage)
    assert "the images are not part of this edition" in tally.notes
    with pytest.raises(UnreadableImage):
        pairs[0].images[0].open()


def test_fewer_columns_still_make_pairs(tmp_path: Path) -> None:
    wanted = ("caption", "image_0_uid", "image_1_uid", "label_0")
    row = {key: value for key, value in comparison(0).items() if key in wanted}
    write_pickapic(tmp_path / SHARD, [row])
    pairs, tally = read("pickapic", tmp_path)
    assert pairs[0].rater is None and pairs[0].group == "pickapic:prompt:a cat"
    assert any("user_id" in note for note in tally.notes)


def test_images_in_a_struct_as_hugging_face_writes_them(tmp_path: Path) -> None:
    rows = [
        comparison(number, jpg_0={"bytes": picture(number), "path": None}, jpg_1={"bytes": None, "path": "x"})
        for number in range(3)
    ]
    write_pickapic(tmp_path / SHARD, rows)
    pairs, _ = read("pickapic", tmp_path)
    assert pairs[2].images[0].open()[0, 0, 0] == 2
    with pytest.raises(UnreadableImage):
        pairs[2].images[1].open()


def test_splits_come_from_the_shards_names(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test", "test_unique")):
        write_pickapic(tmp_path / f"{split}-00000-of-00001-ab.parquet", [comparison(number)])
    everything, tally = read("pickapic", tmp_path)
    assert [pair.images[0].name for pair in everything] == ["pickapic:u0", "pickapic:u1"]
    assert any(note.startswith("test_unique repeats") for note in tally.notes)
    assert [pair.images[0].name for pair in read("pickapic", tmp_path, "test_unique")[0]] == ["pickapic:u2"]
    with pytest.raises(InvalidInput, match='no split "validation"'):
        read("pickapic", tmp_path, "validation")


def test_a_damaged_row_group_is_counted_and_the_others_are_read(tmp_path: Path) -> None:
    path = write_pickapic(tmp_path / SHARD, [comparison(number) for number in range(24)])
    import pyarrow.parquet as pq

    place = pq.ParquetFile(path).metadata.row_group(1).column(2).data_page_offset
    data = bytearray(path.read_bytes())
    data[place : place + 40] = b"\xff" * 40
    path.write_bytes(data)
    pairs, tally = read("pickapic", tmp_path)
    assert len(pairs) == 16
    assert tally.skipped["damaged Parquet pages"] == 8


def test_what_is_not_pickapic_is_refused(tmp_path: Path) -> None:
    write_pickapic(tmp_path / "other" / "a.parquet", [{"text": "x"}])
    with pytest.raises(InvalidInput, match="lacks the column caption"):
        read("pickapic", tmp_path / "other")
    (tmp_path / "text.parquet").write_text("not Parquet")
    with pytest.raises(InvalidInput, match="no Parquet"):
        read("pickapic", tmp_path / "text.parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no Parquet files"):
        read("pickapic", tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("default/test/0000.parquet", "test"),
        ("default/partial-train/0000.parquet", "train"),
        ("val-00000.parquet", "validation"),
        ("pickapic_test-0.parquet", "test"),
        ("testing-00.parquet", "test"),
        ("Test_unique-0.parquet", "test_unique"),
        ("test/validation-0.parquet", "validation"),
    ],
)
def test_a_split_is_in_the_name_or_the_folder(name: str, split: str, tmp_path: Path) -> None:
    path = write_pickapic(tmp_path / "data" / name, [comparison(0)])
    for root in (tmp_path / "data", path.parent, path):
        assert open_source(parse_source(f"pickapic:{root}")).splits == (split,)


@pytest.mark.parametrize("name", ["0000.parquet", "latest-0.parquet", "train-and-test.parquet"])
def test_a_shard_of_no_split_is_refused(name: str, tmp_path: Path) -> None:
    write_pickapic(tmp_path / "data" / name, [comparison(0)])
    with pytest.raises(InvalidInput, match="does not say which split"):
        read("pickapic", tmp_path / "data")


def test_labels_that_are_words_are_counted(tmp_path: Path) -> None:
    row = comparison(0, label_0="left")
    del row["label_1"]
    write_pickapic(tmp_path / SHARD, [row])
    pairs, tally = read("pickapic", tmp_path)
    assert not pairs and tally.skipped == {"the labels are neither a win nor a tie": 1}
