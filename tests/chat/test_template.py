"""Rendering within limits, and finding the answers in what was rendered."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from doctor.chat import Missing
from doctor.chat.conversation import Message
from doctor.chat.families import TEMPLATES as OURS
from doctor.chat.families import family_of
from doctor.chat.template import Refused, Template, _compile
from doctor.chat.voice import Voice, answers, listen, with_ends

FOLDER = Path(__file__).parents[1] / "data" / "templates"
FILES = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.jinja"))}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
SPECIAL = {"<s>", "</s>", "<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "<｜end▁of▁sentence｜>"}


def said(*turns: str) -> list[Message]:
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in turns]


TALK = said("user: Where is assistant?", "assistant: user", "user: assistant", "assistant:  It is here. \n")
HOSTILE = {
    "endless output": "{% for a in range(9999) %}{% for b in range(99) %}{{ 'x' * 99 }}{% endfor %}{% endfor %}",
    "endless loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "times": "{{ 'x' * 10000000000 }}",
    "plus": "{% set n = namespace(x='xxxxxxxx') %}{% for a in range(60) %}{% set n.x = n.x + n.x %}{% endfor %}",
    "tilde": "{% set n = namespace(x='xxxxxxxx') %}{% for a in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}",
    "power": "{{ 9 ** 99999999 }}",
    "width": "{{ '%9999999999d' % 1 }}",
    "padding": "{{ 'x'.ljust(9999999999) }}",
    "escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "change": "{{ messages.append(1) }}",
    "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "no template": "{% for %}",
    "refusal": "{{ raise_exception('not like this') }}",
    "division": "{{ 1 // 0 }}",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_template_is_refused_in_time(name: str) -> None:
    start = time.monotonic()
    with pytest.raises(Refused) as raised:
        Template(HOSTILE[name]).render(TALK)
    assert str(raised.value)
    assert time.monotonic() - start < 4


def test_a_loop_that_writes_nothing_is_ended_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doctor.chat.sandbox.TIME_LIMIT", 0.3)
    twenty = "{% for a in m %}" * 20 + "{% endfor %}" * 20
    with pytest.raises(Refused, match=r"longer than 0\.3 seconds"):
        Template("{% set m = 'xxxxxxxxxx' %}" + twenty).render(TALK)
    assert Template("{{ messages[0].content }}").render(TALK) == "Where is assistant?"


def test_without_jinja_one_sentence_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    _compile.cache_clear()
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(Missing, match=r"needs jinja2, .*`pip install 'tune-doctor\[data\]'`"):
        Template("{{ 1 }}").render(TALK)


@pytest.mark.parametrize("name", [*FILES, *OURS])
def test_the_answers_are_found_wherever_their_words_stand_too(name: str) -> None:
    template = Template({**FILES, **OURS}[name], TOKENS)
    text, spans = template.spans(TALK)
    voice = listen(template, SPECIAL)
    if not template.generates:
        spans = with_ends(text, spans, voice)
    found = [text[start:end] for start, end in spans]
    assert len(found) == 2
    assert found[0].replace(voice.end, "").strip() == "user"
    assert found[1].replace(voice.end, "").strip() == "It is here."
    assert all(part.endswith(voice.end) for part in found), "what ends an answer is learnt with it"


VOICES = {
    "chatml": ("<|im_start|>assistant", "<|im_end|>"),
    "tinyllama": ("<|assistant|>", "</s>"),
    "llama-2": ("[/INST]", "</s>"),
    "mistral": ("[/INST]", "</s>"),
    "llama-3": ("<|start_header_id|>assistant<|end_header_id|>", "<|eot_id|>"),
    "gemma": ("<start_of_turn>model", "<end_of_turn>"),
    "deepseek-r1": ("<｜Assistant｜>", "<｜end▁of▁sentence｜>"),
    "phi-3": ("<|assistant|>", "<|end|>"),
    "vicuna": ("ASSISTANT:", "</s>"),
    "alpaca": ("### Response:", "</s>"),
}


@pytest.mark.parametrize("name", VOICES)
def test_a_template_is_heard(name: str) -> None:
    voice = listen(Template(FILES[name], TOKENS), SPECIAL)
    assert (voice.header, voice.end) == VOICES[name]


def test_a_thought_that_the_template_cuts_is_no_reason_to_guess() -> None:
    template = Template(FILES["qwen-3"], TOKENS)
    talk = said("user: 2?", "assistant: <think>a</think>4", "user: 3?", "assistant: <think>b</think>6")
    with pytest.raises(Refused, match="rewrites earlier turns"):
        template.spans(talk)
    text, spans = template.spans(talk, end="<|im_end|>")
    assert [text[a:b] for a, b in spans] == ["4", "<think>\nb\n</think>\n\n6"], "the first thought is history"


def test_answers_of_text_that_is_formatted_already() -> None:
    voice = listen(Template(FILES["zephyr"], TOKENS), SPECIAL)
    text = "<|user|>\nOne?</s>\n<|assistant|>\nTwo.</s>\n<|user|>\nThree?</s>\n<|assistant|>\nFour."
    assert [text[a:b] for a, b in answers(text, voice)] == ["Two.</s>", "Four."]
    assert answers("no header", voice) == []
    assert answers(text, Voice()) == []


def test_a_family_is_known_by_what_comes_before_an_answer() -> None:
    family = family_of("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>")
    assert family is not None
    assert family.name == "ChatML"
    assert family_of("Once upon a time") is None
