"""Tastes on the disk: what is written is read, what is wrong is refused in one line, and nothing is lost."""

from __future__ import annotations

import fcntl
import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pasta_core.errors import InvalidInput, ModelUnavailable, StorageError
from pasta_core.users.taste_files import read_taste, taste_bytes, write_taste
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_picks import Pick
from pasta_core.users.taste_record import NO_TASTE, TasteRecord
from pasta_core.users.taste_shelf import DEFAULT, TasteShelf
from pasta_core.users.taste_space_files import SPACE_FILE, load_space, save_space, space_beside
from tests.support.tastes import START, World

WORLD = World.drawn(2)


def kept(pick: Pick) -> Pick:
    """In the precision of the file, as every pick is that comes from a session."""
    half = {
        name: None if (rows := getattr(pick, name)) is None else rows.astype(np.float16).astype(np.float32)
        for name in ("images", "texts", "critique_text")
    }
    return replace(pick, **half)


PICKS = tuple(
    kept(pick)
    for pick in (
        WORLD.pick("a red train", 1),
        WORLD.pick("a red train", 2, chosen=(1, 3)),
        WORLD.pick("a red train", 3, chosen=(), outside=True, columns=2),
        WORLD.pick("a cat 猫", 1, critique="make it night"),
    )
)
RECORD = TasteRecord(PICKS, "clip-1", 0.5, 30.0)


def same(one: TasteRecord, other: TasteRecord) -> bool:
    return taste_bytes(one) == taste_bytes(other)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    for number, record in enumerate((RECORD, TasteRecord(), TasteRecord(half_life_days=None))):
        file = tmp_path / f"{number}.json"
        write_taste(record, file)
        assert same(read_taste(file), record)
    assert read_taste(tmp_path / "0.json").picks[0].key == ("a cat 猫", 1, 0), "in their own order"
    again = {pick.key: pick for pick in read_taste(tmp_path / "0.json").picks}
    for pick in PICKS:
        for name in ("session", "turn", "when", "prompts", "chosen", "outside", "critique"):
            assert getattr(again[pick.key], name) == getattr(pick, name)
        assert np.array_equal(again[pick.key].images, pick.images)


def changed(change: Callable[[dict[str, Any]], object]) -> bytes:
    document = json.loads(taste_bytes(RECORD))
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is no taste"),
        (b"[1, 2]", "is no taste"),
        (b'{"format": "something"}', "is no taste"),
        (taste_bytes(RECORD)[:-500], "cut short"),
        (changed(lambda it: it.update(version=3)), "version 3"),
        (changed(lambda it: it.update(version="x")), 'version "x"'),
        (changed(lambda it: it.update(strength=1.0)), "changed by hand"),
        (changed(lambda it: it["picks"][0].update(chosen=[1])), "changed by hand"),
        (changed(lambda it: it["picks"].pop()), "changed by hand"),
        (changed(lambda it: it.pop("sha256")), "changed by hand"),
    ],
)
def test_what_is_no_taste_is_refused_in_one_line(tmp_path: Path, data: bytes, said: str) -> None:
    file = tmp_path / "taste.json"
    file.write_bytes(data)
    with pytest.raises(InvalidInput, match=said) as caught:
        read_taste(file)
    assert str(file) in caught.value.message and "\n" not in caught.value.message
    assert caught.value.hint


DAMAGE = [
    b"",
    b"{}",
    taste_bytes(RECORD)[:-500],
    changed(lambda it: it.update(version="x")),
    changed(lambda it: it.update(strength=1.0)),
]


@pytest.mark.parametrize("data", DAMAGE)
def test_what_mends_a_damaged_taste_empties_no_other(tmp_path: Path, data: bytes) -> None:
    shelf = TasteShelf(tmp_path)
    shelf.folder.mkdir()
    for name in (DEFAULT, "work"):
        shelf.path(name).write_bytes(data)
        with pytest.raises(InvalidInput) as caught:
            shelf.read(name)
        assert f"'pasta taste reset {name}'" in caught.value.hint
    # what lies elsewhere is no taste that could be reset
    copy = tmp_path / "copy.taste.json"
    copy.write_bytes(data)
    with pytest.raises(InvalidInput) as caught:
        read_taste(copy)
    assert "export" in caught.value.hint and "reset" not in caught.value.hint


def test_a_newer_taste_asks_for_a_newer_pasta_wherever_it_lies(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path)
    shelf.create("work", RECORD)
    shelf.path("work").write_bytes(changed(lambda it: it.update(version=3)))
    with pytest.raises(InvalidInput) as caught:
        shelf.read("work")
    assert caught.value.hint == "update pasta"


def resealed(change: Callable[[dict[str, Any]], object]) -> bytes:
    """A file that another program has made, with its own seal."""
    document = json.loads(taste_bytes(RECORD))
    del document["sha256"]
    change(document)
    whole = json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    seal = hashlib.sha256(whole.encode("utf-8", "surrogatepass")).hexdigest()
    return json.dumps({**document, "sha256": seal}).encode()


@pytest.mark.parametrize(
    "change",
    [
        lambda it: it["picks"][0].update(turn=float("inf")),
        lambda it: it["picks"][0].update(chosen=[float("inf")]),
        lambda it: it["picks"][0].update(critique="\ud800"),
        lambda it: it["picks"][0]["prompts"].append("\udcff"),
        lambda it: it.update(clip="\ud800"),
        lambda it: it.update(clip=["clip-1"]),
        lambda it: it.update(strength=10**400),
        lambda it: it.update(strength=float("nan")),
        lambda it: it.update(half_life_days=10**400),
        lambda it: it.update(half_life_days=1e-300),
        lambda it: it["picks"][0].update(session="\x1b]0;obeyed\x07"),
        lambda it: it["picks"][0].update(session="two\nlines"),
        lambda it: it["picks"][0].update(session=""),
        lambda it: it.pop("picks"),
    ],
)
def test_numbers_and_texts_that_no_taste_has_are_refused_in_one_line(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    file = tmp_path / "taste.json"
    file.write_bytes(resealed(change))
    with pytest.raises(InvalidInput) as caught:
        read_taste(file)
    assert str(file) in caught.value.message and "\n" not in caught.value.message
    assert len(caught.value.message) < len(str(file)) + 200
    file.write_bytes(resealed(lambda it: None))
    assert same(read_taste(file), RECORD)


@given(st.binary(max_size=60), st.integers(0, 5000))
def test_no_bytes_raise_anything_else(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int
) -> None:
    file = tmp_path_factory.mktemp("taste") / "taste.json"
    whole = bytearray(taste_bytes(RECORD))
    whole[place : place + len(noise)] = noise
    file.write_bytes(whole)
    try:
        assert same(read_taste(file), RECORD)
    except InvalidInput:
        assert bytes(whole) != taste_bytes(RECORD)


# the record


def test_a_session_goes_by_picks_of_others_that_were_made_before_it() -> None:
    began = START + timedelta(days=2, hours=1)
    kept = RECORD.kept(began, "a cat 猫")
    assert [pick.key for pick in kept.picks] == [("a red train", 1, 0), ("a red train", 2, 0)]
    assert kept.weights == pytest.approx([0.5 * 0.5 ** (25 / 24 / 30), 0.5 * 0.5 ** (1 / 24 / 30)])
    assert replace(RECORD, strength=0.0).kept(began) is NO_TASTE


def test_a_session_is_replaced_and_forgotten_whole() -> None:
    other = kept(WORLD.pick("a red train", 1, chosen=(2,)))
    updated = RECORD.with_session("a red train", [other], "clip-1")
    assert [pick.key for pick in updated.picks] == [("a cat 猫", 1, 0), ("a red train", 1, 0)]
    assert updated.picks[1].chosen == (2,)
    emptied = updated.without("a red train").without("a cat 猫")
    assert same(emptied, TasteRecord(strength=0.5, half_life_days=30.0))
    assert same(
        emptied.with_session("a red train", PICKS[:3], "other"),
        replace(RECORD, picks=PICKS[:3], clip="other"),
    )


def test_another_clip_s_picks_are_not_mixed_in() -> None:
    foreign = TasteRecord(PICKS[:1], "clip-2")
    for attempt in (
        lambda: RECORD.union(foreign),
        lambda: RECORD.with_session("x", PICKS[:1], "clip-2"),
        lambda: TasteRecord(PICKS),
        lambda: TasteRecord((), "clip-1"),
        lambda: TasteRecord(strength=1.5),
        lambda: TasteRecord(half_life_days=0.0),
    ):
        with pytest.raises(InvalidInput):
            attempt()
    assert same(RECORD.union(TasteRecord()), RECORD)
    assert same(TasteRecord().union(replace(foreign, strength=1.0)), TasteRecord(PICKS[:1], "clip-2"))


# the shelf


def test_a_shelf_makes_nothing_until_something_is_kept(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path)
    assert shelf.in_use == DEFAULT and shelf.names() == (DEFAULT,)
    assert same(shelf.read(DEFAULT), TasteRecord())
    assert not shelf.folder.exists()
    shelf.update(DEFAULT, lambda record: record.with_session("a", PICKS[:1], "clip-1"))
    assert len(shelf.read(DEFAULT).picks) == 1


def test_tastes_are_made_used_and_emptied(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path)
    shelf.create("work", RECORD)
    assert shelf.names() == (DEFAULT, "work")
    shelf.use("work")
    assert TasteShelf(tmp_path).in_use == "work"
    shelf.reset("work")
    assert same(shelf.read("work"), TasteRecord(strength=0.5, half_life_days=30.0))
    for attempt in (
        lambda: shelf.create("work", RECORD),
        lambda: shelf.use("play"),
        lambda: shelf.read("play"),
        lambda: shelf.reset("play"),
        lambda: shelf.create("../play", RECORD),
        lambda: shelf.create("Play", RECORD),
        lambda: shelf.path(""),
    ):
        with pytest.raises(InvalidInput):
            attempt()


def test_a_change_that_fails_leaves_the_old_one(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path)
    shelf.create("work", RECORD)
    before = shelf.path("work").read_bytes()
    with pytest.raises(InvalidInput):
        shelf.update("work", lambda record: record.union(TasteRecord(PICKS[:1], "clip-2")))
    assert shelf.path("work").read_bytes() == before


def test_a_damaged_taste_is_kept_until_it_is_reset(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path)
    shelf.create("work", RECORD)
    shelf.path("work").write_bytes(b"{}")
    with pytest.raises(InvalidInput, match="no taste"):
        shelf.update("work", lambda record: record)
    assert shelf.path("work").read_bytes() == b"{}"
    shelf.reset("work")
    assert same(shelf.read("work"), TasteRecord())


def test_no_pick_is_lost_when_several_write_at_once(tmp_path: Path) -> None:
    def write(session: int) -> None:
        name = f"session {session}"
        for turn in range(1, 4):
            picks = [kept(WORLD.pick(name, n)) for n in range(1, turn + 1)]
            change = partial(TasteRecord.with_session, session=name, picks=picks, clip="clip-1")
            TasteShelf(tmp_path).update(DEFAULT, change)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(TasteShelf(tmp_path).read(DEFAULT).picks) == 12


def test_a_writer_that_never_ends_is_told_of(tmp_path: Path) -> None:
    shelf = TasteShelf(tmp_path, wait=0.05)
    shelf.create("work", RECORD)
    with (shelf.folder / "lock").open("ab") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(StorageError, match="locked"):
            shelf.use("work")
    shelf.use("work")


# the space's file


def test_a_space_is_read_as_it_was_written(tmp_path: Path) -> None:
    slates = [WORLD.pick(f"session {n}", 1) for n in range(10)]
    space = fit_space("clip-1", slates, SpacePlan(image_rank=4, text_rank=3))
    file = tmp_path / SPACE_FILE
    save_space(space, file)
    assert space_beside(tmp_path) == file
    assert space_beside(tmp_path / "elsewhere") is None
    again = load_space(file, "clip-1")
    for name, value in vars(space).items():
        assert np.array_equal(getattr(again, name), value), name
    with pytest.raises(ModelUnavailable, match="another CLIP"):
        load_space(file, "clip-2")
    written = {file.read_bytes()}
    for _ in range(8):
        save_space(again, file)
        written.add(file.read_bytes())
    assert len(written) == 1, "equal spaces are equal bytes"
    save_space(replace(space, slope=space.slope[:-1]), file)
    with pytest.raises(ModelUnavailable, match="do not fit"):
        load_space(file)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ModelUnavailable, match="damaged"):
        load_space(file)


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"format": "pt"}, "is no taste space"),
        ({"taste_space": "[1]"}, "is no taste space"),
        ({"taste_space": "{"}, "damaged"),
        ({"format": "pasta-taste-space", "version": "1"}, "has version 1"),
        ({"taste_space": '{"format": "pasta-taste-space", "version": 3}'}, "has version 3"),
    ],
)
def test_a_space_of_another_kind_or_version_is_refused(
    tmp_path: Path, metadata: dict[str, str], said: str
) -> None:
    file = tmp_path / SPACE_FILE
    save_file({"slope": np.zeros(3)}, file, metadata)
    with pytest.raises(ModelUnavailable, match=said):
        load_space(file)
