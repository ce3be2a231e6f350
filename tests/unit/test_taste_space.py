"""Learning a taste's space from trajectories: what is read and measured, and the types it brings along."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pasta_core.data.trajectories import (
    CLIP,
    ImageRecord,
    TrajectoryRecord,
    TurnRecord,
    write_trajectories,
)
from pasta_core.domain import Candidate, Choice, Embedding, Slate
from pasta_core.errors import InvalidInput
from pasta_core.training.taste_space import foresight, learn_space, read_slates
from pasta_core.users.taste_fit import SpacePlan, fit_space
from pasta_core.users.taste_space_files import load_space, save_space
from pasta_core.users.taste_types import with_types
from pasta_tui.cli._taste_space import _lines
from tests.support.tastes import World, text_embedding

WORLD = World.drawn(4)
PLAN = SpacePlan(image_rank=6, text_rank=12, ridge=1.0)
TASTES = np.random.default_rng(2).normal(size=(2, 12))
"""Two types that like directions of CLIP's image space."""


def embed(texts: Sequence[str]) -> Embedding:
    return np.stack([text_embedding(text) for text in texts])


def images(text: str, seed: int) -> tuple[ImageRecord, ...]:
    return tuple(ImageRecord(seed + n, f"{seed + n}", WORLD.image(text, seed + n)) for n in range(3))


def utilities(columns: Sequence[Sequence[ImageRecord]]) -> tuple[tuple[float, ...], ...]:
    rows = [np.mean([image.embedding / np.linalg.norm(image.embedding) for image in it], 0) for it in columns]
    return tuple(map(tuple, (20 * TASTES @ np.array(rows).T).tolist()))


def trajectory(number: int, turns: int = 3, clip: str = "clip-1") -> TrajectoryRecord:
    prompt = f"idea {number}"
    told = []
    for turn in range(1, turns + 1):
        written = tuple(Candidate(f"{prompt} {turn} {n}", "kind") for n in range(6))
        columns = tuple(images(written[n].prompt, 1000 * turn + 10 * n) for n in (5, 1, 3))
        told.append(
            TurnRecord(turn, written, Slate((5, 1, 3)), columns, Choice(1), type_utilities=utilities(columns))
        )
    return TrajectoryRecord(
        id=f"{number}",
        source="simulate",
        complete=True,
        user="model",
        profile="micro",
        selector="random",
        seed=number,
        initial_prompt=prompt,
        initial_images=images(prompt, 0),
        turns=tuple(told),
        versions=json.dumps({CLIP: clip}),
        user_type=number % 2,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trajectories")
    write_trajectories(folder / "a.parquet", [trajectory(n) for n in range(50)])
    return folder


def test_a_space_is_learned_and_measured_on_prompts_it_has_not_seen(data: Path) -> None:
    slates = read_slates([data], "clip-1", embed)
    assert len(slates) == 150
    assert slates[0].pick.prompts == ("idea 0", "idea 0 1 5", "idea 0 1 1", "idea 0 1 3")
    learned = learn_space("clip-1", slates, PLAN)
    assert learned.space.clip == "clip-1" and learned.space.pairs == 450
    told = learned.foresight
    assert 0 < told.columns < 450 and told.columns == 9 * told.prompts
    assert told.explained > 0.8 and told.cosine > 0.8
    assert len(told.by_direction) == 6
    seen = foresight(learned.space, [slate.pick for slate in slates])
    assert seen.explained >= told.explained - 0.05


def test_types_come_along_as_tastes(data: Path) -> None:
    slates = read_slates([data], "clip-1", embed)
    space = learn_space("clip-1", slates, PLAN).space
    assert space.types == 2
    assert space.type_weights == pytest.approx([0.5, 0.5])
    for slate in slates[:5]:
        assert slate.utilities is not None
        believed = space.features(slate.pick) @ space.type_means.T
        true = slate.utilities.T
        for kind in range(2):
            assert np.corrcoef(believed[:, kind], true[:, kind])[0, 1] > 0.8
    unknown = [replace(slate, utilities=None) for slate in slates]
    assert learn_space("clip-1", unknown, PLAN).space.types == 1


def of_users(folder: Path, users: str, first: int = 0, count: int = 12) -> Path:
    """Trajectories of the types of one user model, or of other users."""
    folder.mkdir()
    records = [replace(trajectory(first + n), user=f"{users}:{n % 2}") for n in range(count)]
    write_trajectories(folder / "a.parquet", records)
    return folder


def test_a_space_names_the_user_model_of_its_types(tmp_path: Path) -> None:
    data = of_users(tmp_path / "one", "model:aaa", count=24)
    space = learn_space("clip-1", read_slates([data], "clip-1", embed), PLAN).space
    assert (space.types, space.users) == (2, "model:aaa")
    save_space(space, tmp_path / "space")
    assert load_space(tmp_path / "space").users == "model:aaa"
    read_slates([data], "clip-1", embed, "model:aaa")
    with pytest.raises(
        InvalidInput, match="of model:aaa, and the profile's user model is model:bbb"
    ) as refused:
        read_slates([data], "clip-1", embed, "model:bbb")
    assert "--users model" in refused.value.hint


def test_types_of_two_user_models_are_not_mixed(tmp_path: Path) -> None:
    paths = [of_users(tmp_path / name, f"model:{name}") for name in ("aaa", "bbb")]
    with pytest.raises(InvalidInput, match="of model:bbb, and what was read before of model:aaa"):
        read_slates(paths, "clip-1", embed)


def test_types_are_left_out_where_one_slate_does_not_know_them_and_that_is_said(tmp_path: Path) -> None:
    typed = of_users(tmp_path / "typed", "model:aaa", count=16)
    planted = of_users(tmp_path / "planted", "planted:test", first=16)
    both = learn_space("clip-1", read_slates([typed], "clip-1", embed), PLAN)
    assert both.untyped == 0 and not [line for line in _lines(both) if "no types" in line]
    slates = read_slates([typed, planted], "clip-1", embed)
    slates = [replace(it, utilities=it.utilities if it.users else None) for it in slates]
    some = learn_space("clip-1", slates, PLAN)
    assert (some.space.types, some.space.users, some.untyped, some.slates) == (1, "", 36, 84)
    assert _lines(some)[-1].startswith("no types: 36 of 84 slates do not say")


def test_what_has_no_embeddings_or_another_clip_s_teaches_nothing(data: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="another CLIP"):
        read_slates([data], "clip-2", embed)
    bare = [
        replace(
            record,
            initial_images=tuple(replace(image, embedding=None) for image in record.initial_images),
        )
        for record in map(trajectory, range(30))
    ]
    write_trajectories(tmp_path / "bare.parquet", bare)
    with pytest.raises(InvalidInput, match="0 painted slates"):
        read_slates([tmp_path / "bare.parquet"], "clip-1", embed)
    write_trajectories(tmp_path / "one.parquet", [trajectory(1, turns=25)])
    with pytest.raises(InvalidInput, match="too few different prompts"):
        learn_space("clip-1", read_slates([tmp_path / "one.parquet"], "clip-1", embed), PLAN)


def test_tables_of_other_slates_are_refused() -> None:
    picks = [WORLD.pick(f"idea {n}", 1) for n in range(5)]
    space = fit_space("", picks, PLAN)
    shares = np.ones(2)
    for tables in ([], [np.zeros((2, 3))] * 5, [np.zeros((2, 4))] * 4):
        with pytest.raises(InvalidInput):
            with_types(space, picks, tables, shares)
