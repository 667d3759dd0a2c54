"""A row into token ids and labels: only what the model says is learnt, with the token that ends its turn.

An answer is never cut: of a conversation over the limit the oldest turns go; one that still does not fit is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from doctor.chat.conversation import Conversation, Message, Passage, Row, Tokens
from doctor.chat.mask import IGNORED, fit, labels
from doctor.chat.reader import Reader
from doctor.chat.template import Refused
from doctor.settings import UsageError


class NotLearnt(Exception):
    """A row that is not trained on; the text says why.  `length` in tokens, where that is the reason."""

    def __init__(self, why: str, length: int = 0) -> None:
        super().__init__(why)
        self.length = length


@dataclass(frozen=True)
class Encoded:
    """A row as the model reads it; `labels` are its ids where it is learnt, IGNORED elsewhere."""

    ids: list[int]
    labels: list[int]
    dropped: int = 0
    """Messages that are gone, the oldest."""
    whole: int = 0
    """Tokens before any was dropped."""


class Encoder:
    """What a tokenizer of transformers makes of rows; raises UsageError where its chat template does not render."""

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self.tokenizer, self.limit = tokenizer, max_length
        template = tokenizer.chat_template
        source = template.get("default", "") if isinstance(template, dict) else template or ""
        self.reader = Reader(source, _special(tokenizer), tokenizer.get_added_vocab())
        try:
            self.reader.listen()
        except Refused as error:
            raise UsageError(f"the chat template of the model: {error}") from error

    def encode(self, row: Row) -> Encoded:
        """The row within the limit, oldest turns dropped where it must be; raises NotLearnt."""
        if isinstance(row, Tokens):
            made = self._tokens(row)
        elif isinstance(row, Passage):
            text = self.reader.completed(row.text)
            encoding = self._encoding(text, True)
            made = _ended(encoding.ids, labels(encoding, self.reader.answers_of(row, text)))
        else:
            made = self._conversation(row)
        if len(made.ids) > self.limit:
            raise NotLearnt(f"needs {len(made.ids)} tokens, max_length is {self.limit}", len(made.ids))
        # The first token is predicted from nothing.
        if all(label == IGNORED for label in made.labels[1:]):
            raise NotLearnt("has no answer to learn")
        return made

    def _conversation(self, row: Conversation) -> Encoded:
        if self.reader.template is None:
            raise NotLearnt("the model has no chat template to write a conversation with")
        made = self._rendered(row.messages, row)
        if len(made.ids) <= self.limit:
            return made
        try:
            fitted = fit(row.messages, self.limit, lambda rest: len(self._rendered(rest, row).ids))
        except NotLearnt:  # what remains is no conversation to the template
            return made
        if fitted.messages is None:
            needed = fitted.length or len(made.ids)
            why = f"needs {needed} tokens for its last exchange alone, max_length is {self.limit}"
            raise NotLearnt(why, len(made.ids))
        kept = self._rendered(fitted.messages, row)
        return Encoded(kept.ids, kept.labels, fitted.dropped, len(made.ids))

    def _rendered(self, messages: list[Message], row: Conversation) -> Encoded:
        try:
            text, spans = self.reader.rendered(Conversation(row.layout, messages, row.tools))
        except Refused as error:
            raise NotLearnt(f"the chat template refuses it: {error}") from error
        encoding = self._encoding(text, False)
        return _ended(encoding.ids, labels(encoding, spans))

    def _encoding(self, text: str, special: bool) -> Any:
        return self.tokenizer(text, add_special_tokens=special, truncation=False, verbose=False)[0]

    def _tokens(self, row: Tokens) -> Encoded:
        learnt = list(row.ids if row.labels is None else row.labels)
        if row.attention is not None and not all(row.attention):
            kept = [n for n, seen in enumerate(row.attention) if seen]
            return _ended([row.ids[n] for n in kept], [learnt[n] for n in kept])
        if any(label not in (IGNORED, own) for label, own in zip(learnt, row.ids, strict=True)):
            raise NotLearnt("has labels that are neither its ids nor -100")
        return _ended(list(row.ids), learnt)


def _ended(ids: list[int], learnt: list[int]) -> Encoded:
    """A row up to the last token that is learnt: what follows it changes nothing."""
    end = next((n for n in range(len(ids), 0, -1) if learnt[n - 1] != IGNORED), len(ids))
    return Encoded(ids[:end], learnt[:end], whole=end)


def _special(tokenizer: Any) -> dict[str, str]:
    named = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
    return {name: str(value) for name in named if (value := getattr(tokenizer, name, None)) is not None}
