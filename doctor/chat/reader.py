"""What a chat template and special tokens make of a row: its text, and where in it the answers stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cached_property

from doctor.chat.conversation import Conversation, Passage
from doctor.chat.families import ENDS, family_of
from doctor.chat.template import Span, Template
from doctor.chat.voice import Voice, answers, listen, with_ends


class Reader:
    """A template's `source` and special tokens by name (`eos_token`); `added` are the tokens with whole names."""

    def __init__(self, source: str, tokens: Mapping[str, str], added: Collection[str]) -> None:
        self.source, self.tokens, self.added = source, dict(tokens), frozenset(added)
        self.template: Template | None = Template(source, tokens) if source else None
        self.voice = Voice()

    def listen(self) -> None:
        """Find out how the template speaks.  Raises Refused, Missing."""
        if self.template is not None:
            self.voice = listen(self.template, {*self.tokens.values(), *self.added})

    @cached_property
    def ends(self) -> frozenset[str]:
        """The tokens that may end a turn."""
        own = {*self.voice.ends, self.tokens.get("eos_token", "")} - {""}
        if not self.voice.ends:
            own |= {end for end in ENDS if end in self.source} if self.source else set(self.added)
        return frozenset(own)

    def completed(self, text: str) -> str:
        """A text that is formatted already, ended as trainers end it: with EOS, unless a turn's end is there."""
        eos = self.tokens.get("eos_token")
        return text + eos if eos and not text.rstrip().endswith(tuple(self.ends)) else text

    def rendered(self, row: Conversation) -> tuple[str, list[Span]]:
        """A conversation as text, and where its answers stand, each with what ends it.  Raises Refused, Missing."""
        assert self.template is not None
        text, spans = self.template.spans(row.messages, row.tools, self.voice.end)
        return text, spans if self.template.generates else with_ends(text, spans, self.voice)

    def answers_of(self, row: Passage, text: str) -> list[Span]:
        """Where a text that is formatted already holds answers: all of it where none is marked."""
        if row.prompt:
            return [(row.prompt, len(text))]
        family = family_of(text)
        theirs = Voice(header=family.header, end=family.ends[0]) if family else Voice()
        return answers(text, self.voice) or answers(text, theirs) or [(0, len(text))]
