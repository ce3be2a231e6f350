"""Who writes what of an answer: one text all of it, or a text for each category on what they share.

An answer has the form of Fig. 11: a line "* category", its prompts as lines "- prompt", and so on; the direct
form has prompts alone. A candidate is never empty, over the word budget, equal to another or to the current
prompt (letter case, spaces and final punctuation aside): such a line is asked again with a derived seed.
"""

from __future__ import annotations

from collections.abc import Sequence

from pasta_core.agent.requests import WriteRequest
from pasta_core.agent.writing import LineWriter, Script, Writing, identity
from pasta_core.domain import Candidate, Progress

__all__ = ["Answer"]

CATEGORY, PROMPT = "*", "-"


class Answer:
    """The answer to one request, whose scripts start behind its prompt.

    Every script raises `PastaError` after `ATTEMPTS` tries of a line. `progress` counts candidates.
    """

    def __init__(self, writing: Writing, request: WriteRequest, progress: Progress) -> None:
        self._writing = writing
        self._request = request
        self._progress = progress
        self._taken = {identity(request.current_prompt)}
        self._written = 0

    def begin(self) -> None:
        """Say that nothing is written yet."""
        self._progress(0, self._request.form.total)

    def whole(self, prompt: Sequence[int] = ()) -> Script[tuple[Candidate, ...]]:
        """All of it, one category after another; reads `prompt` first."""
        form = self._request.form
        text = LineWriter(self._writing, self._request)
        if prompt:
            yield from text.read(prompt)
        self.begin()
        names: set[str] = set()
        pending: list[int] = []
        found: list[Candidate] = []
        for number in range(form.categories):
            name = ""
            if not form.direct:
                logits = yield from text.read(pending + self._writing.after_break(CATEGORY))
                name, pending = yield from text.category(self._line(number), names, logits)
            prompts, pending = yield from self._prompts(text, number, name, pending)
            found.extend(prompts)
        return tuple(found)

    def names(self) -> Script[tuple[tuple[str, ...], list[int]]]:
        """The categories' names alone, and the tokens that the context hasn't read."""
        text = LineWriter(self._writing, self._request)
        names: list[str] = []
        taken: set[str] = set()
        pending: list[int] = []
        for number in range(self._request.form.categories):
            logits = yield from text.read(pending + self._writing.after_break(CATEGORY))
            name, pending = yield from text.category(self._line(number), taken, logits)
            names.append(name)
        return tuple(names), pending

    def category(self, number: int, name: str, pending: Sequence[int]) -> Script[tuple[Candidate, ...]]:
        """One category behind the names of all; reads `pending` first."""
        text = LineWriter(self._writing, self._request)
        head = [*pending, *self._writing.after_break(f"{CATEGORY} {name}\n")]
        prompts, _ = yield from self._prompts(text, number, name, head)
        return prompts

    def _prompts(
        self, text: LineWriter, number: int, name: str, pending: list[int]
    ) -> Script[tuple[tuple[Candidate, ...], list[int]]]:
        form = self._request.form
        first = self._line(number) + (not form.direct)
        found: list[Candidate] = []
        for place in range(form.per_category):
            logits = yield from text.read(pending + self._writing.after_break(PROMPT))
            prompt, pending = yield from text.prompt(first + place, self._taken, logits)
            found.append(Candidate(prompt, name))
            self._written += 1
            self._progress(self._written, form.total)
        return tuple(found), pending

    def _line(self, category: int) -> int:
        """The number of a category's first line in the whole answer; every line's draws hang on its own."""
        form = self._request.form
        return category * (form.per_category + (not form.direct))
