"""Data sets: JSON, JSON Lines, Parquet and Arrow files, streamed row by row, so that memory does not grow with them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from doctor.chat import Missing
from doctor.chat.conversation import Malformed, Tokens, read
from doctor.chat.rows import found as found
from doctor.chat.rows import held_out, rows, suffix
from doctor.model import DataFacts, ModelFacts, Skip
from doctor.scan.files import Unreadable
from doctor.scan.fingerprints import Fingerprints
from doctor.scan.measure import Measure, Weighed
from doctor.scan.reading import Item, Reading
from doctor.scan.survey import Survey

if TYPE_CHECKING:
    from packaging.version import Version

BATCH = 1000
_SHARD = re.compile(r"-\d+-of-\d+(?=\.)")


@dataclass(frozen=True)
class Wanted:
    """How data sets are looked at."""

    model: ModelFacts | None
    max_length: int | None
    transformers: Version
    why_no_model: str = "name the model it is for with --model"
    system: str | None = None
    """The system prompt of rows that have none of their own."""


def holds_rows(path: str) -> bool:
    """Whether the first row of a file that nobody named is one of a data set."""
    try:
        if suffix(path) == ".json" and not _is_list(path):
            return False
        for _, row in islice(rows(path), 1):
            if isinstance(row, Malformed):
                return False
            read(row)
            return True
    except (Unreadable, Malformed):
        return False
    except Missing:
        return True
    return False


def _is_list(path: str) -> bool:
    if path.endswith(".gz"):
        return True
    with open(path, "rb") as file:
        return file.read(200).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def examine(paths: Iterable[str], wanted: Wanted, skipped: list[Skip]) -> tuple[DataFacts, ...]:
    """Every data set among files, its shards together; training data before what is held out from it."""
    sets: dict[str, list[str]] = {}
    for path in dict.fromkeys(paths):
        sets.setdefault(_SHARD.sub("", path), []).append(path)
    training: Fingerprints | None = None
    done: list[DataFacts] = []
    for name, files in sorted(sets.items(), key=lambda entry: held_out(entry[0])):
        one = _Look(name if len(files) > 1 else files[0], files, wanted, skipped, training)
        if (facts := one.facts()) is not None:
            done.append(facts)
            if not facts.holdout and training is None:
                training = one.survey.prints
    return tuple(done)


class _Look:
    """One data set being looked at."""

    def __init__(
        self, path: str, files: Sequence[str], wanted: Wanted, skipped: list[Skip], training: Fingerprints | None
    ) -> None:
        self.path, self.files, self.skipped, self.system = path, files, skipped, wanted.system
        self.reading: Reading | None = None
        self.measure: Measure | None = None
        special: set[str] = set()
        self.unread: tuple[Skip, ...] = ()
        if wanted.model is not None:
            self.reading = Reading(wanted.model, wanted.transformers, skipped, path)
            self.measure = Measure(self.reading, wanted.max_length, skipped, path)
            special = {*wanted.model.added_tokens, *self.reading.tokens.values()}
        else:
            self.unread = (Skip(path, f"was neither rendered nor counted in tokens: {wanted.why_no_model}"),)
        self.survey = Survey(special, training if held_out(path) else None)

    def facts(self) -> DataFacts | None:
        """Look at every row; None where the files could not be read at all."""
        items = (item for file in self.files for item in self._items(file))
        if self.measure is None or self.measure.tokenizer is None:
            for _ in items:
                pass
        else:
            self._weigh(items, self.measure)
        if not self.survey.rows and not self.survey.tally.counts:
            if not any(skip.id in (self.path, *self.files) for skip in self.skipped):
                self.skipped.append(Skip(self.path, "holds no row"))
            return None
        self.skipped += self.unread
        return self._facts()

    def _items(self, file: str) -> Iterator[Item]:
        """The rows as text, looked at on the way."""
        try:
            for number, row in rows(file):
                item = self._row(number, row)
                if item is not None:
                    yield item
        except (Unreadable, Missing) as error:
            self.skipped.append(Skip(file, str(error)))

    def _row(self, number: int, row: Any) -> Item | None:
        tally = self.survey.tally
        try:
            if isinstance(row, Malformed):
                raise row
            made = read(row, self.system)
        except Malformed as error:
            self.survey.rows += 1
            tally.add("malformed", number, str(error))
            return None
        self.survey.add(number, made)
        if self.reading is None or self.measure is None:
            return None
        if isinstance(made, Tokens):
            self.measure.ready(number, made, tally)
            return None
        return self.reading.item(number, made, tally)

    def _weigh(self, items: Iterator[Item], measure: Measure) -> None:
        """Tokenise one batch while the next is read."""
        from concurrent.futures import Future, ThreadPoolExecutor

        tally = self.survey.tally
        with ThreadPoolExecutor(1) as pool:
            running: tuple[Sequence[Item], Future[Weighed]] | None = None
            while batch := list(islice(items, BATCH)):
                following = batch, pool.submit(measure.weigh, batch)
                if running is not None:
                    measure.record(running[0], running[1].result(), tally)
                running = following
            if running is not None:
                measure.record(running[0], running[1].result(), tally)
        measure.outliers(tally)

    def _facts(self) -> DataFacts:
        survey = self.survey
        facts = DataFacts(
            self.path,
            layout=", ".join(sorted(survey.layouts)),
            rows=survey.rows,
            seen=survey.tally.seen(survey.prints.scale),
            languages=dict(survey.languages.most_common()),
            holdout=held_out(self.path),
        )
        if self.reading is None or self.measure is None:
            return facts
        return replace(
            facts,
            model=self.reading.model.path,
            repository=self.reading.model.repository,
            limit=self.measure.limit,
            limit_from=self.measure.limit_from,
            longest=self.measure.longest,
            median=self.measure.median(),
            end=self.reading.voice.end,
            ends=tuple(sorted(self.reading.ends)),
            header=self.reading.voice.header,
            shown=tuple(self.measure.shown),
        )
