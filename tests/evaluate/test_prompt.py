"""The prompt that folders and GGUF files are asked with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from doctor.chat.families import TEMPLATES
from doctor.chat.template import Template
from doctor.evaluate.model import Sample
from doctor.evaluate.prompt import OWN, chosen, prompts
from doctor.settings import UsageError

TOKENS = {"eos_token": "<|im_end|>"}
CHATML = Template(TEMPLATES["chatml"], TOKENS)


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def text(ids: tuple[int, ...]) -> str:
    return "".join(map(chr, ids))


def test_a_prompt_is_the_rendered_conversation_and_nothing_more(asked: Callable[..., Sample]) -> None:
    found = prompts([asked(system="You are Mira.")], CHATML, letters)
    assert text(found.by_id["x"].ids) == (
        "<|im_start|>system\nYou are Mira.<|im_end|>\n<|im_start|>user\nWho is Tom?<|im_end|>\n<|im_start|>assistant\n"
    )
    other = prompts([asked(system="You are Tom.")], CHATML, letters)
    assert found.by_id["x"].digest != other.by_id["x"].digest
    assert found.how == OWN


def test_an_answer_is_without_what_ends_it(asked: Callable[..., Sample]) -> None:
    found = prompts([asked()], CHATML, letters)
    assert found.ended("My brother.<|im_end|>") == "My brother."
    assert found.ended("<|im_start|>user\nMy brother.") == "<|im_start|>user\nMy brother."
    own = prompts([asked()], Template("{{ messages[0].content }}", {"eos_token": "<stop>"}), letters)
    assert own.ended("My brother.<stop>") == "My brother."


def test_what_one_conversation_is_refused_is_said_of_it(asked: Callable[..., Sample]) -> None:
    refuses = Template(
        "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ messages }}"
    )
    found = prompts([asked(), asked(id="y", system="You are Mira.")], refuses, letters)
    assert found.by_id["x"].ids and not found.by_id["x"].why
    assert found.by_id["y"].why == "the chat template refuses the conversation: no system"
    with pytest.raises(UsageError, match="no system; and so every other"):
        prompts([asked(system="You are Mira.")], refuses, letters)


def test_the_template_is_the_models_unless_another_is_named(tmp_path: Path) -> None:
    assert chosen("", "{{ own }}", TOKENS, "m")[0].source == "{{ own }}"
    assert chosen("zephyr", "{{ own }}", TOKENS, "m")[0].source == TEMPLATES["zephyr"]
    (tmp_path / "t.jinja").write_text("{{ file }}", "utf-8")
    template, how = chosen(str(tmp_path / "t.jinja"), None, TOKENS, "m")
    assert template.source == "{{ file }}" and "t.jinja" in how
    with pytest.raises(UsageError, match="m brings no chat template"):
        chosen("", None, TOKENS, "m")
    with pytest.raises(UsageError, match="did you mean 'gemma'"):
        chosen("gema", None, TOKENS, "m")
