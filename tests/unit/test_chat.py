"""What a model's chat template puts around a message, whoever wrote the template."""

from __future__ import annotations

import pytest

from pasta_core.agent.chat import ChatFrame
from pasta_core.errors import ModelUnavailable
from tests.support.small_writers import CHATML

PLAIN = "{{ bos_token }}[INST] {{ messages[0].content }} [/INST]"
DATED = (
    "{% if not date_string is defined %}{% set date_string = strftime_now('%d %b %Y') %}{% endif %}"
    "Today: {{ date_string }}, {{ strftime_now('%Y') }}. {{ messages[0].content }}"
)
REASONING = "<|User|>{{ messages[0].content }}<|Assistant|>{% if add_generation_prompt %}<think>\n{% endif %}"
HARMONY = "<|start|>user<|message|>{{ messages[0].content }}<|end|><|start|>assistant"


def frame(template: str) -> ChatFrame:
    return ChatFrame.of(template, "<s>", "</s>", "own.gguf")


def test_a_message_is_framed_as_the_model_knows_it() -> None:
    assert frame(PLAIN) == ChatFrame("<s>[INST] ", " [/INST]")


def test_thinking_is_switched_off() -> None:
    assert frame(CHATML).after == "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert frame(REASONING).after == "<|Assistant|><think>\n\n\n</think>\n\n"
    assert frame(HARMONY).after == "<|end|><|start|>assistant<|channel|>final<|message|>"


def test_no_answer_hangs_on_the_day() -> None:
    assert frame(DATED) == frame(DATED)
    assert frame(DATED).before == "Today: 26 Jul 2024, 26 Jul 2024. "


@pytest.mark.parametrize("template", ["", "  \n"])
def test_a_file_without_a_template_is_no_instruct_model(template: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"own\.gguf has no chat template") as caught:
        frame(template)
    assert caught.value.exit_code == 3 and "writer.chat" in caught.value.hint


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for %}", "fails"),
        ("{{ raise_exception('no system role') }}", "fails: no system role"),
        ("{{ messages[0].content.nothing.at_all }}", "fails"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "fails"),
        ("Hello!", "loses the message"),
        ("{{ messages[0].content | upper | reverse | list | length }}", "loses the message"),
    ],
)
def test_a_template_that_is_of_no_use_is_named_in_one_line(template: str, said: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"own\.gguf") as caught:
        frame(template)
    assert said in caught.value.message and "\n" not in caught.value.message
