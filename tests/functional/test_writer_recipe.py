"""The writer's recipe in small: it leaves a working writer behind, and doing it again changes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.writer import LlamaWriter
from pasta_core.domain import CandidateForm
from pasta_core.microworld.recipes.gguf_export import export_gguf, weights_of
from pasta_core.microworld.recipes.writer_recipe import TEMPLATE, WriterRecipe, build_model, train_writer
from pasta_core.microworld.recipes.writer_tokens import END, train_tokenizer
from pasta_core.settings import WriterProfile

SMALL = WriterRecipe(layers=1, width=64, heads=2, inner=64, dialogues=2, pool=2, warm_up=2)


def test_a_small_training_makes_a_writer_that_loads_and_is_measured(tmp_path: Path) -> None:
    heard: list[tuple[str, Mapping[str, float]]] = []

    def report(part: str, figures: Mapping[str, float]) -> None:
        heard.append((part, figures))

    out, work = tmp_path / "out", tmp_path / "work"
    (work / "writer").mkdir(parents=True)
    (work / "writer" / "plan.json").write_text(json.dumps({"steps": 8, "earlier_steps": 0}))
    train_writer(out, work, 3, report, minutes=1, resume=True, recipe=SMALL, bar_prompts=2)
    assert heard[-1][0] == "writer bars"
    made = (out / "writer.gguf").read_bytes()
    assert "greedy_agreement" in json.loads((out / "bars.json").read_text())
    card = (out / "README.md").read_text()
    assert "8 steps of 2 rows" in " ".join(card.split())

    train_writer(out, work, 3, report, minutes=1, resume=True, recipe=SMALL, bar_prompts=0)
    assert (out / "writer.gguf").read_bytes() == made

    writer = LlamaWriter(WriterProfile(out / "writer.gguf", TEMPLATE, chat=False, parallel=False, threads=1))
    request = WriteRequest("a red train", (), CandidateForm(2, 2), 12, seed=1)
    assert len(writer.write(request, lambda: False, lambda done, total: None)) == 4
    writer.close()


def test_an_exported_model_comes_back_as_it_was(tmp_path: Path) -> None:
    torch.manual_seed(0)
    tokenizer = train_tokenizer()
    model = build_model(SMALL, tokenizer)
    export_gguf(model, tokenizer, END, tmp_path / "writer.gguf", "f32")
    back = weights_of(tmp_path / "writer.gguf").state_dict()
    assert back.keys() == model.state_dict().keys()
    assert all(torch.equal(back[name], value) for name, value in model.state_dict().items())
