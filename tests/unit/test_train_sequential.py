"""The second phase: which labels sessions hold, what enters the posterior, a stop that changes nothing."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pasta_core.data.embeddings import encoder_fingerprint
from pasta_core.data.images import AbsentImage, EncodedImage
from pasta_core.data.records import SessionTurn
from pasta_core.data.sources import parse_source
from pasta_core.data.trajectories import write_trajectories
from pasta_core.domain import Comparison, TurnRating
from pasta_core.errors import InvalidInput
from pasta_core.paths import find_assets
from pasta_core.training.em_state import EmState
from pasta_core.training.label_sources import read_session_labels
from pasta_core.training.sequential import (
    ClipUserModel,
    Sequential,
    foresee,
    session_log_likelihoods,
    turn_scores,
)
from pasta_core.training.sequential_run import train_sequential
from pasta_core.training.session_batches import SessionLoader
from pasta_core.training.session_labels import CrossTurn, InTurn, SessionSet, session_set
from pasta_core.training.user_model_run import TrainingFolder, UserModelRun
from pasta_core.users.clip import ClipEncoder
from pasta_core.users.model_files import load_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from tests.support.data_sets import odd_trajectory, picture
from tests.support.fine_tune import CLIP, config, drawn, drawn_sessions, fine_tune, rated_turn, record

CPU = torch.device("cpu")


def test_satisfactions_become_pairs_and_comparisons_become_cross_turn_labels() -> None:
    sessions = session_set(
        [
            record(
                0, rated_turn(1, 0, (5, 2)), rated_turn(2, 1, (3, 3), "same"), rated_turn(4, 0, (), "better")
            )
        ]
    )
    (session,) = sessions.sessions
    assert session.chosen == (0, 1, 0)
    assert session.in_turn == (InTurn(0, 0, 1, 1.0), InTurn(1, 0, 1, 0.5))
    # turn 4 follows a turn that is missing: there is nothing to compare it with
    assert session.cross_turn == (CrossTurn(1, 0.5),)


def test_four_columns_make_six_pairs() -> None:
    turn = SessionTurn(1, drawn(0, columns=4), 2, rating=TurnRating(2, (1, 2, 5, 2), 3))
    labels = session_set([record(0, turn)]).sessions[0].in_turn
    assert [(label.first, label.second, label.label) for label in labels] == [
        (0, 1, 0.0),
        (0, 2, 0.0),
        (0, 3, 0.0),
        (1, 2, 0.0),
        (1, 3, 0.5),
        (2, 3, 1.0),
    ]


def test_turns_of_another_shape_are_left_out_and_counted() -> None:
    odd = SessionTurn(2, drawn(5, columns=3), 2)
    unknown = SessionTurn(3, drawn(6), 7)
    sessions = session_set([record(0, rated_turn(1, 0), odd, unknown), record(1, rated_turn(1, 1))])
    assert (sessions.columns, sessions.images, sessions.other_shapes) == (2, 2, 2)
    assert [session.chosen for session in sessions.sessions] == [(0,), (1,)]


def test_no_rater_is_trained_on_and_held_out() -> None:
    training, held_out = drawn_sessions(20).split(0.25, 16, seed=0)
    assert (len(training), len(held_out)) == (15, 5)
    assert not {one.group for one in training.sessions} & {one.group for one in held_out.sessions}


@pytest.fixture(scope="module")
def encoder() -> ClipEncoder:
    return ClipEncoder.load(CLIP)


def _model(encoder: ClipEncoder, types: int = 2) -> ClipUserModel:
    torch.manual_seed(0)
    users = UserModel(UserModelConfig(encoder.dimension, types, columns=2))
    return ClipUserModel(encoder.network, users)


def _loader(encoder: ClipEncoder, sessions: SessionSet) -> SessionLoader:
    return SessionLoader(sessions, 4, 0, encoder.prepare, encoder.tokens, CPU)


@torch.no_grad()
def test_utilities_are_those_of_each_turns_own_columns(encoder: ClipEncoder) -> None:
    sessions = drawn_sessions(3)
    model = _model(encoder)
    batch = _loader(encoder, sessions).of(sessions.sessions)
    utilities = model(batch, sessions.columns)
    assert utilities.shape == (9, 2, 2)
    session = sessions.sessions[1]
    column = [reference.open() for reference in session.images[2][1]]
    images = torch.from_numpy(encoder.embed_images(column))
    text = torch.from_numpy(encoder.embed_texts([session.prompt]))
    cosines = model.users.cosines(images, text, torch.arange(2), torch.zeros(2, dtype=torch.long))
    expected = model.users.utilities(model.users.scores(cosines).T)
    torch.testing.assert_close(utilities[5, :, 1], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_posterior_takes_choices_and_cross_turn_labels_but_not_in_turn_ones(encoder: ClipEncoder) -> None:
    sessions = drawn_sessions(2)
    model, loader = _model(encoder), _loader(encoder, sessions)
    batch = loader.of(sessions.sessions)
    scores = turn_scores(model, batch, 2)
    found = session_log_likelihoods(scores, batch)
    utilities = model(batch, 2)
    choices = model.users.log_choices(utilities)
    chosen = sessions.sessions[0].chosen
    expected = torch.stack([choices[turn, :, column] for turn, column in enumerate(chosen)]).sum(0)
    kept = [utilities[turn, :, column] for turn, column in enumerate(chosen)]
    expected += torch.nn.functional.logsigmoid(kept[1] - kept[0])
    expected += torch.nn.functional.logsigmoid(kept[1] - kept[2])
    torch.testing.assert_close(found[0], expected)


@torch.no_grad()
def test_a_sources_weight_multiplies_its_losses_and_no_posterior(encoder: ClipEncoder) -> None:
    plain = drawn_sessions(2)
    heavy = SessionSet(tuple(replace(one, weight=3.0) for one in plain.sessions), plain.columns, plain.images)
    model = _model(encoder)
    losses, posteriors = [], []
    for sessions in (plain, heavy):
        loader = _loader(encoder, sessions)
        phase = Sequential(EmState(model), loader, sessions.columns, config())
        losses.append(phase(0))
        batch = loader.of(sessions.sessions)
        posteriors.append(session_log_likelihoods(turn_scores(model, batch, 2), batch))
    torch.testing.assert_close(losses[1], 3 * losses[0], rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(posteriors[0], posteriors[1])


def test_a_sources_weight_reaches_its_sessions(tmp_path: Path) -> None:
    write_trajectories(tmp_path / "a.parquet", [odd_trajectory(str(n), png=picture(n)) for n in range(20)])
    specs = [parse_source(f"trajectories:{tmp_path}@0.5")]
    assert {one.weight for one in read_session_labels(specs, find_assets()).sessions} == {0.5}


@torch.no_grad()
def test_a_turn_whose_image_cannot_be_read_counts_nowhere(encoder: ClipEncoder) -> None:
    sessions = drawn_sessions(1)
    (session,) = sessions.sessions
    columns = session.images[1]
    broken = ((AbsentImage("lost"), *columns[0][1:]), *columns[1:])
    damaged = replace(session, images=(session.images[0], broken, session.images[2]))
    model, loader = _model(encoder), _loader(encoder, sessions)
    batch = loader.of([damaged])
    assert batch.readable.tolist() == [1, 0, 1]
    scores = turn_scores(model, batch, 2)
    whole = loader.of([session])
    choices = turn_scores(model, whole, 2).log_choices
    expected = choices[0, :, session.chosen[0]] + choices[2, :, session.chosen[2]]
    torch.testing.assert_close(session_log_likelihoods(scores, batch)[0], expected, rtol=1e-4, atol=1e-4)


def _reconfirmed() -> SessionSet:
    """Sessions whose raters reconfirmed another column than they had chosen in the second turn."""
    second = replace(rated_turn(2, 0, (), "better"), rating=TurnRating(1, (), 3, Comparison.BETTER))
    return session_set([record(number, rated_turn(1, 0), second) for number in range(2)])


@torch.no_grad()
def test_cross_turn_labels_compare_the_reconfirmed_columns(encoder: ClipEncoder) -> None:
    sessions = _reconfirmed()
    assert (sessions.sessions[0].chosen, sessions.sessions[0].selected) == ((0, 0), (0, 1))
    model, loader = _model(encoder), _loader(encoder, sessions)
    batch = loader.of(sessions.sessions)
    now, before = turn_scores(model, batch, 2).cross_turn
    utilities = model(batch, 2)
    torch.testing.assert_close(now[0], utilities[1, :, 1])
    torch.testing.assert_close(before[0], utilities[0, :, 0])


def test_turns_without_pictures_are_left_out_and_counted(tmp_path: Path) -> None:
    lost = SessionTurn(2, ((AbsentImage("a"), AbsentImage("b")),) * 2, 0)
    sessions = session_set([record(0, rated_turn(1, 0), lost), record(1, lost)])
    assert (len(sessions), sessions.absent, sessions.other_shapes) == (1, 2, 0)
    run = UserModelRun(TrainingFolder(tmp_path), 1, lambda line: None)
    with pytest.raises(InvalidInput, match="no session"):
        train_sequential(
            run, UserModel(UserModelConfig(96, 2)), CLIP, session_set([record(1, lost)]), config()
        )


@torch.no_grad()
def test_pictures_that_cannot_be_read_foresee_nothing(encoder: ClipEncoder) -> None:
    sessions = drawn_sessions(1)
    (session,) = sessions.sessions
    model, loader = _model(encoder), _loader(encoder, sessions)
    broken = tuple(tuple(EncodedImage("broken", b"no image") for _ in column) for column in session.images[0])
    dark = replace(session, images=(broken,) * 3)
    assert loader.of([dark]).readable.tolist() == [0, 0, 0]
    assert math.isnan(foresee(model, loader, (dark,), 2).loss)
    last = replace(session, images=(broken, broken, session.images[2]))
    alone = replace(
        session, images=session.images[2:], chosen=session.chosen[2:], selected=session.selected[2:]
    )
    alone = replace(alone, in_turn=(), cross_turn=())
    assert foresee(model, loader, (last,), 2).loss == pytest.approx(
        foresee(model, loader, (alone,), 2).loss, abs=1e-4
    )


def _same(one: Path, other: Path) -> bool:
    """Whether two folders hold the same user model and the same CLIP, bit for bit."""
    files = ("user_model.safetensors", "clip/open_clip_model.safetensors")
    pairs = [(load_file(one / name), load_file(other / name)) for name in files]
    return all(
        mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)
        for mine, theirs in pairs
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    assert fine_tune(folder) is not None
    return folder


def test_a_stopped_fine_tuning_ends_at_the_same_weights_and_clip(tmp_path: Path, whole: Path) -> None:
    steps = iter(range(100))
    assert fine_tune(tmp_path, lambda: next(steps) >= 2) is None
    assert not (tmp_path / "user_model.json").exists()
    assert fine_tune(tmp_path) is not None
    assert _same(tmp_path, whole)


def test_a_killed_fine_tuning_ends_at_the_same_weights_and_clip(tmp_path: Path, whole: Path) -> None:
    program = (sys.executable, "-m", "tests.support.fine_tune", str(tmp_path))
    threads = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())}
    process = subprocess.Popen(program, stdout=subprocess.PIPE, env=threads, text=True)
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["step"] == 2
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (tmp_path / "user_model.json").exists()
    assert fine_tune(tmp_path) is not None
    assert _same(tmp_path, whole)


def test_fine_tuning_changes_clip_and_names_it(whole: Path) -> None:
    before = load_file(CLIP / "open_clip_model.safetensors")
    after = load_file(whole / "clip" / "open_clip_model.safetensors")
    assert any(not torch.equal(before[key].float(), after[key].float()) for key in before)
    model = load_user_model(whole)
    assert model.config.clip == encoder_fingerprint(whole / "clip")
    assert math.isclose(model.prior.sum().item(), 1, rel_tol=1e-5)
    assert ClipEncoder.load(whole / "clip").embed_texts(["a red train"]).shape == (1, 96)


def test_where_nothing_else_may_learn_the_choice_temperature_does(tmp_path: Path) -> None:
    after = fine_tune(tmp_path, clip_rate=0.0, users_rate=0.0)
    assert after is not None
    torch.manual_seed(0)
    before = UserModel(UserModelConfig(96, 2, columns=2)).state_dict()
    moved = {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {"prior", *(f"temperature.{name}" for name, _ in after.temperature.named_parameters())}
    assert not (tmp_path / "clip").exists()


def test_without_sessions_there_is_one_complaint(tmp_path: Path) -> None:
    run = UserModelRun(TrainingFolder(tmp_path), 1, lambda line: None)
    with pytest.raises(InvalidInput, match="no session"):
        train_sequential(run, UserModel(UserModelConfig(96, 2)), CLIP, session_set([]), config())
