"""The text that asks the writer for candidates (Fig. 11), rendered from a template file."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pasta_core.agent.pictures import INITIAL, picture_name
from pasta_core.agent.requests import WriteRequest
from pasta_core.errors import InvalidInput, ModelUnavailable
from pasta_core.text import clean

__all__ = ["WriterTemplate", "as_data", "spelled", "split_pictures"]

_PICTURE = re.compile("\x02([^\x03]*)\x03")
"""Where a picture belongs; no text of a person's or a model's holds these characters once it is clean."""

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven"),
    *("twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spelled(number: int) -> str:
    """A number as Fig. 11 prints it, "twenty-five (25)"; from 1000 on in digits only."""
    if not 0 <= number < 1000:
        return str(number)
    return f"{_in_words(number)} ({number})"


def _in_words(number: int) -> str:
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens] + (f"-{_ONES[ones]}" if ones else "")
    hundreds, rest = divmod(number, 100)
    return f"{_ONES[hundreds]} hundred" + (f" {_in_words(rest)}" if rest else "")


def as_data(text: str) -> str:
    """Text that cannot leave its place in a template: one clean line without double quotes."""
    return clean(text).text.replace('"', "'")


@dataclass(frozen=True)
class WriterTemplate:
    """A compiled template: a request goes in, the text of the writer's prompt comes out."""

    template: Template

    @classmethod
    def load(cls, path: Path) -> WriterTemplate:
        """Read a template file; `ModelUnavailable` if it is missing, `InvalidInput` if it is malformed."""
        try:
            source = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelUnavailable(
                f"the writer's template {path} cannot be read: {error}",
                "point the profile's writer.template to one",
            ) from error
        return cls.parse(source, str(path))

    @classmethod
    def parse(cls, source: str, name: str = "template") -> WriterTemplate:
        """Compile a template's text; `InvalidInput` names the line of a syntax error."""
        environment = ImmutableSandboxedEnvironment(
            undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
        )
        environment.filters["spelled"] = spelled
        try:
            return cls(environment.from_string(source))
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            where = f"{name}, line {line}" if line else name
            raise InvalidInput(
                f"{where}: {error}", "see assets/templates/writer.txt for a template"
            ) from error

    def render(self, request: WriteRequest, pictures: Collection[str] = (), skipped: int = 0) -> str:
        """The prompt of one request; a name that the template makes up is `InvalidInput`.

        `pictures` are the names (`pictures.picture_name`) of those that are shown, `skipped` how many turns
        the request lacks at its beginning.
        """
        try:
            return self.template.render(_values(request, pictures, skipped))
        except TemplateError as error:
            raise InvalidInput(
                f"the writer's template fails: {error}", "see assets/templates/writer.txt"
            ) from error


def split_pictures(text: str) -> list[str]:
    """A rendered prompt as text, picture's name, text, ..., text."""
    return _PICTURE.split(text)


def _values(request: WriteRequest, shown: Collection[str], skipped: int) -> dict[str, Any]:
    def picture(name: str) -> str:
        return f"\x02{name}\x03" if name in shown else ""

    turns = [
        {
            "prompts": [as_data(prompt) for prompt in turn.prompts],
            "pictures": [picture(picture_name(number, column)) for column in range(len(turn.prompts))],
            "picked": turn.chosen + 1,
            "chosen_prompt": as_data(turn.prompts[turn.chosen]),
            "critique": as_data(turn.critique),
        }
        for number, turn in enumerate(request.turns, start=skipped + 1)
    ]
    return {
        "initial_prompt": as_data(request.initial_prompt),
        "caption": as_data(request.caption),
        "picture": picture(INITIAL),
        "turns": turns,
        "columns": len(request.turns[-1].prompts) if request.turns else 0,
        "current_prompt": as_data(request.current_prompt),
        "critique": as_data(request.turns[-1].critique) if request.turns else "",
        "categories": request.form.categories,
        "per_category": request.form.per_category,
        "total": request.form.total,
        "direct": request.form.direct,
        "max_words": request.max_words,
    }
