"""Rows in tokens: how long they are, what of their answers lies beyond the limit, and what would save them.

The names under which it is counted: cut (with the tokens lost), no-label, saved-by-dropping, too-long,
answers-unknown, length-outlier.
"""

from __future__ import annotations

import heapq
import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

from doctor.chat import Missing
from doctor.chat.conversation import Conversation, Message, Tokens
from doctor.chat.mask import IGNORED, fit, ranges, tokenizer
from doctor.chat.template import Refused, Span
from doctor.model import ModelFacts, Shown, Skip
from doctor.scan.reading import Item, Reading
from doctor.scan.tally import Tally, excerpt

UNLIMITED = 1_000_000
"""A `model_max_length` from here on means that there is none."""
BEYOND = 200
"""Tokens that are shown of what is cut."""
OUTLIER, ENOUGH = 10, 50
"""How many times the median a row must have to be an outlier, and how many rows a median needs."""

Weighed = tuple[list[int], dict[int, Any]]
"""Tokens of each item, and the encodings, with offsets, of those over the limit and of the first."""


class Measure:
    """Counts the tokens of row after row; `tokenizer` is None where that cannot be done."""

    def __init__(self, reading: Reading, max_length: int | None, skipped: list[Skip], path: str) -> None:
        self.reading = reading
        self.limit, self.limit_from = limit(reading.model, max_length)
        self.tokenizer = _tokenizer(reading.model, skipped, path)
        self.lengths: Counter[int] = Counter()
        self.longest = 0
        self.heaviest: list[tuple[int, int, str]] = []
        self.shown: list[Shown] = []

    def ready(self, number: int, row: Tokens, tally: Tally) -> None:
        """A row that is tokenised already: what of its labels is beyond the limit."""
        length = len(row.ids)
        self.lengths[length] += 1
        self.longest = max(self.longest, length)
        if row.labels is None or self.limit is None or length <= self.limit:
            return
        lost = sum(label != IGNORED for label in row.labels[self.limit :])
        if lost:
            tally.add("cut", number, amount=lost)
            if all(label == IGNORED for label in row.labels[: self.limit]):
                tally.add("no-label", number)

    def weigh(self, items: Sequence[Item]) -> Weighed:
        """Count tokens; runs beside the reading of the next rows, on the cores that Python leaves alone."""
        lengths, encodings = [0] * len(items), dict[int, Any]()
        limit = self.limit or UNLIMITED
        for special in (False, True):
            chosen = [n for n, item in enumerate(items) if item.special is special]
            texts = [items[n].text for n in chosen]
            # Without offsets it is a fifth faster, and few rows need them.
            for n, encoding in zip(
                chosen, self.tokenizer.encode_batch_fast(texts, add_special_tokens=special), strict=True
            ):
                lengths[n] = len(encoding)
            wanted = [n for n in chosen if lengths[n] > limit or (n == 0 and not self.shown)]
            found = self.tokenizer.encode_batch([items[n].text for n in wanted], add_special_tokens=special)
            encodings |= zip(wanted, found, strict=True)
        return lengths, encodings

    def record(self, items: Sequence[Item], weighed: Weighed, tally: Tally) -> None:
        """Take in what `weigh` counted."""
        lengths, encodings = weighed
        self.lengths.update(lengths)
        limit = self.limit or UNLIMITED
        for n, (item, length) in enumerate(zip(items, lengths, strict=True)):
            if length > limit:
                self._over(item, encodings[n], tally)
            else:
                self.longest = max(self.longest, length)
                if n in encodings and not self.shown:
                    self._show(item, encodings[n], self._learnt(item, encodings[n], tally))
            if len(self.heaviest) < 3 or length > self.heaviest[0][0]:
                heapq.heappush(self.heaviest, (length, item.number, excerpt(item.text)))
                if len(self.heaviest) > 3:
                    heapq.heappop(self.heaviest)

    def _over(self, item: Item, encoding: Any, tally: Tally) -> None:
        assert self.limit is not None
        learnt = self._learnt(item, encoding, tally)
        self.longest = max(self.longest, learnt[-1][1] if learnt else len(encoding))
        lost = sum(max(end - max(start, self.limit), 0) for start, end in learnt)
        if not lost:
            return
        tally.add("cut", item.number, _asked(item), lost)
        if all(start >= self.limit for start, _ in learnt):
            tally.add("no-label", item.number, _asked(item))
        tally.add("saved-by-dropping" if self._fits(item) else "too-long", item.number, _asked(item))
        if len(self.shown) < 2:
            self._show(item, encoding, learnt)

    def _fits(self, item: Item) -> bool:
        """Whether the row is within the limit once its oldest turns are gone."""
        row = item.row
        if self.limit is None or self.reading.template is None or not isinstance(row, Conversation):
            return False

        def measure(rest: list[Message]) -> int:
            text, spans = self.reading.rendered(Conversation(row.layout, rest, row.tools))
            encoding = self.tokenizer.encode(text, add_special_tokens=False)
            learnt = ranges(encoding, spans)
            return learnt[-1][1] if learnt else len(encoding)

        try:
            return fit(row.messages, self.limit, measure).messages is not None
        except Refused:  # what remains is no conversation to the template
            return False

    def _learnt(self, item: Item, encoding: Any, tally: Tally) -> list[Span]:
        try:
            return ranges(encoding, self.reading.spans(item))
        except Refused as error:
            tally.add("answers-unknown", item.number, str(error))
            return []

    def _show(self, item: Item, encoding: Any, learnt: list[Span]) -> None:
        until = min(len(encoding), (self.limit or 2000) + BEYOND)
        self.shown.append(Shown(item.number, tuple(_pieces(item.text, encoding)[:until]), tuple(learnt)))

    def median(self) -> int:
        """Tokens of the row in the middle."""
        left = sum(self.lengths.values()) // 2
        for length in sorted(self.lengths):
            left -= self.lengths[length]
            if left < 0:
                return length
        return 0

    def outliers(self, tally: Tally) -> None:
        """Count the rows that are many times as long as the one in the middle."""
        most = OUTLIER * self.median()
        far = sum(count for length, count in self.lengths.items() if length > most)
        if sum(self.lengths.values()) >= ENOUGH and far > 0:
            named = [(number, f"{length} tokens: {text}") for length, number, text in sorted(self.heaviest)[::-1]]
            for n in range(far):
                tally.add("length-outlier", *(named[n] if n < len(named) else (0, "")))


def _asked(item: Item) -> str:
    """The question that the last answer of a row is for."""
    if not isinstance(item.row, Conversation):
        return item.text
    return next((m["content"] for m in reversed(item.row.messages) if m["role"] == "user"), "")


def _pieces(text: str, encoding: Any) -> list[str]:
    """The text token by token, what became no token with the one before it; tokens that were added by their names."""
    starts = [start for start, _ in encoding.offsets]
    for n in range(1, len(starts)):
        starts[n] = max(starts[n], starts[n - 1])
    starts.append(len(text))
    added = [
        mask and start == end for mask, (start, end) in zip(encoding.special_tokens_mask, encoding.offsets, strict=True)
    ]
    return [encoding.tokens[n] if own else text[starts[n] : starts[n + 1]] for n, own in enumerate(added)]


def _tokenizer(model: ModelFacts, skipped: list[Skip], path: str) -> Any:
    file = os.path.join(model.path, "tokenizer.json")
    try:
        if not os.path.exists(file):
            raise ValueError("is not there: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes it")
        return tokenizer(file)
    except Missing as error:
        skipped.append(Skip(path, f"was not counted in tokens: {error}"))
    except ValueError as error:
        skipped.append(Skip(path, f"was not counted in tokens: {file} {error}"))
    return None


def limit(model: ModelFacts, max_length: int | None) -> tuple[int | None, str]:
    """The tokens a row may have, and where that is said."""
    if max_length is not None:
        return max_length, "--max-length"
    for key, place in (("model_max_length", model.tokenizer), ("max_position_embeddings", model.config)):
        value = place.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < UNLIMITED:
            return int(value), key
    return None, ""
