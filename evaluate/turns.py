"""Where an answer stops being one: template tokens, role tags, and the next turn that the model wrote itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from doctor.evaluate.model import Sample
from doctor.evaluate.words import fold

_TOKEN = re.compile(
    r"<[|｜][\w▁ /-]{1,40}[|｜]>|<\|?(?:im_start|im_end|endoftext|eot_id|start_header_id|end_header_id)\|?>|</?s>"
    r"|<(?:bos|eos|pad|unk|mask)>"
    r"|<(?:start|end)_of_turn>|\[/?INST\]|<</?SYS>>|\[/?(?:AVAILABLE_TOOLS|TOOL_CALLS|SYSTEM_PROMPT)\]|\[(?:PAD|CLS|SEP|UNK|EOS|BOS)\]"
    r"|<\/?(?:user|assistant|system|human)>|<0x[0-9A-F]{2}>|[ĠĊ](?=\w)|▁(?=\w)",
    re.IGNORECASE,
)
_HASH_TAG = re.compile(
    r"^[ \t]*#{2,4}[ \t]*(?:instruction|response|human|assistant|user|system|input|output)s?[ \t]*:", re.I | re.M
)
_TAG = re.compile(
    r"(?:^|(?<=[.!?…\"'”’)\n>]))[ \t]*[*_]{0,2}(?P<role>user|human|assistant|system|ai|bot"
    r"|chatbot)[*_]{0,2}[ \t]?(?P<mark>:)[*_]{0,2}(?=\s|$)",
    re.I | re.M,
)
_BARE = re.compile(r"(?:^|(?<=[.!?…\"'”’)\w]))[ \t]*(?<![\w])(?P<role>user|assistant|system)[ \t]*\n", re.M)
_GLUED = re.compile(r"(?<=[.!?…])(?P<role>user|assistant|system)[ \t]*(?:\n|$)")
_NEXT = re.compile(
    r"^[ \t]*[*_]{0,2}(?P<role>question|q"
    r"|next question)[*_]{0,2}[ \t]*\d*[ \t]*:[^\n]*\n+[ \t]*[*_]{0,2}(?:answer|a)[*_]{0,2}[ \t]*\d*[ \t]*:",
    re.I | re.M,
)
_DIALOGUE = re.compile(
    r"\b(?:dialogue|dialog|script|conversation|transcript|role[- ]?tags?|chat\s*ml|chat\s+(?:template|format"
    r"|log)|template|tokens?|sketch|scene|play|example of a chat|faq|yaml|log\s+line"
    r"|prompt format|interview|special|markup|quiz|html)\b"
)


@dataclass(frozen=True)
class Mark:
    """A place where the text is no longer the answer, and what stands there."""

    kind: str
    start: int
    end: int


def marks(sample: Sample, text: str) -> list[Mark]:
    """The template tokens and the role tags of other turns, in order; those that were asked for are left out."""
    asked = fold("\n".join([sample.question, sample.reference, *(t for e in sample.must for t in e.texts)]))
    dialogue = bool(_DIALOGUE.search(asked))
    found = [Mark("template token", *m.span()) for m in _tokens(text) if fold(m[0]) not in asked]
    found += [Mark("role tag", *m.span()) for m in _HASH_TAG.finditer(text) if fold(m[0].strip()) not in asked]
    if not dialogue:
        found += [Mark("role tag", m.start("role"), m.end()) for m in _roles(text)]
        found += [Mark("another turn", *m.span()) for m in _NEXT.finditer(text)]
    return sorted(found, key=lambda mark: mark.start)


def _tokens(text: str) -> Iterator[re.Match[str]]:
    code = [m.span() for m in re.finditer(r"`[^`\n]+`|```.*?```", text, re.DOTALL)]
    struck = [
        span
        for m in re.finditer(r"(?<=[\w ,(])(<s>)[^<>\n]+(</s>)(?=[\s,.)])", text)
        for span in (m.span(1), m.span(2))
        if m.start()
    ]
    for match in _TOKEN.finditer(text):
        if match.span() not in struck and not any(a <= match.start() < b for a, b in code):
            yield match


def _roles(text: str) -> Iterator[re.Match[str]]:
    """Role tags that open a turn; one `System: Debian` among `Key: value` lines is a table, not a turn."""
    keys = re.findall(r"^[ \t]*[-*]?[ \t]*([A-Z][\w /]{1,24}):[ \t]+\S", text, re.MULTILINE)
    table = len(keys) >= 3 and len(set(keys)) == len(keys)
    for match in _TAG.finditer(text):
        role = match["role"].lower()
        others = {m["role"].lower() for m in _TAG.finditer(text)} - {role}
        turn = (
            role in ("user", "human", "assistant")
            or "user" in others
            or re.match(r"\s*you(?: are|r| must|'re)\b", text[match.end() :], re.I)
        )
        if turn and not (table and not others & {"user", "human", "assistant"} and role not in ("human", "assistant")):
            yield match
    yield from _BARE.finditer(text)
    yield from _GLUED.finditer(text)


def own(sample: Sample, text: str) -> str:
    """The answer up to the first mark that does not open it."""
    for mark in marks(sample, text):
        if text[: mark.start].strip():
            return text[: mark.start].rstrip()
    return text
