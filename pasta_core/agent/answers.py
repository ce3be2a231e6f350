"""Read an answer in the form of Fig. 11 that nothing forced into it."""

from __future__ import annotations

import re

from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.templates import as_data
from pasta_core.agent.writing import identity
from pasta_core.domain import Candidate
from pasta_core.text import count_words

__all__ = ["Gathering", "lines_written"]

_THOUGHT = re.compile(r"<(think|thinking)>.*?(</\1>|\Z)", re.DOTALL)
_CATEGORY = re.compile(r"\s*(?:\*\s+|#{1,4}\s+|\*\*)(?P<text>.+)")
_PROMPT = re.compile(r"\s*(?:[-•–]|\d{1,2}[.)])\s+(?P<text>.+)")


class Gathering:
    """What has come together for one request, from one answer or from several.

    Prompts that are empty, over the word budget, or equal to another or to the current one are left out, and
    so are categories that lack prompts then.
    """

    def __init__(self, request: WriteRequest) -> None:
        self._request = request
        self._taken = {identity(request.current_prompt)}
        self._names: set[str] = set()
        self._found: list[Candidate] = []

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The candidates so far, ordered by category."""
        return tuple(self._found)

    @property
    def done(self) -> bool:
        """Whether all are there."""
        return len(self._found) == self._request.form.total

    def add(self, answer: str) -> None:
        """Take what an answer holds and is still wanted."""
        form = self._request.form
        for name, prompts in _groups(answer, direct=form.direct):
            wanted = form.total - len(self._found) if form.direct else form.per_category
            fresh = self._fresh(prompts)[:wanted]
            known = identity(name) in self._names
            if self.done or not (form.direct or (len(fresh) == form.per_category and not known)):
                continue
            self._names.add(identity(name))
            self._taken.update(map(identity, fresh))
            self._found.extend(Candidate(prompt, name) for prompt in fresh)

    def _fresh(self, prompts: list[str]) -> list[str]:
        """Those that may be shown, each once."""
        fresh = {identity(prompt): prompt for prompt in reversed(prompts)}
        most = self._request.max_words
        return [
            prompt
            for prompt in prompts
            if prompt
            and count_words(prompt) <= most
            and fresh.pop(identity(prompt), None) is not None
            and identity(prompt) not in self._taken
        ]


def lines_written(answer: str) -> int:
    """How many prompts an answer holds so far, for telling how far it is."""
    return sum(_PROMPT.match(line) is not None for line in answer.split("\n")[:-1])


def _groups(answer: str, *, direct: bool) -> list[tuple[str, list[str]]]:
    """Categories and their prompts as they stand there; the direct form is one without a name."""
    groups: list[tuple[str, list[str]]] = [("", [])] if direct else []
    for line in _THOUGHT.sub("", answer).splitlines():
        prompt, category = _PROMPT.match(line), _CATEGORY.match(line)
        if prompt is not None and groups:
            groups[-1][1].append(_plain(prompt["text"]))
        elif prompt is None and category is not None and not direct:
            groups.append((_plain(category["text"]), []))
    return groups


def _plain(text: str) -> str:
    """A line's text without what models put around it."""
    return as_data(text).strip(" *_`'").rstrip(" ,;:-")
