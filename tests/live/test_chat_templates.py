"""Templates rendered by doctor.chat equal what `apply_chat_template` of this release renders, byte for byte."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from doctor.chat.conversation import Message
from doctor.chat.mask import IGNORED, labels
from doctor.chat.template import Refused, Template
from doctor.chat.voice import listen, with_ends

pytestmark = pytest.mark.live
FOLDER = Path(__file__).parents[1] / "data" / "templates"
TEMPLATES = {path.stem: path.read_text("utf-8") for path in sorted(FOLDER.glob("*.jinja"))}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "pad_token": "<pad>"}
TOOL = {"type": "function", "function": {"name": "weather", "parameters": {"city": {"type": "string", "é": "<&>"}}}}


def said(*turns: str) -> list[Message]:
    """`user: Hello` and so on as messages."""
    return [dict(zip(("role", "content"), turn.split(": ", 1), strict=True)) for turn in turns]


ULM = {"name": "weather", "arguments": {"city": "Ulm"}}
CALL = {"role": "assistant", "content": "", "tool_calls": [{"function": ULM}]}
THOUGHT = "<think>\neasy\n</think>\n\n"
TALKS: dict[str, list[Message]] = {
    "one question": said("user: Hello, who are you?"),
    "one exchange": said("user: Hello", "assistant: Good morning."),
    "system": said("system: You are Mira.", "user: Hello", "assistant: Good morning.", "user: Bye", "assistant: Bye."),
    "four turns": said("user: One?", "assistant: Two.", "user: Three?", "assistant: Four."),
    "white space": said("user:   Hello \n\n", "assistant: \n Good\r\n\r\nmorning.\n\n"),
    "not ASCII": said("system: Sei höflich 🙂", "user: Grüß Gott <b>&</b>", "assistant: 你好 'n' \"m\" \\"),
    "thought": said("user: 2+2?", f"assistant: {THOUGHT}4", "user: 3+3?", f"assistant: {THOUGHT}6"),
    "reasoning": [*said("user: 2+2?"), {"role": "assistant", "content": "4", "reasoning_content": "easy"}],
    "nothing said": said("user: Hello", "assistant: "),
    "two questions": said("user: One?", "user: Two?", "assistant: Three."),
    "tools": [*said("user: Weather?"), CALL, *said("tool: 12 degrees", "assistant: 12 degrees.")],
    "template words": said("user: {{ eos_token }} {% raw %}", "assistant: </s> <|im_end|>"),
}  # fmt: skip


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    """A tokenizer of bytes, made on the spot, that knows the control tokens of all templates."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    control = re.findall(r"<[|｜][^<>]+[|｜]>|<\w+_of_turn>", "".join(TEMPLATES.values()))
    made.add_special_tokens([*TOKENS.values(), *sorted(set(control))])
    return PreTrainedTokenizerFast(tokenizer_object=made, **TOKENS)


def test_there_are_many() -> None:
    assert len(TEMPLATES) >= 12


@pytest.mark.parametrize("name", TEMPLATES)
@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("prompt", [False, True])
def test_rendering_is_transformers_own(tokenizer: Any, name: str, talk: str, prompt: bool) -> None:
    messages, tools = TALKS[talk], [TOOL] if talk == "tools" else None
    if talk == "reasoning" and not newest_reasoning():
        pytest.skip("4.x offers a thought under the name it came with only")
    ours: str | None = None
    try:
        ours = Template(TEMPLATES[name], TOKENS).render(messages, tools, prompt)
    except Refused as refused:
        reason = str(refused)
    try:
        theirs = tokenizer.apply_chat_template(
            messages, tools=tools, chat_template=TEMPLATES[name], tokenize=False, add_generation_prompt=prompt
        )
    except Exception as error:
        assert ours is None, f"transformers refuses it: {error}"
        assert reason == str(error)
    else:
        assert ours == theirs


def newest_reasoning() -> bool:
    import transformers.utils.chat_template_utils as chat

    return hasattr(chat, "_alias_reasoning_fields")


def test_labels_are_those_of_the_generation_tag(tokenizer: Any) -> None:
    tagged = TEMPLATES["granite-generation"]
    plain = re.sub(r"\{%- (end)?generation %\}\n", "", tagged)
    for talk in ("system", "four turns", "not ASCII", "white space"):
        encoded = tokenizer.apply_chat_template(
            TALKS[talk], chat_template=tagged, return_dict=True, return_assistant_tokens_mask=True
        )
        for source in (tagged, plain):
            template = Template(source, TOKENS)
            text, spans = template.spans(TALKS[talk])
            if not template.generates:
                spans = with_ends(text, spans, listen(template, tokenizer.all_special_tokens))
            found = labels(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False), spans)
            assert [label != IGNORED for label in found] == [bool(mask) for mask in encoded["assistant_masks"]]
