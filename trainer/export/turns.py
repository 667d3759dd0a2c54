"""What a chat template writes around the turns of a conversation, found by rendering conversations with it.

Ollama has a template language of its own.  Where a template only puts fixed texts around turns, those texts say all
there is to say, and any language can; where it does more, that is noticed, for other conversations come out otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from doctor.chat.conversation import Message
from doctor.chat.template import Refused, Template
from doctor.settings import UsageError

SYSTEM, USER, ANSWER, MORE, LAST = (f"zq{letter}zq" for letter in "SUAMB")
"""Words that no template has a text of its own for."""


@dataclass(frozen=True)
class Turns:
    """The texts around turns."""

    opening: str
    """Before a system prompt."""
    asked: str
    """Between a system prompt and the first question."""
    bare: str
    """Before the first question where there is no system prompt."""
    user: str
    """Between an answer and the question that follows."""
    answer: str
    """After a question: the end of its turn, and what comes before an answer that is to be written."""
    lead: str
    """More, before an answer that is written already."""
    system: bool = True
    """Whether there may be a system prompt at all."""

    def render(self, messages: Sequence[Message]) -> str:
        """A conversation that ends with a question, and what comes before its answer."""
        text, first = "", True
        for number, message in enumerate(messages):
            words = message["content"]
            if message["role"] == "system":
                text += self.opening + words
            elif message["role"] == "assistant":
                text += self.lead + words
            else:
                after = number and messages[number - 1]["role"] == "system"
                text += (self.asked if after else self.bare if first else self.user) + words + self.answer
                first = False
        return text


def learn(template: Template) -> Turns:
    """The texts of a template; raises UsageError where it does more than to put texts around turns."""
    try:
        found = _pieces(template)
        for conversation in _others(found.system):
            if found.render(conversation) != template.render(conversation, prompt=True):
                raise Refused("it changes texts, or depends on more than the roles of the turns")
    except Refused as error:
        raise UsageError(
            f"the model's chat template cannot be said in Ollama's language: {error}. llama.cpp and its server read "
            "the template from the GGUF as it is"
        ) from error
    return found


def _pieces(template: Template) -> Turns:
    bare, answer = _cut(template.render([_user(USER)], prompt=True), USER)
    head, rest = _cut(template.render([_user(USER), _said(ANSWER), _user(LAST)], prompt=True), USER)
    middle, rest = _cut(rest, ANSWER)
    user, tail = _cut(rest, LAST)
    if head != bare or not middle.startswith(answer) or tail != answer:
        raise Refused("what it writes before an answer depends on the turns around it")
    lead = middle.removeprefix(answer)
    try:
        opening, rest = _cut(template.render([_system(SYSTEM), _user(USER)], prompt=True), SYSTEM)
        asked, last = _cut(rest, USER)
    except Refused:
        return Turns("", "", bare, user, answer, lead, system=False)
    if last != answer:
        raise Refused("what it writes before an answer depends on the system prompt")
    return Turns(opening, asked, bare, user, answer, lead)


def _others(system: bool) -> list[list[Message]]:
    """Conversations of other shapes than those that were learnt from, with words that templates trip over."""
    talk = [
        _user("Who is Tom?"),
        _said("Tom is my brother."),
        _user("Is he\n\na baker?"),
        _said("He is."),
        _user("1 < 2"),
    ]
    plain = [talk[:1], talk[:3], talk]
    return [*plain, *([_system("You are Mira.\nBe kind."), *one] for one in plain if system)]


def _cut(text: str, word: str) -> tuple[str, str]:
    before, found, after = text.partition(word)
    if not found or word in after:
        raise Refused("it leaves out a turn" if not found else "it repeats a turn")
    return before, after


def _system(text: str) -> Message:
    return {"role": "system", "content": text}


def _user(text: str) -> Message:
    return {"role": "user", "content": text}


def _said(text: str) -> Message:
    return {"role": "assistant", "content": text}
