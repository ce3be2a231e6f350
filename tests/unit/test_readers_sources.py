"""Sources by name, our own trajectories as sessions, and what `pasta data check` says of all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.checking import check_source
from pasta_core.data.images import (
    AbsentImage,
    EncodedImage,
    FileImage,
    PixelImage,
    UnreadableImage,
    decode_image,
)
from pasta_core.data.records import Kind, Pair, Tally
from pasta_core.data.sources import open_source, parse_source, read_sources
from pasta_core.data.splits import split_of
from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord, write_trajectories
from pasta_core.domain import Candidate, Choice, Slate, TurnRating
from pasta_core.errors import InvalidInput
from tests.support.data_sets import comparison, picture, read, write_files, write_json, write_pickapic


def test_a_source_is_kind_path_and_weight() -> None:
    spec = parse_source("hpd:/data/hpd@0.5")
    assert (spec.kind, spec.path, spec.weight) == (Kind.HPD, Path("/data/hpd"), 0.5)
    assert str(spec) == "hpd:/data/hpd@0.5"
    assert parse_source("sac:a@b/c").path == Path("a@b/c")
    assert parse_source("sac:a:b").path == Path("a:b")
    assert parse_source("sac:runs@2@1").path == Path("runs@2")
    assert parse_source("sac:runs@-1").path == Path("runs@-1")
    assert parse_source("sac:runs@nan").weight == 1.0


@pytest.mark.parametrize("text", ["", "hpd", "hpd:", ":x", "hpdd:x", "HPD:x"])
def test_what_is_no_source_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_source(text)


def test_a_missing_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="there is no"):
        open_source(parse_source(f"hpd:{tmp_path / 'gone'}"))


def test_a_sources_weight_multiplies_its_records(tmp_path: Path) -> None:
    write_pickapic(tmp_path / "test-0-of-1.parquet", [comparison(0)])
    spec = replace(parse_source(f"pickapic:{tmp_path}"), weight=3.0)
    (pair,) = read_sources([spec], "test", Tally())
    assert pair.weight == 0.75


def _trajectory(name: str, user: str = "planted:sunny:3") -> TrajectoryRecord:
    embedding = np.arange(3, dtype=np.float32)
    columns = tuple(
        (ImageRecord(1, "ab" * 32, embedding), ImageRecord(2, "cd" * 32, None, picture(column)))
        for column in range(4)
    )
    turn = TurnRecord(
        number=1,
        candidates=tuple(Candidate(f"prompt {number}", f"category {number // 2}") for number in range(8)),
        slate=Slate((6, 0, 2, 4)),
        columns=columns,
        choice=Choice(2, "darker"),
        rating=TurnRating(1, (1, 2, 3, 4), 3),
    )
    return TrajectoryRecord(
        id=name,
        source="simulate",
        complete=True,
        user=user,
        profile="micro",
        selector="random",
        seed=1,
        initial_prompt="a cat",
        initial_images=(ImageRecord(3, "ef" * 32),),
        turns=(turn,),
    )


def test_trajectories_are_sessions(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.parquet", [_trajectory("x"), _trajectory("y", "person")])
    (record, own), tally = read("trajectories", tmp_path)
    assert record.rater == record.group == "planted:sunny:3" and own.rater == "person:a"
    turn = record.turns[0]
    assert turn.prompts == ("prompt 6", "prompt 0", "prompt 2", "prompt 4")
    assert (turn.choice, turn.critique, turn.rating) == (2, "darker", TurnRating(1, (1, 2, 3, 4), 3))
    kept, shown = turn.columns[3]
    assert isinstance(kept, AbsentImage) and kept.sha256 == "ab" * 32
    assert kept.embedding is not None and kept.embedding.tolist() == [0, 1, 2]
    assert isinstance(shown, EncodedImage) and shown.open()[0, 0, 0] == 3
    assert record.profile == "micro" and not tally.skipped
    assert [r.id for r in read("sessions", tmp_path, split_of("y"))[0] if r.rater == "person:a"] == ["y"]


def test_damaged_trajectories_are_counted(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.parquet", [_trajectory(str(number)) for number in range(40)])
    data = bytearray((tmp_path / "a.parquet").read_bytes())
    data[len(data) // 3 : len(data) // 3 + 400] = b"\xff" * 400
    (tmp_path / "a.parquet").write_bytes(data)
    records, tally = read("trajectories", tmp_path)
    assert len(records) < 40
    assert tally.skipped == {"the file is damaged from here on": 1}
    (tmp_path / "a.parquet").write_text("no Parquet")
    with pytest.raises(InvalidInput):
        read("trajectories", tmp_path)


def test_images_of_every_kind_have_one_identity(tmp_path: Path) -> None:
    data = picture(7)
    (tmp_path / "a.png").write_bytes(data)
    references = [
        FileImage("a", tmp_path / "a.png"),
        EncodedImage("b", data),
        PixelImage("c", np.full((6, 5, 3), 7, np.uint8)),
    ]
    assert len({image.sha256 for image in references}) == 1


@pytest.mark.parametrize("data", [b"", b"GIF89a", picture(1)[:50], b"\x89PNG\r\n\x1a\n" + b"\0" * 80])
def test_what_is_no_image_is_unreadable(data: bytes) -> None:
    with pytest.raises(UnreadableImage):
        decode_image(data)


def test_an_enormous_image_is_unreadable() -> None:
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("1", (20_000, 5_000)).save(buffer, "PNG")
    with pytest.raises(UnreadableImage, match="20000x5000"):
        decode_image(buffer.getvalue())


def test_a_report_counts_what_was_found(tmp_path: Path) -> None:
    rows = [comparison(number) for number in range(6)]
    rows[1] |= {"label_0": 0.5, "label_1": 0.5}
    rows[2]["has_label"] = False
    rows[3]["jpg_0"] = b"damaged"
    rows[4]["image_0_uid"] = "u0"
    write_pickapic(tmp_path / "test-00000-of-00001.parquet", rows)
    report = check_source(open_source(parse_source(f"pickapic:{tmp_path}")))
    assert report.labels == {"pairs": 5, "ties": 1}
    assert (report.prompts, report.raters) == (1, 2)
    assert (report.images, report.opened, report.unreadable) == (9, 8, 1)
    assert report.skipped == {"has_label is false": 1}
    unopened = check_source(open_source(parse_source(f"pickapic:{tmp_path}")), open_images=False)
    assert (unopened.images, unopened.opened, unopened.unreadable) == (9, 0, 0)


def _pasta(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pasta_tui", *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_check_on_the_command_line(tmp_path: Path) -> None:
    prompt = "a \x1b[31mred\x1b[0m cat"
    entry = {"human_preference": [1, 0], "prompt": prompt, "file_path": ["a.jpg", "b.jpg"]}
    write_json(tmp_path / "train.json", [entry, entry | {"file_path": ["a.jpg", "c.jpg"]}])
    write_files(tmp_path / "train", {"a.jpg": picture(1), "b.jpg": b"none"})
    people = _pasta("data", "check", f"hpd:{tmp_path}")
    assert people.returncode == 0
    assert "pairs: 1" in people.stdout and "unreadable images: 1" in people.stdout
    assert "skipped: 1 (an image is missing)" in people.stdout and "\x1b" not in people.stdout
    program = _pasta("data", "check", f"hpd:{tmp_path}", "--split", "train", "--json")
    report = json.loads(program.stdout)
    assert report["labels"] == {"pairs": 1, "ties": 0} and report["unreadable"] == 1
    wrong = _pasta("data", "check", f"sac:{tmp_path}")
    assert wrong.returncode == 2 and wrong.stderr.strip().splitlines()[-1].startswith("pasta: ")
    assert "Traceback" not in wrong.stderr


def test_checking_a_source_imports_no_model_library(tmp_path: Path) -> None:
    write_json(tmp_path / "test.json", [{"prompt": "p", "image_path": ["a", "b"], "rank": [1, 2]}])
    script = (
        "import sys; from pasta_core.data.checking import check_source;"
        "from pasta_core.data.sources import open_source, parse_source;"
        f"check_source(open_source(parse_source('hpd:{tmp_path}')));"
        "print([m for m in ('torch', 'open_clip', 'transformers') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_pairs_know_their_series() -> None:
    images = (AbsentImage("a"), AbsentImage("b"))
    assert Pair("p", images, 0.5, None, "g").series == ("g", "p")


@pytest.mark.parametrize(
    ("versions", "encoder"),
    [(json.dumps({"clip": "ab" * 32}), "ab" * 32), ('{"clip": 3}', ""), ("[]", ""), ("{", ""), ("{}", "")],
)
def test_the_encoder_of_embeddings_is_known_by_its_fingerprint(
    versions: str, encoder: str, tmp_path: Path
) -> None:
    write_trajectories(tmp_path / "a.parquet", [replace(_trajectory("x"), versions=versions)])
    (record,), _ = read("trajectories", tmp_path)
    assert record.encoder == encoder
