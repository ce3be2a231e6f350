"""The prompt of a request as a model reads it: tokens, and pictures where it sees any."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from pasta_core.agent.chat import ChatFrame
from pasta_core.agent.llama_weights import LlamaWeights
from pasta_core.agent.pictures import INITIAL, picture_name
from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.templates import WriterTemplate, split_pictures
from pasta_core.domain import Pixels
from pasta_core.errors import PastaError
from pasta_core.settings import WriterProfile

__all__ = ["Part", "Prompt", "WriterPrompt"]

_TOKENS_PER_WORD = 3
"""How many tokens of context are kept free for a word of the answer."""

Part: TypeAlias = "list[int] | Pixels"
"""Tokens, or a picture."""


@dataclass(frozen=True)
class Prompt:
    """The parts of a prompt in their order, and how many turns and pictures there was no room for."""

    parts: tuple[Part, ...]
    forgotten: int = 0
    left_out: int = 0

    @property
    def tokens(self) -> list[int]:
        """The tokens of a prompt without pictures."""
        return [token for part in self.parts if isinstance(part, list) for token in part]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should read of it, in words that stay the same from turn to turn."""
        why = "its context holds no more (writer.context)"
        forgets = (f"the writer forgets the oldest turns: {why}",) if self.forgotten else ()
        overlooks = (f"the writer does not see the oldest images: {why}",) if self.left_out else ()
        return forgets + overlooks


class WriterPrompt:
    """Makes prompts for a context of so many tokens.

    Raises `ModelUnavailable` where the template's file or the model's own chat template is of no use.
    """

    def __init__(self, profile: WriterProfile, model: LlamaWeights, context: int) -> None:
        self._template = WriterTemplate.load(profile.template)
        self._model = model
        self._context = context
        begin, end = model.begin_and_end
        name = model.path.name
        self._frame = ChatFrame.of(model.chat_template, begin, end, name) if profile.chat else None

    def of(
        self,
        request: WriteRequest,
        pictures: Mapping[str, Pixels] | None = None,
        cost: Callable[[Pixels], int] = lambda picture: 0,
    ) -> Prompt:
        """The prompt that asks for an answer and leaves it room in the context.

        The history is kept whole unless it overflows the context, then its oldest turns go first. Of
        `pictures` (by `picture_name`), those of the newest turns come along that fit, at `cost` tokens each.
        Raises `PastaError` where not even one turn fits.
        """
        lines = request.form.total + (0 if request.form.direct else request.form.categories)
        room = self._context - lines * (request.max_words * _TOKENS_PER_WORD + 3)
        room = max(room, self._context // 4)
        for skipped in range(max(1, len(request.turns))):
            kept = replace(request, turns=request.turns[skipped:])
            tokens = self.asked(self._template.render(kept))
            if len(tokens) <= room:
                return self._with_pictures(kept, skipped, tokens, pictures or {}, room - len(tokens), cost)
        raise PastaError(
            f"the prompt is too long for the writer's context of {self._context} tokens",
            "set a larger writer.context or start from a shorter prompt",
        )

    def asked(self, message: str) -> list[int]:
        """The tokens of a message inside the model's own chat form, if it has one."""
        return Prompt(tuple(self._framed([message]))).tokens

    def _with_pictures(
        self,
        request: WriteRequest,
        skipped: int,
        tokens: list[int],
        pictures: Mapping[str, Pixels],
        room: int,
        cost: Callable[[Pixels], int],
    ) -> Prompt:
        taken: set[str] = set()
        for turn in _newest_first(request, skipped):
            names = [name for name in turn if name in pictures]
            room -= sum(cost(pictures[name]) for name in names)
            if room < 0:
                break
            taken.update(names)
        if not taken:
            return Prompt((tokens,), skipped, len(pictures))
        pieces = split_pictures(self._template.render(request, taken, skipped))
        shown = [piece for place, piece in enumerate(pieces) if place % 2]
        parts = self._framed(pieces[::2])
        for place, name in enumerate(shown):
            parts.insert(2 * place + 1, pictures[name])
        return Prompt(tuple(parts), skipped, len(pictures) - len(taken))

    def _framed(self, texts: Sequence[str]) -> list[Part]:
        """The tokens of each text, the first and the last with what the chat template puts around them.

        Texts are tokenised apart from it, so that nothing in them can read as one of the model's control
        tokens.
        """
        model = self._model
        if self._frame is None:
            return [model.tokenize(text, begin=not place) for place, text in enumerate(texts)]
        begin, _ = model.begin_and_end
        opened = bool(begin) and self._frame.before.startswith(begin)
        parts: list[list[int]] = [model.tokenize(text) for text in texts]
        parts[0] = model.tokenize(self._frame.before, begin=not opened, special=True) + parts[0]
        parts[-1] = parts[-1] + model.tokenize(self._frame.after, special=True)
        return [*parts]


def _newest_first(request: WriteRequest, skipped: int) -> Iterator[list[str]]:
    """The names of each turn's pictures, the initial prompt's at last."""
    for place in reversed(range(len(request.turns))):
        prompts = request.turns[place].prompts
        yield [picture_name(skipped + place + 1, column) for column in range(len(prompts))]
    if not skipped:
        yield [INITIAL]
