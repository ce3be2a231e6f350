"""The trajectory schema: whatever is written is read back equal, and sessions come out whole."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pasta_core.data.trajectories import (
    SCHEMA,
    VERSION,
    DamagedTrajectories,
    ImageRecord,
    RefusalRecord,
    ReplacedRecord,
    TrajectoryRecord,
    TurnRecord,
    image_record,
    read_trajectories,
    turn_record,
    write_trajectories,
)
from pasta_core.domain import Answer, Candidate, Choice, Comparison, History, Slate, Turn, TurnRating
from pasta_core.errors import Cancelled, InvalidInput
from pasta_core.sessions.export import export_sessions
from pasta_core.sessions.images import read_png
from pasta_core.sessions.records import NewSession
from pasta_core.sessions.session import begin_session
from pasta_core.sessions.store import Store
from pasta_core.settings import SessionSettings
from pasta_core.simulation.recorder import MemoryRecorder
from pasta_core.simulation.rollout import Plan, rollout
from tests.support.rollouts import FussyUser, small_services

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
WHOLE = st.integers(0, 2**63 - 1)
REAL = st.floats(allow_nan=False)
REALS = st.none() | st.lists(REAL, max_size=4).map(tuple)
EMBEDDING = st.binary(min_size=0, max_size=6).map(
    lambda raw: np.frombuffer(raw, np.uint8).astype(np.float32) / 7
)
IMAGE = st.builds(
    ImageRecord, WHOLE, TEXT, st.none() | EMBEDDING.filter(len), st.none() | st.binary(max_size=9)
)
RATING = st.builds(
    TurnRating,
    st.integers(0, 3),
    st.lists(st.integers(1, 5), max_size=4).map(tuple),
    st.integers(1, 5),
    st.none() | st.sampled_from(Comparison),
    TEXT,
)
REPLACED = st.lists(
    st.builds(ReplacedRecord, st.integers(0, 3), st.integers(0, 24), st.lists(IMAGE, max_size=2).map(tuple)),
    max_size=2,
).map(tuple)
SLATE = st.builds(Slate, st.lists(st.integers(0, 24), max_size=4).map(tuple), REALS, REALS)
TURN = st.builds(
    TurnRecord,
    number=st.integers(1, 50),
    candidates=st.lists(st.builds(Candidate, TEXT, TEXT), max_size=5).map(tuple),
    slate=SLATE,
    columns=st.lists(st.lists(IMAGE, max_size=3).map(tuple), max_size=3).map(tuple),
    choice=st.builds(Choice, st.integers(0, 3), TEXT),
    max_words=st.none() | st.integers(1, 62),
    write_seed=st.none() | WHOLE,
    select_seed=st.none() | WHOLE,
    utilities=REALS,
    posterior=REALS,
    reward=st.none() | REAL,
    rating=st.none() | RATING,
    replaced=REPLACED,
)
REFUSAL = st.builds(
    RefusalRecord,
    turn=st.integers(1, 50),
    candidates=st.lists(st.builds(Candidate, TEXT, TEXT), max_size=3).map(tuple),
    slate=SLATE,
    columns=st.lists(st.lists(IMAGE, max_size=2).map(tuple), max_size=2).map(tuple),
    critique=TEXT,
    max_words=st.none() | st.integers(1, 62),
    write_seed=st.none() | WHOLE,
    select_seed=st.none() | WHOLE,
    replaced=REPLACED,
)
TRAJECTORY = st.builds(
    TrajectoryRecord,
    id=TEXT,
    source=TEXT,
    complete=st.booleans(),
    user=TEXT,
    profile=TEXT,
    selector=TEXT,
    seed=WHOLE,
    initial_prompt=TEXT,
    initial_images=st.lists(IMAGE, max_size=3).map(tuple),
    turns=st.lists(TURN, max_size=3).map(tuple),
    refusals=st.lists(REFUSAL, max_size=2).map(tuple),
    created_at=st.none() | st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(TRAJECTORY, max_size=20))
def test_what_is_written_is_read_back_equal(tmp_path: Path, records: list[TrajectoryRecord]) -> None:
    path = tmp_path / "some.parquet"
    assert write_trajectories(path, records) == len(records)
    assert list(read_trajectories(path)) == records


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    records = [rolled_out(seed) for seed in range(3)]
    for name in ("one", "two"):
        write_trajectories(tmp_path / name, records)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def rolled_out(seed: int) -> TrajectoryRecord:
    plan = Plan(f"r{seed}", "a red train", seed, SessionSettings(turns=2, columns=2, images=2))
    history = asyncio.run(rollout(plan, small_services(), MemoryRecorder(), lambda event: None))
    return TrajectoryRecord(
        id=plan.session,
        source="simulate",
        complete=True,
        user="brightness",
        profile="micro",
        selector="drawn",
        seed=seed,
        initial_prompt=history.initial_prompt,
        initial_images=tuple(image_record(image) for image in history.initial_images),
        turns=tuple(replace(turn_record(turn), reward=0.5) for turn in history.turns),
    )


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    records = [rolled_out(seed) for seed in range(3)]
    for name, record in zip(("b", "c", "a"), records, strict=True):
        write_trajectories(tmp_path / f"{name}.parquet", [record])
    assert list(read_trajectories(tmp_path)) == [records[2], records[0], records[1]]


def test_a_writer_that_fails_leaves_no_file(tmp_path: Path) -> None:
    def records() -> list[TrajectoryRecord]:
        raise RuntimeError("a rollout failed")

    with pytest.raises(RuntimeError):
        write_trajectories(tmp_path / "some.parquet", (record for record in records()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no parquet at all", None])
def test_what_is_no_trajectory_file_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "some.parquet"
    if content is None:
        pq.write_table(pa.table({"a": [1]}), path)
    else:
        path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"some\.parquet"):
        list(read_trajectories(path))


@pytest.mark.parametrize("lost", ["pages", "turns", "seed"])
def test_a_file_that_cannot_be_read_to_its_end_is_one_clear_error(tmp_path: Path, lost: str) -> None:
    path = tmp_path / "some.parquet"
    write_trajectories(path, [rolled_out(seed) for seed in range(2)])
    if lost == "pages":
        whole = path.read_bytes()
        path.write_bytes(whole[:4] + b"\xff" * 400 + whole[404:])
    else:
        pq.write_table(pq.read_table(path).drop_columns([lost]), path)
    with pytest.raises(DamagedTrajectories, match=r"some\.parquet is damaged"):
        list(read_trajectories(path))


def test_missing_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=f"^there is no {tmp_path / 'none.parquet'}$"):
        list(read_trajectories(tmp_path / "none.parquet"))
    with pytest.raises(InvalidInput, match="holds no trajectories"):
        list(read_trajectories(tmp_path))


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    newer = SCHEMA.with_metadata({b"pasta.trajectories.version": str(VERSION + 1).encode()})
    pq.write_table(pa.Table.from_pylist([], schema=newer), tmp_path / "new.parquet")
    with pytest.raises(InvalidInput, match=f"schema {VERSION + 1}"):
        list(read_trajectories(tmp_path / "new.parquet"))


def test_a_file_from_before_refusals_is_read(tmp_path: Path) -> None:
    """One of version 2, without the columns that version 3 has added."""
    records = [rolled_out(seed) for seed in range(2)]
    write_trajectories(tmp_path / "new.parquet", records)
    table = pq.read_table(tmp_path / "new.parquet").drop_columns(["refusals"])
    added = ("all_values", "replaced")
    kind = SCHEMA.field("turns").type.value_type
    older = pa.list_(pa.struct([field for field in kind if field.name not in added]))
    turns = [
        [{name: value for name, value in turn.items() if name not in added} for turn in row]
        for row in table["turns"].to_pylist()
    ]
    place = table.schema.get_field_index("turns")
    table = table.set_column(place, pa.field("turns", older, nullable=False), pa.array(turns, older))
    old = table.replace_schema_metadata({b"pasta.trajectories.version": b"2"})
    pq.write_table(old, tmp_path / "old.parquet")
    assert list(read_trajectories(tmp_path / "old.parquet")) == records


def test_refused_slates_are_exported_apart_from_the_turns(tmp_path: Path) -> None:
    services = replace(small_services(), user=FussyUser())
    new = replace(NEW, settings=SessionSettings(turns=3, columns=3, images=2))
    with Store(tmp_path / "data") as store, begin_session(store, new) as session:
        history = asyncio.run(session.run(services, lambda event: None))
        turns = store.turns(session.id)
        done = export_sessions(store, store.sessions(), tmp_path / "out.parquet", with_images=True)
    (record,) = read_trajectories(done.path)
    assert (done.turns, done.lost_images) == (3, 0)
    assert [(turn.number, turn.choice) for turn in record.turns] == [
        (turn.number, turn.choice) for turn in history.turns
    ]
    assert [(it.turn, it.critique) for it in record.refusals] == [(1, "brighter"), (2, "brighter"), (2, "")]
    for exported, refusal in zip(record.refusals, history.refusals, strict=True):
        turn = refusal.turn
        assert (exported.candidates, exported.slate) == (turn.candidates, turn.slate)
        shown = [[image.sha256 for image in column] for column in turn.columns]
        assert [[image.sha256 for image in column] for column in exported.columns] == shown
    last = record.turns[-1]
    assert [it.candidate for it in last.replaced] == [it.before for it in turns[-1].swaps] != []
    assert all(len(it.images) == 2 and it.images[0].png for it in last.replaced)
    assert (
        len({refusal.write_seed for refusal in record.refusals} | {t.write_seed for t in record.turns}) == 6
    )


def test_refusals_of_a_turn_that_is_not_chosen_yet_are_exported(tmp_path: Path) -> None:
    class Leaving(FussyUser):
        async def choose(self, history: History, turn: Turn) -> Answer:
            if history.refusals:
                raise Cancelled("enough")
            return await super().choose(history, turn)

    with Store(tmp_path / "data") as store, begin_session(store, NEW) as session:
        with pytest.raises(Cancelled):
            asyncio.run(session.run(replace(small_services(), user=Leaving()), lambda event: None))
        done = export_sessions(store, store.sessions(), tmp_path / "out.parquet")
    (record,) = read_trajectories(done.path)
    assert (record.turns, record.complete, [it.turn for it in record.refusals]) == ((), False, [1])


def test_the_documentation_names_every_column() -> None:
    text = (Path(__file__).parents[2] / "docs" / "trajectories.md").read_text()

    def names(kind: pa.DataType) -> set[str]:
        if pa.types.is_list(kind):
            return names(kind.value_type)
        if pa.types.is_struct(kind):
            return {name for field in kind for name in {field.name} | names(field.type)}
        return set()

    columns = {name for field in SCHEMA for name in {field.name} | names(field.type)}
    assert {name for name in columns if f"`{name}`" not in text} == set()


NEW = NewSession("a red train", 5, "micro", "drawn", settings=SessionSettings(turns=2, columns=3, images=2))


@pytest.mark.parametrize("with_images", [False, True])
def test_a_session_is_exported_whole(tmp_path: Path, with_images: bool) -> None:
    with Store(tmp_path / "data") as store, begin_session(store, NEW) as session:
        history = asyncio.run(session.run(small_services(), lambda event: None))
        rating = TurnRating(1, (3, 2, 5), 4, Comparison.BETTER, "warmer")
        store.save_rating(session.id, 2, rating)
        done = export_sessions(store, [store.get(session.id)], tmp_path / "new" / "out.parquet", with_images)
    assert (done.trajectories, done.turns, done.lost_images) == (1, 2, 0)
    (record,) = read_trajectories(done.path)
    assert (record.id, record.source, record.complete) == (session.id, "sessions", True)
    assert (record.initial_prompt, record.seed, record.user) == ("a red train", 5, "person")
    assert json.loads(record.settings)["columns"] == 3
    assert "pasta" in json.loads(record.versions)
    assert [turn.rating for turn in record.turns] == [None, rating]
    for turn, painted in zip(record.turns, history.turns, strict=True):
        assert (turn.candidates, turn.slate, turn.choice) == (
            painted.candidates,
            painted.slate,
            painted.choice,
        )
        for column, images in zip(turn.columns, painted.columns, strict=True):
            for image, original in zip(column, images, strict=True):
                assert replace(image, png=None) == image_record(original)
                assert (image.png is not None) == with_images
                if image.png is not None:
                    assert (read_png(image.png) == original.pixels).all()


def test_half_a_session_is_exported_up_to_its_last_choice(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store, begin_session(store, NEW) as session:
        asyncio.run(session.run(small_services(), lambda event: None))
        store._connection.execute("DELETE FROM choices WHERE turn_id = (SELECT max(id) FROM turns)")
        store._connection.execute("UPDATE sessions SET status = 'active'")
        done = export_sessions(store, store.sessions(), tmp_path / "out.parquet")
    (record,) = read_trajectories(done.path)
    assert (record.complete, [turn.number for turn in record.turns]) == (False, [1])
    assert len(record.initial_images) == 2


def test_a_damaged_image_is_counted_and_left_out(tmp_path: Path) -> None:
    with Store(tmp_path / "data") as store, begin_session(store, NEW) as session:
        asyncio.run(session.run(small_services(), lambda event: None))
        (store.directory(session.id) / "turn-1" / "column-1-image-2.png").write_bytes(b"damaged")
        done = export_sessions(store, store.sessions(), tmp_path / "out.parquet", with_images=True)
    assert done.lost_images == 1
    (record,) = read_trajectories(done.path)
    assert record.turns[0].columns[0][1].png is None
    assert record.turns[0].columns[0][0].png is not None
