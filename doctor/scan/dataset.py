"""Data sets: JSON, JSON Lines, Parquet and Arrow files, streamed row by row, so that memory does not grow with them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from doctor.chat import Missing
from doctor.chat.conversation import Malformed, Tokens, read
from doctor.model import DataFacts, ModelFacts, Skip
from doctor.scan.files import Unreadable
from doctor.scan.fingerprints import Fingerprints
from doctor.scan.measure import Item, Measure, measure
from doctor.scan.rows import might_be_data, rows, suffix
from doctor.scan.survey import Survey

if TYPE_CHECKING:
    from packaging.version import Version

BATCH = 1000
_SHARD = re.compile(r"-\d+-of-\d+(?=\.)")
_HELD_OUT = re.compile(r"(?:^|[\W_])(?:test|valid|validation|val|dev|eval|holdout|heldout|held_out)(?=$|[\W_\d])")


@dataclass(frozen=True)
class Wanted:
    """How data sets are looked at."""

    model: ModelFacts | None
    max_length: int | None
    transformers: Version
    why_no_model: str = "name the model it is for with --model"


def found(folder: str) -> Iterator[str]:
    """The data files below a folder, hidden ones and caches left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        yield from (os.path.join(place, name) for name in sorted(names) if might_be_data(name))


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


def held_out(path: str) -> bool:
    """Whether a file's name says that it is not trained on.

    >>> held_out("/data/persona_test.jsonl"), held_out("/data/contest.jsonl")
    (True, False)
    """
    return bool(_HELD_OUT.search(os.path.basename(path).lower()))


@dataclass
class _Look:
    """One data set being looked at."""

    path: str
    files: Sequence[str]
    wanted: Wanted
    skipped: list[Skip]
    training: Fingerprints | None = None
    survey: Survey = field(init=False)
    measure: Measure | None = None

    def __post_init__(self) -> None:
        model = self.wanted.model
        if model is not None:
            self.measure = measure(model, self.wanted.max_length, self.wanted.transformers, self.skipped, self.path)
        else:
            self.skipped.append(
                Skip(self.path, f"was neither rendered nor counted in tokens: {self.wanted.why_no_model}")
            )
        special = {*model.added_tokens, *self.measure.tokens.values()} if model and self.measure else ()
        self.survey = Survey(special, self.training if held_out(self.path) else None)

    def facts(self) -> DataFacts | None:
        """Look at every row; None where the files could not be read at all."""
        items = (item for file in self.files for item in self._items(file))
        if self.measure is None or self.measure.tokenizer is None:
            for _ in items:
                pass
        else:
            self._weigh(items, self.measure)
        if not self.survey.rows and not self.survey.tally.counts:
            return None
        return self._facts()

    def _items(self, file: str) -> Iterator[Item]:
        """The rows as text, looked at on the way."""
        tally, measure = self.survey.tally, self.measure
        try:
            for number, row in rows(file):
                try:
                    if isinstance(row, Malformed):
                        raise row
                    made = read(row)
                except Malformed as error:
                    self.survey.rows += 1
                    tally.add("malformed", number, str(error))
                    continue
                self.survey.add(number, made)
                if measure is None:
                    continue
                if isinstance(made, Tokens):
                    measure.ready(number, made, tally)
                elif (item := measure.item(number, made, tally)) is not None:
                    yield item
        except (Unreadable, Missing) as error:
            self.skipped.append(Skip(file, str(error)))

    def _weigh(self, items: Iterator[Item], measure: Measure) -> None:
        """Tokenise one batch while the next is read."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(1) as pool:
            before: Sequence[Item] = ()
            running = None
            while batch := list(islice(items, BATCH)):
                following = pool.submit(measure.weigh, batch)
                if running is not None:
                    measure.record(before, running.result(), self.survey.tally)
                before, running = batch, following
            if running is not None:
                measure.record(before, running.result(), self.survey.tally)
        measure.outliers(self.survey.tally)

    def _facts(self) -> DataFacts:
        survey, made = self.survey, self.measure
        prints = survey.prints
        scale = {
            "duplicate": prints.whole.every,
            "near-duplicate": prints.near.every,
            "contradiction": prints.questions.every,
        }
        facts = DataFacts(
            self.path,
            layout=", ".join(sorted(survey.layouts)),
            rows=survey.rows,
            seen=survey.tally.seen(scale),
            languages=dict(survey.languages.most_common()),
            holdout=held_out(self.path),
        )
        if made is None:
            return facts
        from dataclasses import replace

        return replace(
            facts,
            model=made.model.path,
            limit=made.limit,
            limit_from=made.limit_from,
            longest=made.longest,
            median=made.median(),
            end=made.voice.end,
            ends=tuple(sorted(made.ends)),
            header=made.voice.header,
            shown=tuple(made.shown),
        )
