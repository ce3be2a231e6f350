"""What writer and value model are asked, as plain data: it crosses a process boundary without images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from pasta_core.domain import Candidate, CandidateForm, History, Turn

__all__ = ["ShownTurn", "ValueRequest", "WriteRequest"]


@dataclass(frozen=True, slots=True)
class ShownTurn:
    """One finished turn as the models read it (Fig. 11, 12): shown prompts, chosen column, critique."""

    prompts: tuple[str, ...]
    chosen: int
    critique: str = ""

    @classmethod
    def of(cls, turn: Turn) -> Self:
        """Reduce a turn, which must have been chosen."""
        if turn.choice is None:
            raise ValueError(f"turn {turn.number} has no choice yet")
        prompts = tuple(candidate.prompt for candidate in turn.shown)
        return cls(prompts, turn.choice.column, turn.choice.critique)

    def to_json(self) -> dict[str, Any]:
        """The turn as JSON types."""
        return {"prompts": list(self.prompts), "chosen": self.chosen, "critique": self.critique}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; KeyError or TypeError when a part is missing or of another type."""
        return cls(tuple(map(str, data["prompts"])), int(data["chosen"]), str(data["critique"]))


@dataclass(frozen=True, slots=True)
class WriteRequest:
    """Everything the candidate generator is conditioned on (App. E.2, Fig. 11).

    `caption` describes the initial prompt's images, empty where there is none. `max_words` is the turn's word
    budget N_t. The same request gives the same candidates.
    """

    initial_prompt: str
    turns: tuple[ShownTurn, ...]
    form: CandidateForm
    max_words: int
    seed: int
    caption: str = ""

    @classmethod
    def from_history(
        cls, history: History, form: CandidateForm, max_words: int, seed: int, caption: str = ""
    ) -> Self:
        """Reduce a history to what the writer reads; every one of its turns must have been chosen."""
        turns = tuple(ShownTurn.of(turn) for turn in history.turns)
        return cls(history.initial_prompt, turns, form, max_words, seed, caption)

    @property
    def current_prompt(self) -> str:
        """The prompt that is expanded: the last chosen one, at first the initial one."""
        return self.turns[-1].prompts[self.turns[-1].chosen] if self.turns else self.initial_prompt

    def to_json(self) -> dict[str, Any]:
        """The request as JSON types."""
        return {
            "initial_prompt": self.initial_prompt,
            "turns": [turn.to_json() for turn in self.turns],
            "form": {"categories": self.form.categories, "per_category": self.form.per_category},
            "max_words": self.max_words,
            "seed": self.seed,
            "caption": self.caption,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; KeyError or TypeError when a part is missing or of another type."""
        return cls(
            initial_prompt=str(data["initial_prompt"]),
            turns=tuple(map(ShownTurn.from_json, data["turns"])),
            form=CandidateForm(int(data["form"]["categories"]), int(data["form"]["per_category"])),
            max_words=int(data["max_words"]),
            seed=int(data["seed"]),
            caption=str(data.get("caption", "")),
        )


@dataclass(frozen=True, slots=True)
class ValueRequest:
    """What the value model is asked, as plain data: it crosses a process boundary."""

    initial_prompt: str
    turns: tuple[ShownTurn, ...]
    prompts: tuple[str, ...]

    @classmethod
    def from_history(cls, history: History, candidates: Sequence[Candidate]) -> Self:
        """Reduce a history to what the value model reads; every one of its turns must have been chosen."""
        prompts = tuple(candidate.prompt for candidate in candidates)
        return cls(history.initial_prompt, tuple(map(ShownTurn.of, history.turns)), prompts)

    def to_json(self) -> dict[str, Any]:
        """The request as JSON types."""
        return {
            "initial_prompt": self.initial_prompt,
            "turns": [turn.to_json() for turn in self.turns],
            "prompts": list(self.prompts),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` wrote; KeyError or TypeError when a part is missing or of another type."""
        return cls(
            str(data["initial_prompt"]),
            tuple(map(ShownTurn.from_json, data["turns"])),
            tuple(map(str, data["prompts"])),
        )
