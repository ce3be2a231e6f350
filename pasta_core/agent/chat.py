"""What a model's own chat template puts around a message, with its thinking switched off."""

from __future__ import annotations

from dataclasses import dataclass

from pasta_core.errors import ModelUnavailable

__all__ = ["ChatFrame"]

_MESSAGE = "%%MESSAGE%%"

_DAY = "26 Jul 2024"
"""The day that templates are told: with another every day, no answer could be had again."""

_OPENED_THOUGHTS = ("<think>", "<|think|>", "<thinking>", "[THINK]")
"""What templates end with that make a model think whatever they are told."""

_NO_THOUGHT = {"<|start|>assistant": "<|channel|>final<|message|>"}
"""What says "the answer follows" after the end of templates that leave it to the model."""


@dataclass(frozen=True)
class ChatFrame:
    """The text before and after a user's message; control tokens are spelled out in it."""

    before: str
    after: str

    @classmethod
    def of(cls, template: str, begin: str, end: str, model: str) -> ChatFrame:
        """Render a GGUF's template (jinja) around a message; `begin` and `end` are its tokens' texts.

        `ModelUnavailable` names the `model` whose template is missing, broken or loses the message.
        """
        if not template.strip():
            raise ModelUnavailable(
                f"the writer's model {model} has no chat template: it is no instruct model",
                "use an instruct GGUF, or set writer.chat = false for one that continues plain text",
            )
        try:
            rendered = _render(template, begin, end)
        except Exception as error:
            # a template is a program of somebody else's: jinja passes on whatever it runs into
            said = " ".join(str(error).split())[:120] or type(error).__name__
            raise ModelUnavailable(
                f"the chat template of the writer's model {model} fails: {said}", "use another instruct GGUF"
            ) from error
        before, found, after = rendered.partition(_MESSAGE)
        if not found:
            raise ModelUnavailable(
                f"the chat template of the writer's model {model} loses the message",
                "use another instruct GGUF",
            )
        return cls(before, after + _closed_thought(after.rstrip()))


def _render(template: str, begin: str, end: str) -> str:
    from llama_cpp.llama_chat_format import Jinja2ChatFormatter

    class Dated(Jinja2ChatFormatter):  # type: ignore[misc]
        strftime_now = staticmethod(lambda form: _DAY)

    formatter = Dated(template=template, eos_token=end, bos_token=begin)
    messages = [{"role": "user", "content": _MESSAGE}]
    return str(formatter(messages=messages, enable_thinking=False, thinking=False, date_string=_DAY).prompt)


def _closed_thought(after: str) -> str:
    """What ends a thought that the template has opened, so that the answer comes next."""
    for opened in _OPENED_THOUGHTS:
        if after.endswith(opened):
            return f"\n\n{opened[0]}/{opened[1:]}\n\n"
    for ending, more in _NO_THOUGHT.items():
        if after.endswith(ending):
            return more
    return ""
