"""The value model's text (Fig. 12): the history in segments that only ever grow, and the candidate last.

Fig. 12 is a picture, which the paper's text does not hold. Read as E.3 describes it: the initial prompt, then
for every turn the shown slate and the chosen prompt; the candidate comes last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pasta_core.agent.requests import ShownTurn
from pasta_core.agent.templates import as_data
from pasta_core.errors import InvalidInput, ModelUnavailable

__all__ = ["CandidateText", "ValueTemplates"]

_PROBE_PROMPT = "a red train"
_PROBE_TURNS = (ShownTurn(("a train", "a red train"), 1, "warmer"), ShownTurn(("a train", "snow"), 0))
_NO_LEAD = "the candidate template does not lead to the prompt with fixed words and end with it"
_SEE = "see assets/templates/value-history.txt and value-candidate.txt"


@dataclass(frozen=True, slots=True)
class CandidateText:
    """A candidate as the model reads it: what leads to it, and the prompt itself, the end of the text."""

    lead: str
    prompt: str


class ValueTemplates:
    """The two templates of Fig. 12, given as their source texts.

    The history's must grow: what it says of the first turns stays as it is when another turn follows. The
    candidate's must end with the prompt, after something that leads to it. Anything else is `InvalidInput`.
    """

    def __init__(self, history: str, candidate: str) -> None:
        self.history_source = history
        self.candidate_source = candidate
        self._history = _parsed(history, "the history template")
        # a file's last line break would follow the prompt
        self._candidate = _parsed(candidate.rstrip("\n"), "the candidate template")
        self.segments(_PROBE_PROMPT, _PROBE_TURNS)
        if self.candidate(_PROBE_PROMPT).prompt.casefold() != _PROBE_PROMPT:
            raise InvalidInput(_NO_LEAD, _SEE)

    @classmethod
    def load(cls, history: Path, candidate: Path) -> ValueTemplates:
        """Read two template files; `ModelUnavailable` names one that cannot be read."""
        return cls(_read(history), _read(candidate))

    def segments(self, initial_prompt: str, turns: Sequence[ShownTurn]) -> tuple[str, ...]:
        """The history's text in len(turns) + 1 parts: the opening, then what each turn adds.

        The first n + 1 of them are the text of the history that ends after turn n.
        """
        texts = [self._told(initial_prompt, turns[:count]) for count in range(len(turns) + 1)]
        parts = [texts[0]]
        for before, after in pairwise(texts):
            if not after.startswith(before) or after == before:
                raise InvalidInput("the history template changes what it has said of earlier turns", _SEE)
            parts.append(after[len(before) :])
        if not parts[0]:
            raise InvalidInput("the history template says nothing of the initial prompt", _SEE)
        return tuple(parts)

    def candidate(self, prompt: str) -> CandidateText:
        """The candidate's text in its two parts."""
        lead = _rendered(self._candidate, prompt="")
        text = _rendered(self._candidate, prompt=as_data(prompt))
        if not lead or not text.startswith(lead):
            raise InvalidInput(_NO_LEAD, _SEE)
        return CandidateText(lead, text[len(lead) :])

    def _told(self, initial_prompt: str, turns: Sequence[ShownTurn]) -> str:
        told = [
            {
                "prompts": [as_data(prompt) for prompt in turn.prompts],
                "picked": turn.chosen + 1,
                "chosen_prompt": as_data(turn.prompts[turn.chosen]),
                "critique": as_data(turn.critique),
            }
            for turn in turns
        ]
        return _rendered(self._history, initial_prompt=as_data(initial_prompt), turns=told)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(
            f"the value model's template {path} cannot be read: {error}", "it comes with the program"
        ) from error


def _parsed(source: str, name: str) -> Template:
    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    try:
        return environment.from_string(source)
    except TemplateError as error:
        raise InvalidInput(f"{name}: {error}", _SEE) from error


def _rendered(template: Template, **values: object) -> str:
    try:
        return template.render(**values)
    except TemplateError as error:
        raise InvalidInput(f"the value model's template fails: {error}", _SEE) from error
