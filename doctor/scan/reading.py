"""Rows as the model reads them: rendered with its chat template, compared with how it ends turns.

The names under which it is counted: refused:REASON, no-template, system-dropped, turn-dropped, foreign-end:TOKEN,
missing-end, other-format:FAMILY, bos-doubled.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from doctor.chat import Missing
from doctor.chat.conversation import Conversation, Message, Passage
from doctor.chat.families import ENDS, family_of
from doctor.chat.reader import Reader
from doctor.chat.specials import adds_bos, chat_template, special_tokens
from doctor.chat.template import Refused, Span
from doctor.chat.voice import answers
from doctor.model import ModelFacts, Skip
from doctor.scan.tally import Tally, excerpt

if TYPE_CHECKING:
    from packaging.version import Version

_FORMATTED = re.compile(
    f"({'|'.join(map(re.escape, sorted(ENDS, key=len, reverse=True)))})"
    r"(?=\s*(?:\Z|<\||<s>|<start_of_turn>|\[INST\]|<｜|###|USER:|Human:|User:))"
)
"""The end of a turn in text that is formatted already: at its end, or before another turn."""


@dataclass(frozen=True)
class Item:
    """A row as text; `special`: the tokenizer adds its special tokens to it."""

    number: int
    text: str
    special: bool
    row: Conversation | Passage


class Reading(Reader):
    """A model's template and special tokens, and what they make of row after row.

    `path` is the data set; what the model lacks, or the doctor to render with, is skipped with a reason.
    """

    def __init__(self, model: ModelFacts, transformers: Version, skipped: list[Skip], path: str) -> None:
        super().__init__(chat_template(model) or "", special_tokens(model), model.added_tokens)
        self.model, self.bos_added = model, adds_bos(model, transformers)
        try:
            self.listen()
        except Missing as error:
            self.template = None
            skipped.append(Skip(path, f"was not rendered with the chat template of {model.path}: {error}"))
        except Refused as error:
            skipped.append(Skip(path, f"was not compared with the ends of turns of {model.path}: {error}"))

    def item(self, number: int, row: Conversation | Passage, tally: Tally) -> Item | None:
        """The row as the model will read it; None where it cannot be rendered."""
        if isinstance(row, Passage):
            return self._passage(number, row, tally)
        if self.template is None:
            if not self.source:
                tally.add("no-template", number)
            return None
        try:
            text = self.template.render(row.messages, row.tools)
        except Refused as error:
            tally.add(f"refused:{excerpt(str(error))}", number, row.messages[0]["content"])
            return None
        self._dropped(number, row.messages, text, tally)
        return Item(number, text, False, row)

    def _dropped(self, number: int, messages: list[Message], text: str, tally: Tally) -> None:
        for message in messages:
            words = message["content"].strip()
            if words and words not in text:
                if message["role"] == "system":
                    tally.add("system-dropped", number, words)
                elif words.rpartition("</think>")[2].strip() not in text:
                    tally.add("turn-dropped", number, f"{message['role']}: {words}")

    def _passage(self, number: int, row: Passage, tally: Tally) -> Item:
        text, bos = row.text, self.tokens.get("bos_token")
        if bos and self.bos_added and text.startswith(bos):
            tally.add("bos-doubled", number, text)
        if row.beside.strip() and row.beside.strip() not in text:
            tally.add("system-dropped", number, row.beside)
        self._formatted(number, text, tally)
        return Item(number, self.completed(text), True, row)

    def _formatted(self, number: int, text: str, tally: Tally) -> None:
        foreign = [end for end in dict.fromkeys(_FORMATTED.findall(text)) if end not in self.ends]
        for end in foreign:
            tally.add(f"foreign-end:{end}", number, text)
        header, own = self.voice.header, self.voice.end
        if not header:
            return
        if header not in text:
            family = family_of(text)
            if family is not None:
                tally.add(f"other-format:{family.name}", number, text)
        elif own and not foreign:
            # What trains may add the last end itself.
            if any(not text[start:end].endswith(own) for start, end in answers(text, self.voice)[:-1]):
                tally.add("missing-end", number, text)

    def spans(self, item: Item) -> list[Span]:
        """Where the answers of a row stand in its text, each with what ends it.  Raises Refused."""
        if isinstance(item.row, Conversation):
            return self.rendered(item.row)[1]
        return self.answers_of(item.row, item.text)
