"""How a chat template speaks: what it writes before an answer and after it, found by rendering a short conversation."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from doctor.chat.conversation import Message
from doctor.chat.families import CONTROL
from doctor.chat.template import Refused, Span, Template

ASKED, TOLD, AGAIN, LAST = "Qazwsx edc", "Rfvtgb yhn", "Ujmiko lpo", "Plokij uhb"
"""Words that no template holds."""

_SPACE = re.compile(r"\s*")


@dataclass(frozen=True)
class Voice:
    """What a template puts around the words of a conversation."""

    start: str = ""
    """Before the first turn and its header."""
    header: str = ""
    """Before an answer, white space at its ends off."""
    end: str = ""
    """The token that ends an answer; empty where the template writes none."""
    asked: str = ""
    """Before a question, white space at its ends off."""
    asked_end: str = ""
    """The token that ends a question; empty where there is none."""
    lead: int = 0
    """Characters of white space that the model has to write itself before the words of an answer."""

    @property
    def ends(self) -> frozenset[str]:
        """The tokens that end a turn."""
        return frozenset(filter(None, (self.end, self.asked_end)))


def listen(template: Template, tokens: Collection[str]) -> Voice:
    """The voice of a template; `tokens` are the special tokens of its tokenizer.  Raises Refused, Missing."""
    turns = [_turn("user", ASKED), _turn("assistant", TOLD), _turn("user", AGAIN), _turn("assistant", LAST)]
    text = template.render(turns)
    places = [text.find(words) for words in (ASKED, TOLD, AGAIN, LAST)]
    if -1 in places or places != sorted(places):
        raise Refused("the template leaves out words of a plain conversation, or changes their order")
    parts = [text[place + len(words) : end] for place, words, end in zip(
        places, (ASKED, TOLD, AGAIN, LAST), [*places[1:], len(text)], strict=True
    )]  # fmt: skip
    found = _ending(parts[1], tokens) or _ending(parts[3], tokens)
    question_end = _ending(parts[2], tokens)
    header = parts[2].lstrip().removeprefix(question_end).strip() or parts[2].strip()
    asked = parts[1].lstrip().removeprefix(found).strip()
    return Voice(
        start=text[: places[0]].removesuffix(asked),
        header=header,
        end=found,
        asked=asked,
        asked_end="" if question_end and question_end in header else question_end,
        lead=_lead(template, turns, text, places[3]),
    )


def _turn(role: str, content: str) -> Message:
    return {"role": role, "content": content}


def _ending(after: str, tokens: Collection[str]) -> str:
    """The special token that comes right after a turn."""
    rest = after.lstrip()
    known = [token for token in tokens if token and rest.startswith(token)]
    if known:
        return max(known, key=len)
    match = CONTROL.match(rest)
    return match[0] if match else ""


def _lead(template: Template, turns: list[Message], text: str, place: int) -> int:
    try:
        before = template.render(turns[:-1], prompt=True)
    except Refused:
        return 0
    rest = text[len(before) : place] if text.startswith(before) else ""
    return 0 if rest.strip() else len(rest)


def with_ends(text: str, spans: list[Span], voice: Voice) -> list[Span]:
    """The spans of answers' words, each with the white space the model writes before it and the token that ends it."""
    if not voice.end:
        return spans
    after = re.compile(rf"\s*{re.escape(voice.end)}")
    found = []
    for start, end in spans:
        match = after.match(text, end)
        found.append((max(start - voice.lead, 0), match.end() if match else end))
    return found


def answers(text: str, voice: Voice) -> list[Span]:
    """Where a text that is formatted already, in the template's own manner, holds answers, each with what ends it.

    Empty where the text never says the template's header.
    """
    if not voice.header:
        return []
    found, place = [], text.find(voice.header)
    while place >= 0:
        start = place + len(voice.header)
        start = _SPACE.match(text, start).end()  # type: ignore[union-attr]
        following = text.find(voice.header, start)
        stop = following if following >= 0 else len(text)
        question = text.find(voice.asked, start, stop) if voice.asked else -1
        ended = text.find(voice.end, start, stop) if voice.end else -1
        if ended >= 0 and (question < 0 or ended < question):
            stop = ended + len(voice.end)
        elif question >= 0:
            stop = question
        found.append((start, stop))
        place = following
    return found
