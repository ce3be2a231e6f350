"""Prompts as the UNet reads them: encoded once each, and kept for their images and for later turns."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from torch import Tensor

__all__ = ["Conditioning", "Conditions", "PromptEncoder", "stacked"]

REMEMBERED = 256
"""How many encoded prompts are kept, 320 kB each at SDXL's size in half precision."""


@dataclass(frozen=True)
class Conditioning:
    """What the UNet reads of a prompt: token states (1, n, d), pooled state (1, e), those of the negative."""

    states: Tensor
    pooled: Tensor
    negative: tuple[Tensor, Tensor] | None = None


@dataclass(frozen=True)
class Conditions:
    """The conditionings of a pass: token states (n, t, d), and what is added to the time embedding.

    With guidance there are 2n rows, the negative ones first.
    """

    states: Tensor
    added: dict[str, Tensor]

    def unguided(self, rows: int) -> Conditions:
        """The last `rows` of them, those of the prompts."""
        return Conditions(self.states[-rows:], {name: value[-rows:] for name, value in self.added.items()})


class PromptEncoder:
    """Both text encoders of a pipeline, and what they have said lately; used from one thread."""

    def __init__(
        self, pipe: StableDiffusionXLPipeline, device: torch.device, guided: bool, negative: str = ""
    ) -> None:
        self._pipe = pipe
        self._device = device
        self._guided = guided
        # of no negative prompt the pipeline knows what its model was trained with
        self._negative_prompt = negative or None
        self._negative: tuple[Tensor, Tensor] | None = None
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()

    @torch.inference_mode()
    def encode(self, prompt: str, note: Callable[[str], None]) -> Conditioning:
        """Encode a prompt, once; always alone, so that its numbers never depend on other prompts.

        `note` gets a line where the prompt is longer than the text encoders read.
        """
        if prompt in self._kept:
            self._kept.move_to_end(prompt)
            return self._kept[prompt]
        if self._guided and self._negative is None and self._negative_prompt:
            self._say_lost(self._negative_prompt, "of the negative prompt ", note)
        self._say_lost(prompt, "", note)
        known_states, known_pooled = self._negative or (None, None)
        states, negative_states, pooled, negative_pooled = self._pipe.encode_prompt(
            prompt,
            device=self._device,
            do_classifier_free_guidance=self._guided,
            negative_prompt=self._negative_prompt,
            negative_prompt_embeds=known_states,
            negative_pooled_prompt_embeds=known_pooled,
        )
        if self._guided and self._negative is None:
            self._negative = (negative_states, negative_pooled)
        self._kept[prompt] = Conditioning(states, pooled, self._negative)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
        return self._kept[prompt]

    def knows(self, prompt: str) -> bool:
        """Whether it is encoded already."""
        return prompt in self._kept

    def _say_lost(self, prompt: str, whose: str, note: Callable[[str], None]) -> None:
        if lost := self._lost(prompt):
            note(f"the painter reads only so far, {whose}it does not see: {lost}")

    def _lost(self, prompt: str) -> str:
        """The end of the prompt that no text encoder reads, empty where all of it fits one."""
        ends = []
        for tokenizer in filter(None, (self._pipe.tokenizer, self._pipe.tokenizer_2)):
            ids = tokenizer(prompt, add_special_tokens=False).input_ids
            room = tokenizer.model_max_length - tokenizer.num_special_tokens_to_add()
            ends.append(str(tokenizer.decode(ids[room:])).strip())
        return min(ends, key=len)


def stacked(conditionings: Sequence[Conditioning], size: int) -> Conditions:
    """The conditions of a pass over square images of `size` pixels."""
    states = torch.cat([one.states for one in conditionings])
    pooled = torch.cat([one.pooled for one in conditionings])
    negatives = [one.negative for one in conditionings if one.negative is not None]
    if negatives:
        states = torch.cat([*(negative for negative, _ in negatives), states])
        pooled = torch.cat([*(negative for _, negative in negatives), pooled])
    # SDXL's micro-conditioning: original size, crop corner and target size of a picture shown whole.
    side = float(size)
    time_ids = torch.tensor([[side, side, 0.0, 0.0, side, side]], dtype=states.dtype)
    added = {"text_embeds": pooled, "time_ids": time_ids.to(states.device).repeat(len(states), 1)}
    return Conditions(states, added)
