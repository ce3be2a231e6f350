"""The micro writer's model card: data, recipe, time and measured quality, written from what was measured."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path

from pasta_core.agent.writer import LlamaWriter
from pasta_core.microworld.recipes.writer_bars import agreement_with_weights, measure_writer
from pasta_core.settings import WriterProfile
from pasta_core.training.loop import Report

__all__ = ["write_card"]

_CARD = """\
# The micro writer

Writes the candidate prompts of the `micro` profile: a Llama with {parameters:,} parameters ({layers} layers,
width {width}, {heads} heads), as `writer.gguf` ({quantisation}, {size:.1f} MB): llama.cpp writes with it,
and a further training starts from it.

**Data.** Dialogues generated from the scene grammar (`pasta_core/microworld/dialogues.py`): an initial prompt
with attributes left out, abstract ideas, unknown words; up to four turns of prompts with choices drawn at
random (no rater has a part in them) and critiques; an answer of 5 categories x 5 prompts or the direct form.
Full scenes that are held out never start a dialogue.

**Recipe.** `pasta_core/microworld/recipes/writer_recipe.py`, seed {seed}: {steps:,} steps of {dialogues}
rows ({samples:,} in all, each one dialogue or three short ones) after {earlier_steps:,} steps of
earlier runs, AdamW at {peak_rate}, bfloat16 autocast, loss on histories and answers; the last run took
{minutes:.0f} minutes. The tokenizer is byte-level BPE, one token for every known word.

**Measured** on {prompts} requests over turns 1-5 that start from held-out scenes, sampled as in a session
(nucleus 0.8, temperature 1), one thread:

| what | share | bar |
|---|---|---|
| answers of 5 categories x 5 prompts | {formed:.1%} | 100 % |
| prompts within the word budget | {within_budget:.1%} | 100 % |
| distinct attribute sets in an answer | {distinct:.1%} | 95 % |
| subject kept outside "very different" | {subject_kept:.1%} | 95 % |
| critique followed | {critique_followed:.1%} | 80 % |
| other attributes kept outside "very different" | {rest_kept:.1%} | - |

Median time of an answer: {seconds:.2f} s. Greedy tokens of llama.cpp equal to those of transformers, which
reads the shipped file's weights into float32, on {agreement_prompts} prompts (48 tokens each): exported
again as f32 {f32:.0%}, as f16 (as shipped) {f16:.0%}, as q8_0 {q8_0:.0%}.

**Limits.** It knows the words of the microworld; others are read as noise. It sees of an image
only what its tags say.
"""


def write_card(
    out: Path, template: Path, count: int, report: Report, *, agreement_prompts: int = 100
) -> None:
    """Measure the writer in `out` on `count` requests and write `README.md` and `bars.json` beside it."""
    profile = WriterProfile(out / "writer.gguf", template, chat=False, parallel=False, threads=1)
    writer = LlamaWriter(profile)
    measured = measure_writer(writer, count, report=lambda done, total: _tell(report, done, total))
    writer.close()
    with tempfile.TemporaryDirectory() as folder:
        agreement = {
            kind: agreement_with_weights(out, Path(folder), template, kind, agreement_prompts)
            for kind in ("f32", "f16", "q8_0")
        }
    bars = {**asdict(measured), "greedy_agreement": agreement}
    (out / "bars.json").write_text(json.dumps(bars, indent=2) + "\n", encoding="utf-8")
    facts = json.loads((out / "training.json").read_text(encoding="utf-8"))
    card = _CARD.format(
        **facts,
        **asdict(measured),
        **agreement,
        agreement_prompts=agreement_prompts,
        samples=facts["steps"] * facts["dialogues"],
        size=profile.model.stat().st_size / 1e6,
    )
    (out / "README.md").write_text(card, encoding="utf-8")


def _tell(report: Report, done: int, total: int) -> None:
    if done % 50 == 0 or done == total:
        report("writer bars", {"step": done, "steps": total})
