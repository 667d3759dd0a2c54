"""What is seen in the rows of a data set by the template and tokenizer of the model that will read them.

The names under which it is counted: refused:REASON, no-template, system-dropped, turn-dropped, foreign-end:TOKEN,
missing-end, other-format:FAMILY, bos-doubled, cut (with the tokens lost), no-label, saved-by-dropping, too-long,
answers-unknown, length-outlier.
"""

from __future__ import annotations

import heapq
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from doctor.chat import Missing
from doctor.chat.conversation import Conversation, Message, Passage, Tokens
from doctor.chat.families import ENDS, family_of
from doctor.chat.mask import IGNORED, fit, ranges, tokenizer
from doctor.chat.specials import adds_bos, chat_template, special_tokens
from doctor.chat.template import Refused, Span, Template
from doctor.chat.voice import Voice, answers, listen, with_ends
from doctor.model import ModelFacts, Shown, Skip
from doctor.scan.tally import Tally, excerpt

if TYPE_CHECKING:
    from packaging.version import Version

_FORMATTED = re.compile(
    f"({'|'.join(map(re.escape, sorted(ENDS, key=len, reverse=True)))})"
    r"(?=\s*(?:\Z|<\||<s>|<start_of_turn>|\[INST\]|<｜|###|USER:|Human:|User:))"
)
"""The end of a turn in text that is formatted already: at its end, or before another turn."""
UNLIMITED = 1_000_000
"""A `model_max_length` from here on means that there is none."""
BEYOND = 200
"""Tokens that are shown of what is cut."""
OUTLIER, ENOUGH = 10, 50
"""How many times the median a row must have to be an outlier, and how many rows a median needs."""


@dataclass(frozen=True)
class Item:
    """A row as text; `special`: the tokenizer adds its special tokens to it."""

    number: int
    text: str
    special: bool
    row: Conversation | Passage


Weighed = tuple[list[int], dict[int, Any]]
"""Tokens of each item, and the encodings, with offsets, of those over the limit and of the first."""


@dataclass
class Measure:
    """A model and what it makes of row after row."""

    model: ModelFacts
    limit: int | None
    limit_from: str
    tokens: dict[str, str]
    bos_added: bool
    template: Template | None = None
    voice: Voice = field(default_factory=Voice)
    tokenizer: Any = None
    lengths: Counter[int] = field(default_factory=Counter)
    longest: int = 0
    heaviest: list[tuple[int, int, str]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)

    @property
    def ends(self) -> frozenset[str]:
        """The tokens that may end a turn."""
        eos = self.tokens.get("eos_token")
        own = {*self.voice.ends, *([eos] if eos else [])}
        return frozenset(own if self.template else {*own, *self.model.added_tokens})

    def item(self, number: int, row: Conversation | Passage, tally: Tally) -> Item | None:
        """The row as the model will read it; None where it cannot be rendered."""
        if isinstance(row, Passage):
            return self._passage(number, row, tally)
        if self.template is None:
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
        text, bos, eos = row.text, self.tokens.get("bos_token"), self.tokens.get("eos_token")
        if bos and self.bos_added and text.startswith(bos):
            tally.add("bos-doubled", number, text)
        if row.beside.strip() and row.beside.strip() not in text:
            tally.add("system-dropped", number, row.beside)
        self._formatted(number, text, tally)
        if eos and not text.rstrip().endswith(tuple(self.ends)):
            text += eos
        return Item(number, text, True, row)

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

    def _formatted(self, number: int, text: str, tally: Tally) -> None:
        found = dict.fromkeys(_FORMATTED.findall(text))
        foreign = [end for end in found if end not in self.ends]
        for end in foreign:
            tally.add(f"foreign-end:{end}", number, text)
        if not self.voice.header:
            return
        if self.voice.header not in text:
            family = family_of(text)
            if family is not None:
                tally.add(f"other-format:{family.name}", number, text)
        elif (
            not foreign
            and self.voice.end
            and any(not text[start:end].endswith(self.voice.end) for start, end in answers(text, self.voice)[:-1])
        ):
            tally.add("missing-end", number, text)

    def weigh(self, items: Sequence[Item]) -> Weighed:
        """Count tokens; runs beside the reading of the next rows, on the cores that Python leaves alone."""
        lengths = [0] * len(items)
        for special in (False, True):
            chosen = [n for n, item in enumerate(items) if item.special is special]
            texts = [items[n].text for n in chosen]
            for n, encoding in zip(chosen, self._lengths(texts, special), strict=True):
                lengths[n] = len(encoding)
        limit = self.limit or UNLIMITED
        wanted = [n for n, length in enumerate(lengths) if length > limit or (n == 0 and not self.shown)]
        return lengths, {n: self.tokenizer.encode(items[n].text, add_special_tokens=items[n].special) for n in wanted}

    def _lengths(self, texts: list[str], special: bool) -> list[Any]:
        made: list[Any] = self.tokenizer.encode_batch_fast(texts, add_special_tokens=special) if texts else []
        return made

    def record(self, items: Sequence[Item], weighed: Weighed, tally: Tally) -> None:
        """Take in what `weigh` counted."""
        lengths, encodings = weighed
        limit = self.limit or UNLIMITED
        for n, (item, length) in enumerate(zip(items, lengths, strict=True)):
            self.lengths[length] += 1
            if length > limit:
                self._over(item, encodings[n], tally)
            else:
                self.longest = max(self.longest, length)
                if n in encodings and not self.shown:
                    self._show(item, encodings[n], self._learnt(item, encodings[n], tally))
            if len(self.heaviest) < 3:
                heapq.heappush(self.heaviest, (length, item.number, excerpt(item.text)))
            elif length > self.heaviest[0][0]:
                heapq.heapreplace(self.heaviest, (length, item.number, excerpt(item.text)))

    def _over(self, item: Item, encoding: Any, tally: Tally) -> None:
        assert self.limit is not None
        learnt = self._learnt(item, encoding, tally)
        needed = learnt[-1][1] if learnt else len(encoding)
        self.longest = max(self.longest, needed)
        lost = sum(max(end - max(start, self.limit), 0) for start, end in learnt)
        question = item.row.messages[-2 if len(item.row.messages) > 1 else 0]["content"] if isinstance(
            item.row, Conversation
        ) else item.text  # fmt: skip
        if not lost:
            return
        tally.add("cut", item.number, question, lost)
        if all(start >= self.limit for start, _ in learnt):
            tally.add("no-label", item.number, question)
        self._drop(item, tally)
        if len(self.shown) < 2:
            self._show(item, encoding, learnt)

    def _drop(self, item: Item, tally: Tally) -> None:
        assert self.limit is not None
        if isinstance(item.row, Conversation) and self.template is not None:
            template, tools = self.template, item.row.tools
            measure = lambda rest: len(self.tokenizer.encode(template.render(rest, tools), add_special_tokens=False))  # noqa: E731
            try:
                if fit(item.row.messages, self.limit, measure).messages is not None:
                    tally.add("saved-by-dropping", item.number)
                    return
            except Refused:
                pass  # what remains is refused by the template itself: it cannot be saved
        tally.add("too-long", item.number, item.text)

    def _learnt(self, item: Item, encoding: Any, tally: Tally) -> list[Span]:
        try:
            return ranges(encoding, self.spans(item))
        except Refused as error:
            tally.add("answers-unknown", item.number, str(error))
            return []

    def spans(self, item: Item) -> list[Span]:
        """Where the answers of a row stand in its text, each with what ends it."""
        row = item.row
        if isinstance(row, Conversation):
            assert self.template is not None
            _, spans = self.template.spans(row.messages, row.tools, self.voice.end)
            return spans if self.template.generates else with_ends(item.text, spans, self.voice)
        if row.prompt:
            return [(row.prompt, len(item.text))]
        family = family_of(item.text)
        theirs = Voice(header=family.header, end=family.ends[0]) if family else Voice()
        return answers(item.text, self.voice) or answers(item.text, theirs) or [(0, len(item.text))]

    def _show(self, item: Item, encoding: Any, learnt: list[Span]) -> None:
        until = min(len(encoding), (self.limit or 2000) + BEYOND)
        starts = [start for start, _ in encoding.offsets]
        for n in range(1, len(starts)):  # special tokens that were added have no place of their own
            starts[n] = max(starts[n], starts[n - 1])
        starts.append(len(item.text))
        added = [encoding.tokens[n] if mask and first == last else "" for n, (mask, (first, last)) in enumerate(
            zip(encoding.special_tokens_mask, encoding.offsets, strict=True)
        )]  # fmt: skip
        pieces = tuple(added[n] or item.text[starts[n] : starts[n + 1]] for n in range(until))
        self.shown.append(Shown(item.number, pieces, tuple(learnt)))

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


def measure(
    model: ModelFacts, max_length: int | None, transformers: Version, skipped: list[Skip], path: str
) -> Measure:
    """What a model makes of the data set at `path`; what could not be prepared for it is skipped with a reason."""
    tokens = special_tokens(model)
    limit, source = _limit(model, max_length)
    made = Measure(model, limit, source, tokens, adds_bos(model, transformers))
    if template := chat_template(model):
        made.template = Template(template, tokens)
        try:
            made.voice = listen(made.template, {*tokens.values(), *model.added_tokens})
        except Missing as error:
            made.template = None
            skipped.append(Skip(path, f"was not rendered with the chat template of {model.path}: {error}"))
        except Refused as error:
            skipped.append(Skip(path, f"was not compared with the ends of turns of {model.path}: {error}"))
    file = os.path.join(model.path, "tokenizer.json")
    try:
        if not os.path.exists(file):
            raise ValueError("is not there: `AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes it")
        made.tokenizer = tokenizer(file)
    except Missing as error:
        skipped.append(Skip(path, f"was not counted in tokens: {error}"))
    except ValueError as error:
        skipped.append(Skip(path, f"was not counted in tokens: {file} {error}"))
    return made


def _limit(model: ModelFacts, max_length: int | None) -> tuple[int | None, str]:
    if max_length is not None:
        return max_length, "--max-length"
    for key, place in (("model_max_length", model.tokenizer), ("max_position_embeddings", model.config)):
        value = place.get(key)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < UNLIMITED:
            return int(value), key
    return None, ""
