"""The rows of a run: read, labelled, split into those that are trained on and those that are held out."""

from __future__ import annotations

import hashlib
import json
import os
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doctor.chat import Missing
from doctor.chat.conversation import Conversation, Malformed, Passage, Row, read
from doctor.chat.rows import found, held_out, rows
from doctor.settings import UsageError
from doctor.trainer.config import Config, Data
from doctor.trainer.encode import Encoder, NotLearnt
from doctor.trainer.run_folder import DataReport, Refused
from doctor.trainer.store import Store
from doctor.unreadable import Unreadable

NAMED = 1000
"""Refused rows that are named."""


@dataclass(frozen=True)
class Prepared:
    """The rows of a run: which are trained on and which held out, by their place in the store."""

    store: Store
    train: Sequence[int]
    holdout: Sequence[int]
    report: DataReport
    prompts: Sequence[tuple[str, Conversation]]
    """Held-out conversations by name, for samples; chosen by their digests."""


def prepare(config: Config, tokenizer: Any, prompts: int = 0) -> Prepared:
    """Read, label and split the rows of a run.  Raises UsageError where nothing is left to train on."""
    encoder, work = Encoder(tokenizer, config.max_length), _Work(config)
    for name, apart, row in named_rows(config.data):
        try:
            work.take(name, apart, encoder, row)
        except (NotLearnt, Malformed) as error:
            work.refuse(name, error)
    return work.prepared(prompts)


def named_rows(data: Data) -> Iterator[tuple[str, bool, Row | Malformed]]:
    """Every row with its name, `persona.jsonl:12`, and whether its file is one of held-out rows.

    Raises UsageError where a file cannot be read.
    """
    path = Path(data.path)
    files = list(found(data.path)) if path.is_dir() else [data.path]
    if not files:
        raise UsageError(f"data.path: {path} holds no .jsonl, .json, .parquet or .arrow file")
    for file in files:
        apart = len(files) > 1 and held_out(file)
        try:
            for number, raw in rows(file):
                yield f"{os.path.basename(file)}:{number}", apart, _row(raw, data)  # noqa: PTH119 - once a row
        except (Unreadable, Missing) as error:
            raise UsageError(f"data.path: {file} {error}") from error


def _row(raw: Any, data: Data) -> Row | Malformed:
    if isinstance(raw, Malformed):
        return raw
    try:
        row = read(raw, data.system)
    except Malformed as error:
        return error
    if data.format not in ("auto", row.layout):
        return Malformed(f"is {row.layout}, data.format is {data.format}")
    return row


@dataclass
class _Work:
    """The rows taken so far."""

    config: Config
    store: Store = field(default_factory=Store)
    digests: list[bytes] = field(default_factory=list)
    apart: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    candidates: dict[int, tuple[str, Conversation]] = field(default_factory=dict)
    layouts: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    longest: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def take(self, name: str, apart: bool, encoder: Encoder, row: Row | Malformed) -> None:
        """Encode and store a row; raises NotLearnt, Malformed."""
        self.counts["rows"] += 1
        if isinstance(row, Malformed):
            raise row
        made = encoder.encode(row)
        self.longest = max(self.longest, made.whole)
        self.counts["shortened"] += made.dropped > 0
        self.layouts[row.layout] += 1
        self.digest.update(array("i", made.ids).tobytes() + array("i", made.labels).tobytes())
        place = len(self.store)
        self.store.add(made)
        self.digests.append(self._lot(row))
        if apart:
            self.apart.append(place)
        if isinstance(row, Conversation):
            self._consider(place, name, row)

    def _lot(self, row: Row) -> bytes:
        """What decides where a row belongs: the same for equal rows, whatever their order."""
        said = (
            row.messages if isinstance(row, Conversation) else row.text if isinstance(row, Passage) else list(row.ids)
        )
        return hashlib.sha256(f"{self.config.seed}{json.dumps(said, sort_keys=True)}".encode()).digest()[:8]

    def _consider(self, place: int, name: str, row: Conversation) -> None:
        """Keep the conversations that come first in the draw; nearly all of them are held out."""
        self.candidates[place] = (name, row)
        if len(self.candidates) > 4 * max(self.config.samples, 1):
            self.candidates.pop(max(self.candidates, key=lambda one: self.digests[one]))

    def refuse(self, name: str, error: NotLearnt | Malformed) -> None:
        """Count a row that is not trained on, and name it."""
        length = getattr(error, "length", 0)
        self.longest = max(self.longest, length)
        self.counts["refused"] += 1
        if len(self.refused) < NAMED:
            self.refused.append({"row": name, "why": str(error), "length": length})

    def prepared(self, prompts: int) -> Prepared:
        train, holdout = self._split()
        if not train:
            why = f": {self.refused[0]['row']} {self.refused[0]['why']}" if self.refused else ""
            raise UsageError(f"{self.config.data.path} has no row to train on{why}")
        held = sorted((place for place in self.candidates if place in set(holdout)), key=lambda n: self.digests[n])
        chosen = [self.candidates[place] for place in held[:prompts]]
        return Prepared(self.store, train, holdout, self._report(train, holdout), chosen)

    def _split(self) -> tuple[array[int], array[int]]:
        """The rows that come first in the draw are held out, equal rows together, at least one where any shall be."""
        places = range(len(self.store))
        apart = set(self.apart)
        if apart or not self.config.data.holdout or len(places) < 2:
            return array("q", (n for n in places if n not in apart)), array("q", sorted(apart))
        count = max(1, round(len(places) * self.config.data.holdout))
        last = sorted(self.digests)[count - 1]
        held = [self.digests[n] <= last for n in places]
        return array("q", (n for n in places if not held[n])), array("q", (n for n in places if held[n]))

    def _report(self, train: Sequence[int], holdout: Sequence[int]) -> DataReport:
        return {
            "path": self.config.data.path,
            "digest": self.digest.hexdigest(),
            "rows": self.counts["rows"],
            "train": len(train),
            "holdout": len(holdout),
            "refused": self.refused,
            "refused_count": self.counts["refused"],
            "shortened": self.counts["shortened"],
            "longest": self.longest,
            "max_length": self.config.max_length,
            "tokens": sum(self.store.length(row) for row in train),
            "learnt": sum(self.store.learnt[row] for row in train),
            "layouts": dict(self.layouts),
            "lengths": classes([self.store.length(row) for row in (*train, *holdout)]),
        }


def classes(lengths: Sequence[int], most: int = 10) -> dict[str, int]:
    """How many lengths lie in each of at most that many classes, which are as wide as a power of two.

    >>> classes([3, 7, 8, 30], most=4)
    {'0-8': 2, '8-16': 1, '16-24': 0, '24-32': 1}
    """
    wide = 8
    while max(lengths, default=0) >= wide * most:
        wide *= 2
    counts = Counter(length // wide for length in lengths)
    return {f"{n * wide:,}-{(n + 1) * wide:,}": counts[n] for n in range(max(counts, default=-1) + 1)}
