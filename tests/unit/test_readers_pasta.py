"""PASTA sessions in every layout that is recognised, through the field map."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pasta_core.data import archives
from pasta_core.data.field_map import FieldMap
from pasta_core.data.images import UnreadableImage
from pasta_core.data.records import SessionRecord, Tally, images_of
from pasta_core.data.sources import open_source, parse_source
from pasta_core.data.splits import split_of
from pasta_core.domain import Comparison, TurnRating
from pasta_core.errors import InvalidInput
from tests.support.data_sets import ASSETS, grid, picture, read, session, write_files, write_json, write_tar

MAP = ASSETS / "field-maps" / "pasta.toml"


def _lines(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _flat(entry: dict[str, Any]) -> list[dict[str, Any]]:
    """A session as one row per turn."""
    shared = {key: value for key, value in entry.items() if key != "turns"}
    return [shared | turn for turn in entry["turns"]]


def _wide(entry: dict[str, Any]) -> dict[str, Any]:
    """A session as one row, its turns' fields numbered, their columns and images too."""
    row = {key: value for key, value in entry.items() if key != "turns"}
    for turn in entry["turns"]:
        for key, value in turn.items():
            if key == "images":
                for column, images in enumerate(value, 1):
                    for index, image in enumerate(images, 1):
                        row[f"turn_{turn['turn']}_image_{column}_{index}"] = image
            elif key in ("prompts", "column_scores"):
                for column, cell in enumerate(value, 1):
                    row[f"turn_{turn['turn']}_{key}_{column}"] = cell
            else:
                row[f"turn_{turn['turn']}_{key}"] = value
    return row


def _check(records: list, base: int = 1) -> None:
    assert [record.id for record in records] == ["pasta:s0", "pasta:s1"]
    for number, record in enumerate(records):
        assert isinstance(record, SessionRecord)
        assert record.initial_prompt == "an egyptian temple" and record.complete
        assert record.rater == record.group == f"pasta:r{number}"
        assert [turn.number for turn in record.turns] == [1, 2, 3, 4, 5]
        assert [turn.choice for turn in record.turns] == [(turn + number) % 4 for turn in range(5)]
        turn = record.turns[1]
        assert turn.prompts == ("temple 0", "temple 1", "temple 2", "temple 3")
        shades = [[int(image.open()[0, 0, 0]) for image in column] for column in turn.columns]
        assert shades == [[16 * column + index for index in range(4)] for column in range(4)]
        assert turn.rating == TurnRating((1 + number) % 4, (1, 2, 3, 5), 4, Comparison.BETTER, "sharp")
        assert record.turns[0].rating is not None and record.turns[0].rating.comparison is None


@pytest.mark.parametrize("base", [0, 1])
@pytest.mark.parametrize("layout", ["list", "lines", "by id", "in a list", "flat", "wide", "gzip"])
def test_layouts(layout: str, base: int, tmp_path: Path) -> None:
    sessions = [session(number, base=base) for number in range(2)]
    write_files(tmp_path, grid())
    if layout == "list":
        write_json(tmp_path / "a.json", sessions)
    elif layout == "lines":
        _lines(tmp_path / "a.jsonl", sessions)
    elif layout == "by id":
        write_json(tmp_path / "a.json", {entry.pop("session_id"): entry for entry in sessions})
    elif layout == "in a list":
        write_json(tmp_path / "a.json", {"sessions": sessions})
    elif layout == "flat":
        _lines(tmp_path / "a.jsonl", [row for entry in sessions for row in _flat(entry)])
    elif layout == "wide":
        _lines(tmp_path / "a.jsonl", [_wide(entry) for entry in sessions])
    else:
        text = "".join(json.dumps(entry) + "\n" for entry in sessions)
        (tmp_path / "data.bin").write_bytes(gzip.compress(text.encode()))
    records, tally = read("pasta", tmp_path)
    _check(records)
    assert f"columns count from {base}" in tally.notes
    assert not tally.skipped


def test_a_table_of_turns_as_csv(tmp_path: Path) -> None:
    rows = [row for number in range(2) for row in _flat(session(number))]
    cells = [
        {key: json.dumps(value) if isinstance(value, list) else value for key, value in row.items()}
        for row in rows
    ]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, list(cells[0]))
    writer.writeheader()
    writer.writerows(cells)
    (tmp_path / "turns.csv").write_text(buffer.getvalue() + "too,few,cells\n")
    write_files(tmp_path / "images", grid())
    records, tally = read("pasta", tmp_path)
    _check(records)
    assert tally.skipped == {"a CSV row has too few or too many cells": 1}


@pytest.mark.parametrize("archive", ["zip", "tar"])
def test_one_archive_of_everything(archive: str, tmp_path: Path) -> None:
    lines = "".join(json.dumps(session(number)) + "\n" for number in range(2)).encode()
    members = {"pasta/sessions.jsonl": lines, **{f"pasta/img/{name}": data for name, data in grid().items()}}
    path = tmp_path / "archive"
    if archive == "zip":
        with zipfile.ZipFile(path, "w") as file:
            for name, data in members.items():
                file.writestr(name, data)
    else:
        write_tar(path, members)
    _check(read("pasta", path)[0])


def test_parquet_with_images_in_its_rows(tmp_path: Path) -> None:
    pictures = grid()
    sessions = [session(number) for number in range(2)]
    for entry in sessions:
        for turn in entry["turns"]:
            turn["images"] = [[{"bytes": pictures[name]} for name in column] for column in turn["images"]]
    pq.write_table(pa.Table.from_pylist(sessions), tmp_path / "part-0.parquet")
    _check(read("pasta", tmp_path)[0])


def test_columns_as_tables_and_flat_lists_of_images(tmp_path: Path) -> None:
    first, second = session(0), session(1)
    for turn in first["turns"]:
        images, scores, prompts = (turn.pop(key) for key in ("images", "column_scores", "prompts"))
        turn["columns"] = [
            {"prompt": prompt, "images": column, "score": score}
            for prompt, column, score in zip(prompts, images, scores, strict=True)
        ]
    for turn in second["turns"]:
        turn["images"] = [image for column in turn["images"] for image in column]
    write_files(tmp_path, grid())
    _check(read("pasta", _lines(tmp_path / "a.jsonl", [first, second]))[0])


def test_other_names_are_found_without_case_and_separators(tmp_path: Path) -> None:
    renamed = {"session_id": "Session ID", "rater_id": "workerId", "initial_prompt": "Initial-Prompt"}
    inner = {"choice": "ChosenColumn", "images": "Image Paths", "score": "Turn Satisfaction"}
    entries = []
    for number in range(2):
        entry = {renamed.get(key, key): value for key, value in session(number).items()}
        entry["turns"] = [
            {inner.get(key, key): value for key, value in turn.items()} for turn in entry["turns"]
        ]
        entries.append(entry | {"weather": "fair"})
    write_files(tmp_path, grid())
    records, tally = read("pasta", _lines(tmp_path / "a.jsonl", entries))
    _check(records)
    notes = list(tally.notes)
    assert any("turn.choice from ChosenColumn" in note for note in notes)
    assert "not understood: weather (2)" in notes


def test_turns_that_cannot_be_used(tmp_path: Path) -> None:
    entry = session(0)
    del entry["turns"][0]["choice"]
    entry["turns"][1]["choice"] = 9
    entry["turns"][2]["images"][0][0] = "gone.png"
    entry["turns"][3] |= {"column_scores": [1, 2, 3, 9], "comparison": "meh"}
    entry["turns"][3] |= {"preferred": None, "score": None, "rationale": None}
    promptless = session(1) | {"initial_prompt": " "}
    hopeless = session(2, turns=1)
    hopeless["turns"][0]["choice"] = None
    write_files(tmp_path, grid())
    records, tally = read("pasta", _lines(tmp_path / "a.jsonl", [entry, promptless, hopeless, session(3)]))
    first = records[0]
    assert [turn.number for turn in first.turns] == [4, 5] and first.complete
    assert first.turns[0].rating is not None
    assert first.turns[0].rating.column_scores == () and first.turns[0].rating.score == 0
    assert tally.skipped == {
        "a turn's choice is missing or out of range": 3,
        "an image is missing": 1,
        "a score is not in 1 to 5": 1,
        "a comparison of turns is not understood": 1,
        "a session has no initial prompt": 1,
        "a session has no turn that can be used": 1,
    }


def test_an_abandoned_session_is_not_complete(tmp_path: Path) -> None:
    write_files(tmp_path, grid())
    records, _ = read("pasta", _lines(tmp_path / "a.jsonl", [session(0, turns=3), session(1)]))
    assert [(len(record.turns), record.complete) for record in records] == [(3, False), (5, True)]


def test_sessions_without_names_are_told_apart(tmp_path: Path) -> None:
    entries = [session(number) for number in range(2)]
    for entry in entries:
        del entry["session_id"], entry["rater_id"]
        entry["trajectory"] = entry.pop("turns")
    write_files(tmp_path, grid())
    records, _ = read("pasta", _lines(tmp_path / "a.jsonl", entries))
    assert [(record.id, record.rater, record.group) for record in records] == [
        ("pasta:1", None, "pasta:1"),
        ("pasta:2", None, "pasta:2"),
    ]


def test_a_changed_choice_stays_both(tmp_path: Path) -> None:
    entry = session(0)
    entry["turns"][0]["preferred"] = 3
    write_files(tmp_path, grid())
    turn = read("pasta", _lines(tmp_path / "a.jsonl", [entry]))[0][0].turns[0]
    assert (turn.choice, turn.rating.preferred) == (0, 2)


def test_columns_may_be_letters_or_words(tmp_path: Path) -> None:
    entry = session(0)
    for turn, choice in zip(entry["turns"], ("A", "d", "Column 4", "2", 1.0), strict=True):
        turn["choice"] = choice
    write_files(tmp_path, grid())
    record = read("pasta", _lines(tmp_path / "a.jsonl", [entry]))[0][0]
    assert [turn.choice for turn in record.turns] == [0, 3, 3, 1, 0]


def test_an_ambiguous_base_is_asked_for(tmp_path: Path) -> None:
    entry = session(0, turns=2)
    entry["turns"][0]["choice"], entry["turns"][1]["choice"] = 2, 3
    write_files(tmp_path, grid())
    path = _lines(tmp_path / "a.jsonl", [entry])
    with pytest.raises(InvalidInput, match="count from 0 or from 1"):
        read("pasta", path)
    (tmp_path / "field-map.toml").write_text(MAP.read_text().replace('index_base = "auto"', "index_base = 0"))
    assert [turn.choice for turn in read("pasta", path)[0][0].turns] == [2, 3]


def test_sessions_without_a_rater_are_their_own_group_and_split(tmp_path: Path) -> None:
    entries = [session(number) for number in range(30)]
    for entry in entries:
        del entry["rater_id"]
    entries[0]["split"] = "validation"
    write_files(tmp_path, grid())
    path = _lines(tmp_path / "a.jsonl", entries)
    found = {
        record.id: split
        for split in ("train", "validation", "test")
        for record in read("pasta", path, split)[0]
    }
    assert len(found) == 30 and found["pasta:s0"] == "validation"
    assert all(split == split_of(name) for name, split in found.items() if name != "pasta:s0")


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "sessions.pkl").write_bytes(b"\x80\x04\x95junk")
    with pytest.raises(InvalidInput, match="a pickle, which is never read"):
        read("pasta", tmp_path)
    (tmp_path / "shard.tfrecord-00000").write_bytes(b"\x10\0\0\0\0\0\0\0abcd")
    _lines(tmp_path / "a.jsonl", [session(0)])
    write_files(tmp_path, grid())
    records, tally = read("pasta", tmp_path)
    assert len(records) == 1
    assert {note.split(" is ")[0] for note in tally.notes if " is " in note} == {
        "sessions.pkl",
        "shard.tfrecord-00000",
    }


@pytest.mark.parametrize("text", ["", "hello", '{"a": 1}\n', "a,b,c\n1,2,3\n", "[]"])
def test_rows_that_are_no_sessions_are_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InvalidInput):
        read("pasta", tmp_path)


def test_turns_apart_from_their_session_are_counted(tmp_path: Path) -> None:
    rows = [*_flat(session(0))[:4], *_flat(session(1)), _flat(session(0))[4]]
    write_files(tmp_path, grid())
    records, tally = read("pasta", _lines(tmp_path / "a.jsonl", rows))
    assert [len(record.turns) for record in records] == [4, 5]
    assert tally.skipped == {"a turn lies apart from its session's others": 1}


@pytest.mark.parametrize(
    "text",
    [
        "[session]\nnickname = ['a']\n",
        "[layout]\nindex_base = 7\n",
        "[session]\nid = 'a'\n",
        "nonsense",
        "[other]\n",
    ],
)
def test_a_wrong_field_map_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "field-map.toml"
    path.write_text(text)
    with pytest.raises(InvalidInput):
        FieldMap.load(path)


def test_images_of_sixteen_by_rows(tmp_path: Path) -> None:
    entry = session(0)
    for turn in entry["turns"]:
        turn["images"] = [turn["images"][column][index] for index in range(4) for column in range(4)]
    (tmp_path / "field-map.toml").write_text(
        MAP.read_text().replace('image_order = "columns"', 'image_order = "rows"')
    )
    write_files(tmp_path, grid() | {"README.md": picture(0)})
    columns = read("pasta", _lines(tmp_path / "a.jsonl", [entry]).parent)[0][0].turns[0].columns
    assert [image.name for image in columns[2]] == ["20.png", "21.png", "22.png", "23.png"]


def test_a_published_split_holds_in_any_usual_word(tmp_path: Path) -> None:
    words = {"val": "validation", "Test": "test", " EVAL": "validation", "Training": "train", "s3": None}
    entries = [session(number) | {"split": word} for number, word in enumerate(words)]
    write_files(tmp_path, grid())
    path = _lines(tmp_path / "a.jsonl", entries)
    for number, split in enumerate(words.values()):
        found = [
            name
            for name in ("train", "validation", "test")
            if f"pasta:s{number}" in {record.id for record in read("pasta", path, name)[0]}
        ]
        assert found == ([] if split is None else [split])
    _, tally = read("pasta", path)
    assert tally.skipped == {"a session's split is not understood": 1}
    assert any("s3" in note for note in tally.notes)


@pytest.mark.parametrize("form", ["zip", "tar"])
def test_images_of_the_same_name_in_different_folders_are_told_apart(form: str, tmp_path: Path) -> None:
    entries = []
    for number in range(2):
        entry = session(number)
        for turn in entry["turns"]:
            turn["images"] = [[f"s{number}/{name}" for name in column] for column in turn["images"]]
        entries.append(entry)
    _lines(tmp_path / "a.jsonl", entries)
    members = {f"all/s{number}/{name}": picture(100 * number) for number in range(2) for name in grid()}
    if form == "zip":
        with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        write_tar(tmp_path / "images.tar", members)
    records, _ = read("pasta", tmp_path)
    shades = [{int(image.open()[0, 0, 0]) for image in images_of(record)} for record in records]
    assert shades == [{0}, {100}]


@pytest.mark.parametrize("form", ["zip", "tar", "tar.gz"])
def test_only_images_may_not_be_large(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "LARGEST_MEMBER", 1000)
    rows = "".join(json.dumps(session(number)) + "\n" for number in range(2)).encode()
    members = {"a.jsonl": rows, **grid(), "00.png": picture(0) + bytes(2000)}
    path = tmp_path / f"all.{form}"
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
    else:
        write_tar(path, members, "w:gz" if form == "tar.gz" else "w")
    records, tally = read("pasta", path)
    assert len(records) == 2 and not tally.skipped
    images = [image for image in images_of(records[0]) if image.name != "00.png"]
    assert {int(image.open()[0, 0, 0]) for image in images} == {
        16 * column + index for column in range(4) for index in range(4)
    } - {0}
    with pytest.raises(UnreadableImage, match="too large"):
        next(images_of(records[0])).open()


@pytest.mark.parametrize("damage", ["checksum", "data", "method"])
def test_a_damaged_member_of_a_zip_is_counted(damage: str, tmp_path: Path) -> None:
    rows = "".join(json.dumps(session(number)) + "\n" for number in range(400)).encode()
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**grid(), "a.jsonl": rows}.items():
            archive.writestr(name, data)
        info = archive.getinfo("a.jsonl")
    data = bytearray(path.read_bytes())
    start = info.header_offset + 30 + len("a.jsonl")
    central = data.rindex(b"PK\x01\x02")
    if damage == "checksum":
        data[central + 16] ^= 0xFF
    elif damage == "data":
        place = start + info.compress_size - 60
        data[place : place + 40] = b"\xff" * 40
    else:
        data[central + 10] = data[info.header_offset + 8] = 97
    path.write_bytes(data)
    tally = Tally()
    with pytest.raises(InvalidInput, match="damaged" if damage == "method" else "holds no sessions"):
        list(open_source(parse_source(f"pasta:{path}"), ASSETS).records(None, tally))
    assert tally.skipped["the file is damaged from here on"] == (damage != "method")
