"""Rewards for people's sessions (App. B.4), against the user model asked by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pasta_core.data.trajectories import ImageRecord, TrajectoryRecord, TurnRecord
from pasta_core.domain import Candidate, Choice, Comparison, Slate, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.paths import locate
from pasta_core.training.value_rewards import rewards_by
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig

PATHS = locate({})
CANDIDATES = (Candidate("a red train", "colour"), Candidate("a train at night", "light"))


@pytest.fixture(scope="module")
def clip() -> ClipEncoder:
    return ClipEncoder.load(PATHS.assets / "micro" / "clip")


@pytest.fixture
def users(tmp_path: Path, clip: ClipEncoder) -> tuple[UserModel, Path]:
    torch.manual_seed(0)
    model = UserModel(UserModelConfig(clip.dimension, types=3))
    save_user_model(model, tmp_path / "users")
    return model.requires_grad_(False), tmp_path / "users"


def session(dimension: int, comparison: Comparison | None = None) -> TrajectoryRecord:
    """A person's session of two turns, two columns of two images, that nobody has paid yet."""
    rng = np.random.default_rng(0)

    def images() -> tuple[ImageRecord, ...]:
        return tuple(ImageRecord(0, "", rng.normal(size=dimension).astype(np.float32)) for _ in range(2))

    rating = None if comparison is None else TurnRating(0, (3, 3), 3, comparison)
    turns = tuple(
        TurnRecord(
            number,
            CANDIDATES,
            Slate((0, 1)),
            (images(), images()),
            Choice(number % 2),
            rating=rating if number == 2 else None,
        )
        for number in (1, 2)
    )
    return TrajectoryRecord("s", "sessions", True, "person", "micro", "random", 0, "a train", turns=turns)


def by_hand(model: UserModel, clip: ClipEncoder, given: TrajectoryRecord) -> tuple[int, list[torch.Tensor]]:
    """The most likely type after the choices, and the utilities (K, L) of every turn."""
    text = torch.from_numpy(clip.embed_texts([given.initial_prompt]))
    belief, tables = model.prior.log(), []
    for turn in given.turns:
        scores = torch.stack(
            [
                model.scores(model.cosines(_rows(column), text, torch.arange(2), torch.tensor([0, 0]))).T
                for column in turn.columns
            ],
            1,
        )
        tables.append(model.utilities(scores))
        belief = belief + model.log_choices(tables[-1])[:, turn.choice.column]
    return int(belief.argmax()), tables


def _rows(column: tuple[ImageRecord, ...]) -> torch.Tensor:
    return torch.from_numpy(np.stack([image.embedding for image in column if image.embedding is not None]))


def test_the_likeliest_type_pays(users: tuple[UserModel, Path], clip: ClipEncoder) -> None:
    model, folder = users
    given = session(clip.dimension)
    paid = rewards_by(folder, PATHS)(given)
    kind, tables = by_hand(model, clip, given)
    scale = float(model.log_scale.exp())
    for turn, table in zip(paid.turns, tables, strict=True):
        assert turn.utilities == pytest.approx(table[kind].tolist(), abs=1e-4)
        assert turn.reward == pytest.approx(5 + 5 * float(table[kind, turn.choice.column]) / scale, abs=1e-4)
        assert turn.posterior is not None and int(np.argmax(turn.posterior)) == kind
        assert sum(turn.posterior) == pytest.approx(1)


def test_comparisons_of_turns_count_too(users: tuple[UserModel, Path], clip: ClipEncoder) -> None:
    label = rewards_by(users[1], PATHS)
    beliefs = [
        label(session(clip.dimension, comparison)).turns[0].posterior
        for comparison in (None, Comparison.BETTER, Comparison.WORSE)
    ]
    assert len({None if belief is None else tuple(np.round(belief, 6)) for belief in beliefs}) == 3


def test_a_session_without_its_pictures_stays_unpaid(
    users: tuple[UserModel, Path], clip: ClipEncoder
) -> None:
    given = session(clip.dimension)
    bare = replace(given, turns=(given.turns[0], replace(given.turns[1], columns=((), ()))))
    assert rewards_by(users[1], PATHS)(bare) is bare


def test_another_encoder_is_refused(tmp_path: Path) -> None:
    save_user_model(UserModel(UserModelConfig(7, types=2)), tmp_path)
    with pytest.raises(InvalidInput, match="reads 7 numbers"):
        rewards_by(tmp_path, PATHS)


def test_a_session_with_a_damaged_picture_stays_unpaid(
    users: tuple[UserModel, Path], clip: ClipEncoder
) -> None:
    given = session(clip.dimension)
    damaged = ImageRecord(0, "", None, b"\x89PNG\r\n\x1a\n damaged")
    first, second = given.turns[1].columns
    turn = replace(given.turns[1], columns=((damaged, first[1]), second))
    odd = replace(given, turns=(given.turns[0], turn))
    assert rewards_by(users[1], PATHS)(odd) is odd


def test_a_model_of_another_encoder_is_refused(tmp_path: Path, clip: ClipEncoder) -> None:
    save_user_model(UserModel(UserModelConfig(clip.dimension, types=2, clip="ab" * 32)), tmp_path)
    with pytest.raises(InvalidInput, match="another encoder"):
        rewards_by(tmp_path, PATHS)


def test_turns_compare_by_their_reconfirmed_columns_and_only_with_the_turn_before(
    users: tuple[UserModel, Path], clip: ClipEncoder
) -> None:
    label = rewards_by(users[1], PATHS)

    def belief(given: TrajectoryRecord) -> np.ndarray:
        return np.array(label(given).turns[0].posterior)

    given = session(clip.dimension, Comparison.BETTER)
    first, second = given.turns
    apart = replace(given, turns=(first, replace(second, number=3)))
    assert np.allclose(belief(apart), belief(session(clip.dimension)))
    other = replace(second, rating=TurnRating(1, (3, 3), 3, Comparison.BETTER))
    assert not np.allclose(belief(given), belief(replace(given, turns=(first, other))))
