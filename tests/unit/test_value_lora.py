"""Adapters of value models: what learns, what is stored, and that it comes back as base and adapter."""

from __future__ import annotations

import builtins
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from pasta_core.agent.requests import ShownTurn, ValueRequest
from pasta_core.agent.scoring import score
from pasta_core.agent.value_model import ValueModel
from pasta_core.agent.value_model_adapter import LoraSettings
from pasta_core.agent.value_model_files import load_language_model, load_value_model, save_value_model
from pasta_core.agent.value_model_lora import ADAPTER, with_adapter
from pasta_core.data.sources import parse_source
from pasta_core.errors import InvalidInput, ModelUnavailable, PastaError
from pasta_core.training.em_state import EmState
from pasta_core.training.loop import CHECKPOINT
from pasta_core.training.user_model_run import UserModelRun
from pasta_core.training.value_base import base_fingerprint
from pasta_core.training.value_presets import Objective, Reward, ValueModelConfig, value_preset
from pasta_core.training.value_run import ValueFolder, ValueTask, train_value_model
from pasta_core.training.value_sources import ValueData, read_value_data
from tests.support.paid_trajectories import write_paid
from tests.support.small_gemmas import ARCHITECTURES, LOGIT, small_model, templates

REQUEST = ValueRequest(
    "a train", (ShownTurn(("a train at night", "a train in snow"), 0),), ("a red train", "a boat at night")
)
SMALL = LoraSettings(rank=3, alpha=5.0)


def _base(folder: Path, kind: str) -> Path:
    save_value_model(small_model(kind), folder)
    return folder


def _adapted(base: Path, settings: LoraSettings = SMALL) -> ValueModel:
    model = with_adapter(load_language_model(base, templates("micro-"), LOGIT), base, settings, seed=3)
    model.network.eval()
    return model


def _moved(model: ValueModel) -> ValueModel:
    """The same model with adapters that do something: the second matrices begin at zero."""
    torch.manual_seed(9)
    for name, parameter in model.network.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter.detach(), std=0.3)
    return model


@pytest.mark.parametrize("kind", ARCHITECTURES)
def test_an_adapter_begins_as_its_base_and_comes_back_merged(kind: str, tmp_path: Path) -> None:
    base = _base(tmp_path / "base", kind)
    whole = load_value_model(base)
    model = _adapted(base)
    assert score(model, REQUEST) == pytest.approx(score(whole, REQUEST), abs=1e-6)
    learns = [name for name, one in model.network.named_parameters() if one.requires_grad]
    assert learns and all("lora_" in name for name in learns)
    assert len(learns) == 3 * 7 * 2, "a pair for every projection of every block"

    before = score(_moved(model), REQUEST)
    assert before != pytest.approx(score(whole, REQUEST), abs=1e-3)
    model.network.offset = 0.5
    save_value_model(model, tmp_path / "adapter", {"steps": 3})
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    again = load_value_model(tmp_path / "adapter")
    assert score(again, REQUEST) == pytest.approx([value + 0.5 for value in before], abs=1e-4)
    assert not any("lora" in name for name, _ in again.network.named_parameters())
    # merged, it is a whole model like any other
    save_value_model(again, tmp_path / "merged")
    assert score(load_value_model(tmp_path / "merged"), REQUEST) == score(again, REQUEST)


def test_peft_itself_reads_what_is_stored(tmp_path: Path) -> None:
    import peft

    base = _base(tmp_path / "base", "gemma")
    model = _moved(_adapted(base))
    save_value_model(model, tmp_path / "adapter")
    theirs = load_language_model(base, templates("micro-"), LOGIT).network.language_model
    read = peft.PeftModel.from_pretrained(theirs, str(tmp_path / "adapter")).eval()
    tokens = torch.tensor([[0, 5, 7, 900]])
    ours = model.network.language_model(tokens).logits
    assert torch.allclose(read(tokens).logits, ours, atol=1e-5)


def test_the_base_is_found_beside_the_adapter_and_no_other_takes_its_place(tmp_path: Path) -> None:
    base = _base(tmp_path / "base", "gemma")
    model = _moved(_adapted(base))
    save_value_model(model, tmp_path / "adapter")
    values = score(load_value_model(tmp_path / "adapter"), REQUEST)
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    base.rename(moved / "base")
    with pytest.raises(ModelUnavailable, match="needs its base base, which is not in"):
        load_value_model(tmp_path / "adapter")
    (tmp_path / "adapter").rename(moved / "adapter")
    assert score(load_value_model(moved / "adapter"), REQUEST) == values
    save_value_model(small_model("gemma", seed=1), base)
    assert score(load_value_model(moved / "adapter"), REQUEST) == values, "another model lies where it was"
    save_value_model(small_model("gemma", seed=1), moved / "base")
    with pytest.raises(ModelUnavailable, match="is not the one that"):
        load_value_model(moved / "adapter")


def test_a_base_with_other_weights_of_the_same_shape_is_another_base(tmp_path: Path) -> None:
    base = _base(tmp_path / "base", "gemma")
    before, sizes = base_fingerprint(base), {file.name: file.stat().st_size for file in base.iterdir()}
    assert base_fingerprint(_base(tmp_path / "again", "gemma")) == before
    save_value_model(small_model("gemma", seed=1), base)
    assert {file.name: file.stat().st_size for file in base.iterdir()} == sizes
    assert base_fingerprint(base) != before


@pytest.mark.parametrize("entry", [{}, [], "base", {"name": "base", "path": 3, "digest": "0"}])
def test_an_adapter_that_does_not_say_its_base_is_one_clear_error(entry: Any, tmp_path: Path) -> None:
    base, folder = _base(tmp_path / "base", "gemma"), tmp_path / "adapter"
    save_value_model(_moved(_adapted(base)), folder)
    document = json.loads((folder / "value_model.json").read_text())
    (folder / "value_model.json").write_text(json.dumps(document | {"base": entry}))
    with pytest.raises(ModelUnavailable, match="does not say which base"):
        load_value_model(folder)


@pytest.mark.parametrize("damage", ["cut", "lacking", "foreign", "configuration"])
def test_a_damaged_adapter_is_one_clear_error(damage: str, tmp_path: Path) -> None:
    base, folder = _base(tmp_path / "base", "gemma"), tmp_path / "adapter"
    save_value_model(_moved(_adapted(base)), folder)
    file = folder / ADAPTER
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("q_proj.lora_A.weight"))
    match damage:
        case "cut":
            file.write_bytes(file.read_bytes()[:100])
        case "lacking":
            save_file({key: value for key, value in weights.items() if key != name}, file)
        case "foreign":
            save_file(weights | {name: torch.zeros(3, 8)}, file)
        case "configuration":
            (folder / "adapter_config.json").write_text("{}")
    with pytest.raises(ModelUnavailable, match="adapter"):
        load_value_model(folder)


def _training(
    folder: Path, data: ValueData, base: Path, config: ValueModelConfig, stop_after: int | None = None
) -> bool:
    told: list[Any] = []
    place = ValueFolder(folder)
    place.begin({})
    stop = lambda: stop_after is not None and len(told) >= stop_after  # noqa: E731
    run = UserModelRun(place, 1, told.append, stop=stop)
    return train_value_model(run, _adapted(base), data, ValueTask(config, Objective.IQL, Reward.SPARSE))


def test_an_adapter_learns_and_a_stopped_training_ends_at_the_same_bytes(tmp_path: Path) -> None:
    write_paid(tmp_path / "paid.parquet", 30)
    data = read_value_data([parse_source(f"trajectories:{tmp_path / 'paid.parquet'}")], Reward.SPARSE)
    base = _base(tmp_path / "base", "gemma3_text")
    changes = {"steps": 6, "batch": 9, "report_every": 2, "warm_up": 1, "tokens": 2000, "held_out_most": 2}
    config = replace(value_preset("micro"), **changes)
    assert _training(tmp_path / "whole", data, base, config)
    assert not _training(tmp_path / "stopped", data, base, config, stop_after=1)
    kept = load_file(tmp_path / "stopped" / "value-model" / CHECKPOINT)
    names = [name for name in kept if name.startswith("model.")]
    assert names and all("lora_" in name for name in names), "a checkpoint holds nothing of the base"
    assert _training(tmp_path / "stopped", data, base, config)
    for name in (ADAPTER, "adapter_config.json", "value_model.json", f"best/{ADAPTER}"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name
    learnt = load_file(tmp_path / "whole" / ADAPTER)
    assert all(value.abs().max() > 0 for name, value in learnt.items() if "lora_B" in name)
    document = json.loads((tmp_path / "whole" / "value_model.json").read_text())
    assert document["base"]["name"] == "base"
    assert score(load_value_model(tmp_path / "whole"), REQUEST)


def test_the_target_network_shares_what_does_not_learn(tmp_path: Path) -> None:
    state = EmState(_adapted(_base(tmp_path / "base", "gemma")).network)
    pairs = zip(state.live.named_parameters(), state.target.named_parameters(), strict=True)
    for (name, live), (_, target) in pairs:
        assert (live is target) == ("lora_" not in name), name


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"rank": 0}, "lora_rank is 0"), ({"alpha": 0.0}, "lora_alpha"), ({"targets": " ,"}, "names no layer")],
)
def test_settings_out_of_range_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        LoraSettings(**changes)


def test_what_has_no_such_layer_or_is_no_whole_model_is_refused(tmp_path: Path) -> None:
    base = _base(tmp_path / "base", "gemma")
    with pytest.raises(InvalidInput, match="no layer 'x_proj'"):
        _adapted(base, LoraSettings(targets="q_proj,x_proj"))
    model = _moved(_adapted(base))
    save_value_model(model, tmp_path / "adapter")
    with pytest.raises(InvalidInput, match="is no whole model"):
        with_adapter(load_value_model(tmp_path / "adapter"), tmp_path / "adapter", SMALL, 0)


def test_without_peft_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = _base(tmp_path / "base", "gemma")
    save_value_model(_moved(_adapted(base)), tmp_path / "adapter")
    whole = load_language_model(base, templates("micro-"), LOGIT)
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "peft":
            raise ModuleNotFoundError("No module named 'peft'")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PastaError, match="needs peft") as caught:
        with_adapter(whole, base, SMALL, 0)
    assert caught.value.hint == "install pasta-t2i[lora]"
    # who only uses an adapter needs no peft
    assert score(load_value_model(tmp_path / "adapter"), REQUEST)
