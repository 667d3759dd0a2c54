"""How the common families of chat models write a conversation: what comes before an answer, and what ends it.

TEMPLATES are chat templates of ours in the manner of five of them, for a model that brings none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Family:
    """`header` comes before an answer, `ends` after a turn."""

    name: str
    header: str
    ends: tuple[str, ...]


FAMILIES = (
    Family("ChatML", "<|im_start|>assistant", ("<|im_end|>",)),
    Family("Llama 3", "<|start_header_id|>assistant<|end_header_id|>", ("<|eot_id|>",)),
    Family("Llama 4", "<|header_start|>assistant<|header_end|>", ("<|eot|>",)),
    Family("Zephyr", "<|assistant|>", ("</s>", "<|endoftext|>", "<|end|>")),
    Family("Gemma", "<start_of_turn>model", ("<end_of_turn>",)),
    Family("Mistral or Llama 2", "[/INST]", ("</s>",)),
    Family("DeepSeek", "<｜Assistant｜>", ("<｜end▁of▁sentence｜>",)),
    Family("Command R", "<|CHATBOT_TOKEN|>", ("<|END_OF_TURN_TOKEN|>",)),
    Family("Granite", "<|start_of_role|>assistant<|end_of_role|>", ("<|end_of_text|>",)),
    Family("Harmony", "<|start|>assistant", ("<|end|>", "<|return|>")),
    Family("OpenChat", "GPT4 Correct Assistant:", ("<|end_of_turn|>",)),
)

ENDS = frozenset(end for family in FAMILIES for end in family.ends) | {
    "<eos>", "<EOS>", "[EOS]", "<|eos|>", "[END]", "<END>", "<|END|>", "<|end_of_text|>", "<|end_of_turn|>", "</s>",
    "<|eom_id|>", "<|endofmessage|>", "<|endofturn|>", "<|stop|>", "[STOP]",
}  # fmt: skip
"""Everything that some model ends a turn with."""

CONTROL = re.compile(
    r"<\|[A-Za-z0-9_ ]{1,40}\|>|<｜[^｜\s]{1,40}｜>|</?s>|<(?:start|end)_of_turn>|<[be]os>|\[/?INST\]|<</?SYS>>"
)
"""What tokenizers keep as control tokens, in the spellings of the common families."""

ENDING = re.compile(
    r"(<\|[A-Za-z0-9_ ]{1,40}\|>|<｜[^｜\s]{1,40}｜>|</s>|<end_of_turn>"
    r"|<eos>|<EOS>|\[EOS\]|\[END\]|\[STOP\]|<END>|###)\s*\Z"
)
"""What stands at the end of a text and looks like the end of a turn."""


def _turns(before: str, between: str, after: str, prompt: str, start: str = "") -> str:
    return (
        start
        + "{% for m in messages %}"
        + f"{{{{ {before} + m['role'] + {between} + m['content'] + {after} }}}}"
        + "{% endfor %}{% if add_generation_prompt %}"
        + f"{{{{ {prompt} }}}}"
        + "{% endif %}"
    )


TEMPLATES = {
    "chatml": _turns(r"'<|im_start|>'", r"'\n'", r"'<|im_end|>\n'", r"'<|im_start|>assistant\n'"),
    "llama-3": _turns(
        r"'<|start_header_id|>'",
        r"'<|end_header_id|>\n\n'",
        r"'<|eot_id|>'",
        r"'<|start_header_id|>assistant<|end_header_id|>\n\n'",
        "{{ bos_token }}",
    ),
    "zephyr": _turns(r"'<|'", r"'|>\n'", r"eos_token + '\n'", r"'<|assistant|>\n'"),
    "phi-3": _turns(r"'<|'", r"'|>\n'", r"'<|end|>\n'", r"'<|assistant|>\n'"),
    "gemma": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] + '\\n\\n' %}"
        "{% set messages = messages[1:] %}{% else %}{% set system = '' %}{% endif %}{% for m in messages %}"
        "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\\n' }}"
        "{{ (system if loop.first else '') + m['content'] + '<end_of_turn>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
    ),
}
"""Name to template."""


def family_of(text: str) -> Family | None:
    """The family whose answers a text holds, by what comes before them."""
    return next((family for family in FAMILIES if family.header in text), None)
