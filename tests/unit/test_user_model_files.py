"""A user model's folder: what was saved is what is loaded, and everything else is one clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasta_core.errors import ModelUnavailable
from pasta_core.users.model_files import load_user_model, save_user_model
from pasta_core.users.user_model import UserModel, UserModelConfig
from pasta_core.users.utility import Aggregator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    model = UserModel(UserModelConfig(4, 2, aggregator=Aggregator.MAX, clip="abc"))
    model.prior.copy_(torch.tensor([0.3, 0.7]))
    save_user_model(model, tmp_path / "model", {"seed": 1})
    return tmp_path / "model"


def test_what_was_saved_is_loaded(folder: Path) -> None:
    model = load_user_model(folder)
    assert model.config == UserModelConfig(4, 2, aggregator=Aggregator.MAX, clip="abc")
    assert model.prior.tolist() == pytest.approx([0.3, 0.7])
    kept = load_file(folder / "user_model.safetensors")
    assert all(torch.equal(value, kept[name]) for name, value in model.state_dict().items())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def _config(folder: Path, **changes: object) -> None:
    file = folder / "user_model.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_a_halved_model_is_smaller_and_nearly_the_same(folder: Path, tmp_path: Path) -> None:
    model = load_user_model(folder)
    save_user_model(model, tmp_path / "half", halve=True)
    half = load_user_model(tmp_path / "half")
    assert half.prior.equal(model.prior)
    for name, value in model.state_dict().items():
        kept = half.state_dict()[name]
        assert kept.dtype == value.dtype
        assert torch.allclose(kept, value, rtol=1e-3, atol=1e-6)
    sizes = [(place / "user_model.safetensors").stat().st_size for place in (folder, tmp_path / "half")]
    assert sizes[1] < 0.8 * sizes[0]


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="there is no user model in"):
        load_user_model(tmp_path)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b"\xff\xfe", b'{"format": "x"}'])
def test_a_description_that_is_none_is_refused(folder: Path, data: bytes) -> None:
    (folder / "user_model.json").write_bytes(data)
    with pytest.raises(ModelUnavailable, match="does not describe a user model"):
        load_user_model(folder)


def test_foreign_and_newer_descriptions_are_refused(folder: Path) -> None:
    _config(folder, version=2)
    with pytest.raises(ModelUnavailable, match="version 2"):
        load_user_model(folder)
    _config(folder, format="something", version=1)
    with pytest.raises(ModelUnavailable, match="something else"):
        load_user_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"types": 0},
        {"types": "two"},
        {"types": True},
        {"aggregator": "median"},
        {"aggregator": 1},
        {"unknown": 1},
        {"dimension": None},
        {"dimension": 4.0},
        {"nu": "0.25"},
        {"clip": None},
    ],
)
def test_a_wrong_value_is_refused(folder: Path, change: dict[str, object]) -> None:
    config = json.loads((folder / "user_model.json").read_text())["config"]
    _config(folder, config=config | change)
    with pytest.raises(ModelUnavailable, match="wrong value"):
        load_user_model(folder)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_cut_weights_are_refused(folder: Path, size: int) -> None:
    file = folder / "user_model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ModelUnavailable, match="damaged or cut short"):
        load_user_model(folder)


def test_weights_of_another_model_or_no_numbers_are_refused(folder: Path) -> None:
    weights = load_file(folder / "user_model.safetensors")
    save_file(weights | {"log_scale": torch.tensor(float("nan"))}, folder / "user_model.safetensors")
    with pytest.raises(ModelUnavailable, match="no numbers"):
        load_user_model(folder)
    save_file({"other": torch.zeros(1)}, folder / "user_model.safetensors")
    with pytest.raises(ModelUnavailable, match="other weights"):
        load_user_model(folder)
    (folder / "user_model.safetensors").unlink()
    with pytest.raises(ModelUnavailable, match=r"lacks user_model\.safetensors"):
        load_user_model(folder)
