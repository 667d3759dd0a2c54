"""Token ids and assistant-only labels by character offsets, and what happens to a conversation that is too long.

The rule: an answer is never cut.  Of a conversation over the limit the oldest turns go first, its system prompt stays;
one whose last exchange alone is too long is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from doctor.chat.conversation import Message
from doctor.chat.template import Span

IGNORED = -100
"""The label of a token that is not learnt."""


class Encoding(Protocol):
    """What `tokenizers` answers, as far as it is needed."""

    @property
    def ids(self) -> list[int]: ...

    def __len__(self) -> int: ...

    def char_to_token(self, char_pos: int) -> int | None: ...


def ranges(encoding: Encoding, spans: Sequence[Span]) -> list[Span]:
    """The tokens, from and to, that spans of characters touch; characters that became no token are passed over."""
    found = []
    for start, end in spans:
        first = _token(encoding, start, end, 1)
        last = _token(encoding, end - 1, start - 1, -1)
        if first is not None and last is not None:
            found.append((first, last + 1))
    return found


def _token(encoding: Encoding, place: int, stop: int, step: int) -> int | None:
    while place != stop:
        token = encoding.char_to_token(place)
        if token is not None:
            return token
        place += step
    return None


def labels(encoding: Encoding, spans: Sequence[Span]) -> list[int]:
    """The ids inside the spans, IGNORED elsewhere."""
    ids = encoding.ids
    made = [IGNORED] * len(ids)
    for first, last in ranges(encoding, spans):
        made[first:last] = ids[first:last]
    return made


@dataclass(frozen=True)
class Fitted:
    """A conversation within the limit: `dropped` of its oldest messages are gone.  `length` in tokens.

    `messages` is None where even the last exchange is over the limit: the row is refused, `length` is what it needs.
    """

    messages: list[Message] | None
    dropped: int
    length: int


def fit(messages: list[Message], limit: int, measure: Callable[[list[Message]], int]) -> Fitted:
    """Drop the oldest exchanges until the conversation has at most `limit` tokens, by `measure`.

    >>> talk = [{"role": role, "content": "x" * 5} for role in ("system", "user", "assistant", "user", "assistant")]
    >>> fit(talk, 15, lambda rest: sum(len(m["content"]) for m in rest)).dropped
    2
    """
    system = [message for message in messages[:1] if message["role"] == "system"]
    rest = messages[len(system) :]
    starts = [number for number, message in enumerate(rest) if message["role"] == "user"] or [0]
    length = 0
    for start in dict.fromkeys([0, *starts]):
        kept = rest[start:]
        if not any(message["role"] == "assistant" for message in kept):
            break
        length = measure([*system, *kept])
        if length <= limit:
            return Fitted([*system, *kept], start, length)
    return Fitted(None, 0, length)


def tokenizer(path: str) -> Any:
    """The `tokenizers.Tokenizer` of a tokenizer.json, without the padding and truncation it was saved with.

    Raises Missing; ValueError where the file is not one.
    """
    from doctor.chat import Missing

    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Missing("tokenizers") from error
    try:
        made = Tokenizer.from_file(path)
    except Exception as error:  # tokenizers raises the base class
        raise ValueError(f"is not a tokenizer.json that tokenizers reads: {error}") from error
    made.no_padding()
    made.no_truncation()
    return made
