"""A value model on the disk: what is written comes back, and what doesn't fit is one clear error."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasta_core.agent.scoring import ValueRequest, score
from pasta_core.agent.value_model_files import load_language_model, load_value_model, save_value_model
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.planning.sizes import value_size
from tests.support.seeing_gemma import save_seeing_gemma
from tests.support.small_gemmas import ARCHITECTURES, LOGIT, VOCABULARY, small_model, templates

REQUEST = ValueRequest("a train", (), ("a red train", "a boat at night"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_value_model(small_model("gemma"), tmp_path, {"steps": 3})
    return tmp_path


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_a_model_comes_back_bit_for_bit_with_its_words(kind: str, tmp_path: Path) -> None:
    model = small_model(kind)
    model.network.offset = 2.5
    save_value_model(model, tmp_path, {"steps": 3})
    again = load_value_model(tmp_path)
    assert score(again, REQUEST) == score(model, REQUEST)
    assert again.network.config._attn_implementation == model.network.config._attn_implementation
    assert again.tokens.templates.history_source == model.tokens.templates.history_source
    assert not any(parameter.requires_grad for parameter in again.network.parameters())
    assert json.loads((tmp_path / "value_model.json").read_text())["training"] == {"steps": 3}


def test_a_file_does_not_name_the_folder_that_training_began_from(folder: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    save_value_model(load_value_model(folder), again)
    assert str(folder) not in (again / "config.json").read_text()


def test_a_plain_language_model_becomes_one_that_learns(folder: Path) -> None:
    (folder / "value_model.json").unlink()
    model = load_language_model(folder, templates(), LOGIT)
    assert all(parameter.requires_grad for parameter in model.network.parameters())
    assert model.network.language_model.dtype == torch.float32
    assert load_language_model(folder, templates(), 3, dtype="bfloat16").network.language_model.dtype == (
        torch.bfloat16
    )
    with pytest.raises(InvalidInput, match="float16"):
        load_language_model(folder, templates(), 3, dtype="float16")


def renamed(name: str) -> str:
    """As newer checkpoints call what the published ones call `language_model.model`."""
    name = name.replace("language_model.model.", "language_model.")
    return name if name.startswith("lm_head") else f"model.{name}"


@pytest.mark.parametrize("newer", [False, True])
def test_of_a_gemma_that_sees_only_the_language_model_is_taken(
    tmp_path: Path, newer: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    seeing = save_seeing_gemma(tmp_path / "base")
    if newer:
        file = tmp_path / "base" / "model.safetensors"
        tensors = {renamed(name): value for name, value in load_file(file).items()}
        assert any(name.startswith("model.language_model.layers") for name in tensors)
        save_file(tensors, file, metadata={"format": "pt"})
    capfd.readouterr()
    model = load_language_model(tmp_path / "base", templates("micro-"), LOGIT)
    assert capfd.readouterr() == ("", ""), "what is left out is no news"
    tokens = torch.arange(3, 43)[None]
    with torch.no_grad():
        expected = seeing(input_ids=tokens).logits
        assert torch.equal(model.network.language_model(tokens).logits, expected)
    assert model.context == 2048 and value_size(tmp_path / "base").width == 32
    save_value_model(model, tmp_path / "own")
    assert value_size(tmp_path / "base").values == value_size(tmp_path / "own").values, "no eyes are counted"
    assert json.loads((tmp_path / "own" / "config.json").read_text())["model_type"] == "gemma3_text"
    assert not any("vision" in name for name in load_file(tmp_path / "own" / "model.safetensors"))
    assert score(load_value_model(tmp_path / "own"), REQUEST) == score(model, REQUEST)


def test_a_gemma_that_sees_and_lacks_weights_is_refused(tmp_path: Path) -> None:
    save_seeing_gemma(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    (lost, *_) = [name for name in tensors if "layers.1.mlp" in name and name.startswith("language_model")]
    del tensors[lost]
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(ModelUnavailable, match=r"do not fit its config\.json"):
        load_language_model(tmp_path, templates(), LOGIT)


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_bfloat16_scores_are_near(kind: str, tmp_path: Path) -> None:
    model = small_model(kind, initializer_range=0.05)
    save_value_model(model, tmp_path)
    assert score(load_value_model(tmp_path, dtype="bfloat16"), REQUEST) == pytest.approx(
        score(model, REQUEST), abs=0.1
    )


def test_another_vocabulary_is_refused(folder: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"logit 9999 lies outside a vocabulary of {VOCABULARY}"):
        load_language_model(folder, templates(), 9999)
    save_value_model(small_model("gemma", vocab_size=50), folder)
    with pytest.raises(ModelUnavailable, match="its model 50"):
        load_value_model(folder)


def test_a_missing_tensor_is_never_drawn_at_random(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelUnavailable, match=r"1 tensors, model\.layers\.1\.mlp"):
        load_value_model(folder)


def test_a_pickle_is_not_read(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(ModelUnavailable, match="does not load"):
        load_value_model(folder)


def test_damage_is_one_clear_error(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelUnavailable, match="does not load"):
        load_value_model(folder)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("[]", "does not describe"),
        ('{"format": "other", "version": 1}', "something else"),
        ('{"format": "pasta-value-model", "version": 2}', "version 2"),
        ('{"format": "pasta-value-model", "version": 1, "logit": 3, "offset": 0}', "wrong value"),
        (
            '{"format": "pasta-value-model", "version": 1, "logit": 3, "offset": 0,'
            ' "templates": {"history": "{{ x }}", "candidate": "y"}}',
            "wrong value",
        ),
    ],
)
def test_a_strange_description_is_refused(folder: Path, document: str, message: str) -> None:
    (folder / "value_model.json").write_text(document)
    with pytest.raises(ModelUnavailable, match=message):
        load_value_model(folder)


def test_another_architecture_and_an_empty_folder_are_refused(folder: Path, tmp_path: Path) -> None:
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "llama"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelUnavailable, match="'llama' model"):
        load_value_model(folder)
    with pytest.raises(ModelUnavailable, match="there is no value model"):
        load_value_model(tmp_path / "nothing")


def test_a_model_of_another_profile_is_refused_with_the_reason(tmp_path: Path) -> None:
    save_value_model(small_model("gemma"), tmp_path / "own", {"profiles": ["sdxl"]})
    save_value_model(small_model("gemma"), tmp_path / "silent", {"profiles": "sdxl"})
    with pytest.raises(ModelUnavailable, match="was trained for profile sdxl, not for micro") as raised:
        load_value_model(tmp_path / "own", profiles=("micro",))
    assert "value_model in a profile" in raised.value.hint
    # a profile that extends the one it was trained for, nobody who asks, and a model that does not say
    for folder, profiles in (("own", ("mine", "sdxl")), ("own", ()), ("silent", ("micro",))):
        assert load_value_model(tmp_path / folder, profiles=profiles).network is not None


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_half_precision_keeps_the_order_of_values(kind: str, tmp_path: Path) -> None:
    save_value_model(small_model(kind), tmp_path)
    exact, half = load_value_model(tmp_path), load_value_model(tmp_path, dtype="bfloat16")
    assert exact.network.language_model.dtype == torch.float32, "a CPU's type"
    assert half.network.language_model.dtype == torch.bfloat16
    assert score(half, REQUEST) == pytest.approx(score(exact, REQUEST), rel=0.2, abs=0.2)
