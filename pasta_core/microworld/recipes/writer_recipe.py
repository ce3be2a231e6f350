"""The recipe that trains the micro writer: a small Llama on generated dialogues, exported to GGUF."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F
from transformers import LlamaConfig, LlamaForCausalLM

from pasta_core.agent.templates import WriterTemplate
from pasta_core.domain import CandidateForm
from pasta_core.microworld.dialogues import Dialogue, answer_text, sample_dialogue
from pasta_core.microworld.recipes.gguf_export import export_gguf, weights_of
from pasta_core.microworld.recipes.writer_card import write_card
from pasta_core.microworld.recipes.writer_tokens import END, end_token, train_tokenizer
from pasta_core.seeds import derive_seed
from pasta_core.training.loop import LoopConfig, Report, train

__all__ = ["WriterRecipe", "build_model", "train_writer"]

GGUF = "writer.gguf"
TEMPLATE = Path(__file__).parents[3] / "assets" / "templates" / "micro-writer.txt"


@dataclass(frozen=True)
class WriterRecipe:
    """What decides the result, apart from the seed and the number of steps."""

    layers: int = 4
    width: int = 192
    heads: int = 4
    inner: int = 512
    dialogues: int = 8
    """Rows a step: a dialogue each, or several short ones."""
    pool: int = 8
    """Steps whose rows are drawn together and sorted by length, so that little is padded."""
    lessons: float = 0.7
    """Share of rows that pack short dialogues, mostly with a critique: a few prompts each, so that what was
    asked for weighs more in the loss than the rewording of 25 prompts."""
    lessons_a_row: int = 3
    longest: int = 1280
    """Rows of more tokens are left out."""
    peak_rate: float = 3e-3
    warm_up: int = 50
    decay: float = 0.5
    weight_decay: float = 0.05
    quantisation: str = "f16"


@dataclass(frozen=True)
class _Plan:
    """How many steps a training takes, and how many made the weights that it starts from."""

    steps: int
    earlier_steps: int


def build_model(recipe: WriterRecipe, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """The micro writer with fresh weights."""
    end = end_token(tokenizer)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=tokenizer.get_vocab_size(),
            hidden_size=recipe.width,
            intermediate_size=recipe.inner,
            num_hidden_layers=recipe.layers,
            num_attention_heads=recipe.heads,
            num_key_value_heads=recipe.heads,
            max_position_embeddings=4096,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
        )
    )


def train_writer(
    out: Path,
    work: Path,
    seed: int,
    report: Report,
    minutes: float,
    resume: bool,
    recipe: WriterRecipe | None = None,
    template: Path = TEMPLATE,
    bar_prompts: int = 500,
) -> None:
    """Train the micro writer for about `minutes` and write it to `out` (`writer.gguf` and what made it).

    A few steps are timed to plan how many fit; from then on the schedule, the data and so the result depend
    on the seed alone. Checkpoints and the plan go to `work`: with `resume` an interrupted training goes on to
    the same result, and where `work` holds none it starts from the weights in `out`, if there are any. Then
    the writer is measured on `bar_prompts` requests and its model card written (0: neither).
    """
    recipe = recipe or WriterRecipe()
    torch.manual_seed(derive_seed(seed, "writer", "weights"))
    tokenizer = train_tokenizer()
    model = build_model(recipe, tokenizer)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    batches = _Batches(tokenizer, WriterTemplate.load(template), recipe, seed)
    loss = partial(_loss, model, batches)
    folder = work / "writer"
    if not resume:
        (folder / "checkpoint.safetensors").unlink(missing_ok=True)
        (folder / "plan.json").unlink(missing_ok=True)
    plan = _plan(folder, out, minutes, model, loss, resume)
    config = LoopConfig(
        steps=plan.steps,
        batch=recipe.dialogues,
        peak_rate=recipe.peak_rate,
        warm_up=recipe.warm_up,
        decay=recipe.decay,
        weight_decay=recipe.weight_decay,
    )
    started = time.monotonic()
    train("writer", model, loss, config, folder, report)
    facts = {
        "seed": seed,
        **asdict(plan),
        "minutes": (time.monotonic() - started) / 60,
        "parameters": sum(weights.numel() for weights in model.parameters()),
        **asdict(recipe),
    }
    _export(model, tokenizer, recipe.quantisation, facts, out)
    if bar_prompts:
        write_card(out, template, bar_prompts, report)


class _Batches:
    """Batches of tokenised dialogues; the batch of a step is always the same."""

    def __init__(
        self, tokenizer: Tokenizer, template: WriterTemplate, recipe: WriterRecipe, seed: int
    ) -> None:
        self._tokenizer = tokenizer
        self._end = end_token(tokenizer)
        self._template = template
        self._recipe = recipe
        self._seed = seed
        self._pool: tuple[int, list[list[list[int]]]] = (-1, [])

    def __getitem__(self, step: int) -> list[list[int]]:
        number, place = divmod(step, self._recipe.pool)
        if self._pool[0] != number:
            self._pool = (number, self._draw(number))
        return self._pool[1][place]

    def _draw(self, number: int) -> list[list[list[int]]]:
        rng = random.Random(derive_seed(self._seed, "writer", "pool", number))
        size = self._recipe.dialogues
        rows = sorted(self._rows(rng, size * self._recipe.pool), key=len)
        batches = [rows[start : start + size] for start in range(0, len(rows), size)]
        rng.shuffle(batches)
        return batches

    def _rows(self, rng: random.Random, count: int) -> Iterator[list[int]]:
        while count:
            row = self._row(rng)
            if len(row) <= self._recipe.longest:
                count -= 1
                yield row

    def _row(self, rng: random.Random) -> list[int]:
        if rng.random() >= self._recipe.lessons:
            return self._encode(sample_dialogue(rng))
        return [token for _ in range(self._recipe.lessons_a_row) for token in self._encode(_lesson(rng))]

    def _encode(self, dialogue: Dialogue) -> list[int]:
        prompt = self._tokenizer.encode(self._template.render(dialogue.request)).ids
        answer = self._tokenizer.encode(answer_text(dialogue.answer, dialogue.request.form)).ids
        return [*prompt, *answer, self._end]


def _lesson(rng: random.Random) -> Dialogue:
    """Many categories of one or two prompts: each has to go back to the current prompt and the critique.

    In a category of five, copying the line above is nearly always right, and that is what is learned.
    """
    form = CandidateForm(rng.randint(3, 6), rng.choice((1, 1, 2)))
    return sample_dialogue(rng, turn=rng.choice((1, 2, 2, 2, 3)), form=form, critique=rng.random() < 0.8)


def _loss(model: LlamaForCausalLM, batches: _Batches, step: int) -> Tensor:
    """Mean cross-entropy in nats of one step's dialogues, answers and histories alike.

    The history counts too: its shown prompts rephrase the prompt before them, which is what answers need.
    """
    rows = batches[step]
    longest = max(map(len, rows))
    tokens = torch.full((len(rows), longest), model.config.pad_token_id, dtype=torch.long)
    real = torch.zeros((len(rows), longest), dtype=torch.bool)
    for index, row in enumerate(rows):
        tokens[index, : len(row)] = torch.tensor(row)
        real[index, : len(row)] = True
    tokens, real = tokens.to(model.device), real[:, 1:].to(model.device)
    with torch.autocast(model.device.type, dtype=torch.bfloat16):
        # padding is on the right, where the causal mask already hides it from every token that counts
        hidden = model.model(input_ids=tokens[:, :-1], use_cache=False).last_hidden_state
        logits = model.lm_head(hidden[real])
    return F.cross_entropy(logits.float(), tokens[:, 1:][real])


def _plan(folder: Path, out: Path, minutes: float, model: LlamaForCausalLM, loss: Any, resume: bool) -> _Plan:
    """The plan in `folder`, or a new one: whose weights to start from, and how many steps fit the time."""
    file = folder / "plan.json"
    if file.is_file():
        return _Plan(**json.loads(file.read_text(encoding="utf-8")))
    earlier = _start_from(out, model) if resume else 0
    plan = _Plan(_fitting_steps(minutes, model, loss), earlier)
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    return plan


def _start_from(out: Path, model: LlamaForCausalLM) -> int:
    """Load the weights of an earlier training, if there are any; returns how many steps made them."""
    if not (out / GGUF).is_file():
        return 0
    model.load_state_dict(weights_of(out / GGUF).state_dict())
    facts = json.loads((out / "training.json").read_text(encoding="utf-8"))
    return int(facts["steps"]) + int(facts["earlier_steps"])


def _fitting_steps(minutes: float, model: LlamaForCausalLM, loss: Any) -> int:
    """How many steps fit, timed on a whole pool without changing a weight."""
    loss(0).backward()
    started, count = time.monotonic(), 8
    for step in range(count):
        loss(step).backward()
    model.zero_grad(set_to_none=True)
    return max(1, round(60 * minutes * count / (time.monotonic() - started)))


def _export(
    model: LlamaForCausalLM, tokenizer: Tokenizer, quantisation: str, facts: dict[str, Any], out: Path
) -> None:
    """Write the GGUF, which is also what a later training goes on from, and the facts of the training."""
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    export_gguf(model, tokenizer, END, out / GGUF, quantisation)
    (out / "training.json").write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
