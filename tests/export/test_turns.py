"""What a chat template writes around turns, and the same in Ollama's language."""

from __future__ import annotations

import pytest

from doctor.chat.families import TEMPLATES
from doctor.chat.template import Template
from doctor.settings import UsageError
from doctor.trainer.export import modelfile, turns

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}{% set rest = messages[1:] %}{% set system = messages[0]['content'] %}"
    "{% else %}{% set rest = messages %}{% set system = '' %}{% endif %}{% for m in rest %}"
    "{% set text = '<<SYS>>\n' + system + '\n<</SYS>>\n\n' + m['content'] if loop.first and system else m['content'] %}"
    "{% if m['role'] == 'user' %}{{ bos_token + '[INST] ' + text + ' [/INST]' }}"
    "{% else %}{{ ' ' + text + ' ' + eos_token }}{% endif %}{% endfor %}"
)
CHATML = '''\
FROM ./mira-q8_0.gguf
TEMPLATE """{{- $asked := false }}{{ $system := false }}{{ range .Messages }}
{{- if eq .Role "system" }}{{ "<|im_start|>system\\n" }}{{ .Content }}{{ $system = true }}
{{- else if eq .Role "user" }}
{{- if $system }}{{ "<|im_end|>\\n<|im_start|>user\\n" }}
{{- else if $asked }}{{ "<|im_end|>\\n<|im_start|>user\\n" }}
{{- else }}{{ "<|im_start|>user\\n" }}
{{- end }}{{ .Content }}{{ "<|im_end|>\\n<|im_start|>assistant\\n" }}{{ $asked = true }}{{ $system = false }}
{{- else if eq .Role "assistant" }}{{ .Content }}
{{- end }}{{ end }}"""
PARAMETER stop "<|im_end|>"
PARAMETER stop "<|endoftext|>"
SYSTEM """You are Mira."""
'''


@pytest.mark.parametrize("source", [*TEMPLATES.values(), LLAMA_2], ids=[*TEMPLATES, "llama-2"])
def test_the_texts_render_what_the_template_renders(source: str) -> None:
    template = Template(source, TOKENS)
    found = turns.learn(template)
    talk = [
        {"role": "system", "content": "Be brief.\n\nBe kind."},
        {"role": "user", "content": "Who is Tom?"},
        {"role": "assistant", "content": "Tom is my brother."},
        {"role": "user", "content": "{{ 'no' }}"},
    ]
    for messages in (talk, talk[1:], talk[:2]):
        assert found.render(messages) == template.render(messages, prompt=True)


def test_what_stands_before_an_earlier_answer_may_be_more() -> None:
    assert turns.learn(Template(LLAMA_2, TOKENS)).lead == " "


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("{% for m in messages %}{{ m['content'] | upper }}{% endfor %}", "leaves out a turn"),
        ("{{ messages[-1]['content'] }}{{ messages[-1]['content'] }}", "repeats a turn"),
        (TEMPLATES["chatml"].replace("m['content']", "m['content'] | replace('1', 'one')"), "it changes texts"),
        ("{{ messages | length }}{% for m in messages %}<{{ m['content'] }}>{% endfor %}", "the turns around it"),
    ],
)
def test_a_template_that_does_more_is_refused(source: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        turns.learn(Template(source, TOKENS))


def test_a_template_without_system_prompts() -> None:
    source = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('none') }}{% endif %}" + TEMPLATES["zephyr"]
    found = turns.learn(Template(source, TOKENS))
    assert not found.system
    assert "$system = true" not in modelfile.template(found)


def test_a_modelfile() -> None:
    found = turns.learn(Template(TEMPLATES["chatml"]))
    ends = ("<|im_end|>", "<|endoftext|>", "<|im_end|>", "")
    assert modelfile.render("mira-q8_0.gguf", found, "", ends, "You are Mira.") == CHATML


def test_what_llama_cpp_puts_first_is_left_out() -> None:
    found = turns.learn(Template(TEMPLATES["llama-3"], TOKENS))
    assert "<s>" in modelfile.template(found)
    assert "<s>" not in modelfile.template(found, "<s>")


def test_quotes_that_a_modelfile_cannot_quote() -> None:
    found = turns.learn(Template(TEMPLATES["chatml"]))
    with pytest.raises(UsageError, match="cannot quote"):
        modelfile.render("x.gguf", found, "", (), 'Say """ often.')
