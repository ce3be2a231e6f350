"""The micro writer's bars: form, budget, variety, faithfulness, and llama.cpp against transformers."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING

import numpy as np

from pasta_core.agent.llama import LlamaModel
from pasta_core.agent.templates import WriterTemplate
from pasta_core.agent.writer import LlamaWriter
from pasta_core.domain import Candidate, CandidateForm
from pasta_core.errors import PastaError
from pasta_core.microworld.captions import parse_attributes
from pasta_core.microworld.dialogues import VERY_DIFFERENT, Dialogue, sample_dialogue
from pasta_core.microworld.grammar import held_out_scenes
from pasta_core.seeds import derive_seed

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

__all__ = ["WriterBars", "agreement_with_weights", "bar_dialogues", "measure_writer"]

TURNS = 5


@dataclass(frozen=True)
class WriterBars:
    """Figures over all prompts; shares are in [0, 1] and count candidates, `formed` counts answers."""

    prompts: int
    formed: float
    """Answers of 5 categories x 5 prompts."""
    within_budget: float
    distinct: float
    """Different attribute sets in an answer, as a share of its candidates."""
    subject_kept: float
    """Outside the very different category, where the current prompt names a subject."""
    critique_followed: float
    """Where the last choice carries a critique."""
    rest_kept: float
    """The current prompt's other attributes that a candidate outside that category still says."""
    seconds: float
    """Median time of an answer."""


def bar_dialogues(count: int, seed: int) -> Iterator[Dialogue]:
    """Held-out scenes as initial prompts; turns 1 to 5 in equal parts, half of the later with a critique."""
    scenes = held_out_scenes()
    for index in range(count):
        rng = random.Random(derive_seed(seed, "writer bars", index))
        turn = index % TURNS + 1
        dialogue = sample_dialogue(
            rng,
            turn=turn,
            form=CandidateForm(),
            critique=rng.random() < 0.5,
            scene=scenes[index % len(scenes)],
        )
        request = replace(dialogue.request, seed=derive_seed(seed, "writer bars", "write", index))
        yield replace(dialogue, request=request)


def measure_writer(
    writer: LlamaWriter,
    count: int = 500,
    seed: int = 0,
    report: Callable[[int, int], None] | None = None,
) -> WriterBars:
    """Let the writer answer `count` requests and measure the answers by what their texts say."""
    shares: dict[str, list[float]] = {
        name: [] for name in ("budget", "distinct", "subject", "critique", "rest")
    }
    formed: list[bool] = []
    seconds: list[float] = []
    for done, dialogue in enumerate(bar_dialogues(count, seed), start=1):
        started = time.perf_counter()
        try:
            answer = writer.write(dialogue.request, lambda: False, lambda _done, _total: None)
        except PastaError:
            formed.append(False)
            continue
        seconds.append(time.perf_counter() - started)
        formed.append(_is_formed(answer))
        for name, values in _measure(dialogue, answer).items():
            shares[name].extend(values)
        if report:
            report(done, count)
    return WriterBars(
        prompts=count,
        formed=fmean(formed),
        within_budget=_share(shares["budget"]),
        distinct=_share(shares["distinct"]),
        subject_kept=_share(shares["subject"]),
        critique_followed=_share(shares["critique"]),
        rest_kept=_share(shares["rest"]),
        seconds=median(seconds) if seconds else 0.0,
    )


def _share(values: list[float]) -> float:
    """The mean; 0 where a writer gave no answer that could be measured."""
    return fmean(values) if values else 0.0


def _is_formed(answer: tuple[Candidate, ...]) -> bool:
    form = CandidateForm()
    names = [candidate.category for candidate in answer[:: form.per_category]]
    expected = [name for name in names for _ in range(form.per_category)]
    return len(set(names)) == form.categories and [candidate.category for candidate in answer] == expected


def _measure(dialogue: Dialogue, answer: tuple[Candidate, ...]) -> dict[str, list[float]]:
    current = parse_attributes(dialogue.request.current_prompt)
    said = [parse_attributes(candidate.prompt) for candidate in answer]
    near = [
        attributes
        for attributes, candidate in zip(said, answer, strict=True)
        if candidate.category != VERY_DIFFERENT
    ]
    rest = [(name, value) for name, value in current.known().items() if name != "subject"]
    return {
        "budget": [len(candidate.prompt.split()) <= dialogue.request.max_words for candidate in answer],
        "distinct": [len(set(said)) / len(said)],
        "subject": [one.subject == current.subject for one in near] if current.subject else [],
        "critique": [dialogue.effect.followed_by(one) for one in said] if dialogue.effect else [],
        "rest": [getattr(one, name) == value for one in near for name, value in rest],
    }


def agreement_with_weights(
    folder: Path, work: Path, template: Path, quantisation: str, prompts: int = 100, tokens: int = 48
) -> float:
    """The share of prompts whose greedy tokens in llama.cpp equal those of transformers in float32.

    Both run the model as it is shipped: `folder` holds `writer.gguf`, whose weights transformers reads. They
    are exported anew to `work` in `quantisation` for llama.cpp, whose cache is kept in float32; a form no
    coarser than the shipped one loses nothing, so it compares the two programs alone.
    """
    # only this measurement needs the training stack
    from tokenizers import Tokenizer

    from pasta_core.microworld.recipes.gguf_export import export_gguf, weights_of
    from pasta_core.microworld.recipes.writer_tokens import END

    weights = weights_of(folder / "writer.gguf")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    path = work / f"agreement-{quantisation}.gguf"
    export_gguf(weights, tokenizer, END, path, quantisation)
    model = LlamaModel(path, 4096, 1, exact_cache=True)
    rendered = WriterTemplate.load(template)
    equal = []
    for dialogue in bar_dialogues(prompts, seed=1):
        prompt = tokenizer.encode(rendered.render(dialogue.request)).ids
        equal.append(_greedy_tokens_agree(model, weights, prompt, tokens))
    model.close()
    return fmean(equal)


def _greedy_tokens_agree(model: LlamaModel, weights: LlamaForCausalLM, prompt: list[int], count: int) -> bool:
    import torch

    model.clear()
    model.feed(prompt, lambda: False)
    written: list[int] = []
    for _ in range(count):
        written.append(int(np.argmax(model.logits())))
        model.feed(written[-1:], lambda: False)
    # one pass over prompt and answer says what transformers' greedy search writes as long as both agree
    with torch.inference_mode():
        logits = weights(torch.tensor([[*prompt, *written]])).logits[0, len(prompt) - 1 : -1]
    return bool(written == logits.argmax(-1).tolist())
