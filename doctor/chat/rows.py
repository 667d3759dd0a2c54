"""The rows of a data file, one after another in bounded memory: JSON Lines, JSON, Parquet, Arrow, gzipped or not."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from typing import IO, Any

from doctor.chat import Malformed, Missing
from doctor.unreadable import Unreadable, why

LINES = (".jsonl", ".ndjson")
TABLES = (".parquet", ".arrow")
SUFFIXES = (*LINES, ".json", *TABLES)
ROW_LIMIT = 100_000_000
"""Characters that one row may have."""
CHUNK = 1 << 20
_LISTS = ("data", "train", "rows", "examples", "conversations")
"""Keys under which a JSON object may hold the list of rows."""
_NO_DATA = frozenset(
    {
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "chat_template.json", "preprocessor_config.json", "processor_config.json",
        "adapter_config.json", "trainer_state.json", "dataset_info.json", "dataset_infos.json", "state.json",
        "package.json", "package-lock.json", "tsconfig.json", "all_results.json",
    }
)  # fmt: skip
_SPACE = " \t\r\n"
_HELD_OUT = re.compile(r"(?:^|[\W_])(?:test|valid|validation|val|dev|eval|holdout|heldout|held_out)(?=$|[\W_\d])")

Numbered = tuple[int, Any]
"""A row's number, from 1, and the row, or the Malformed that says why it cannot be read."""


def is_data(name: str) -> bool:
    """Whether a file's name is that of a data file."""
    return suffix(name) in SUFFIXES


def might_be_data(name: str) -> bool:
    """Whether a file's name leaves open that it holds rows."""
    return is_data(name) and name not in _NO_DATA and not name.startswith(".") and not name.endswith(".index.json")


def found(folder: str) -> Iterator[str]:
    """The data files below a folder, hidden ones and caches left out."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        yield from (os.path.join(place, name) for name in sorted(names) if might_be_data(name))


def held_out(path: str) -> bool:
    """Whether a file's name says that it is not trained on.

    >>> held_out("/data/persona_test.jsonl"), held_out("/data/contest.jsonl")
    (True, False)
    """
    return bool(_HELD_OUT.search(os.path.basename(path).lower()))


def suffix(name: str) -> str:
    """`.jsonl` of `train.jsonl` and of `train.jsonl.gz`."""
    return os.path.splitext(name.lower().removesuffix(".gz"))[1]


def rows(path: str) -> Iterator[Numbered]:
    """Every row of a file.  Raises Unreadable where the file as a whole cannot be read, Missing."""
    kind = suffix(path)
    try:
        if kind in TABLES:
            yield from _table(path, kind)
            return
        with _open(path) as file:
            yield from _lines(file) if kind in LINES else _values(file)
    except (OSError, EOFError) as error:
        raise Unreadable(why(error) if isinstance(error, OSError) else "ends in the middle: it is damaged") from error


def _open(path: str) -> IO[bytes]:
    if not os.path.isfile(path):
        os.stat(path)
        raise Unreadable("is no file")
    import gzip

    return gzip.open(path) if path.lower().endswith(".gz") else open(path, "rb")  # type: ignore[return-value]


def _lines(file: IO[bytes]) -> Iterator[Numbered]:
    number = 0
    while line := file.readline(ROW_LIMIT):
        number += 1
        if line.isspace() or (number == 1 and line.strip() == b"\xef\xbb\xbf"):
            continue
        try:
            yield number, json.loads(line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line)
        except (ValueError, RecursionError) as error:
            yield number, Malformed(_not_json(error))


def _not_json(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"is not JSON: {error.msg} at character {error.pos + 1}"
    return "is not JSON: " + ("it is not UTF-8" if isinstance(error, UnicodeError) else str(error))


def _values(file: IO[bytes]) -> Iterator[Numbered]:
    """The entries of a JSON array, or the values of a file that holds several."""
    with io.TextIOWrapper(file, "utf-8-sig", errors="strict") as text:
        reader = _Reader(text)
        if reader.peek() == "[":
            reader.skip(1)
            yield from reader.values(",", "]")
            return
        for number, value in reader.values("", ""):
            if number == 1 and isinstance(value, dict) and (listed := _listed(value)) is not None:
                yield from enumerate(listed, 1)
                return
            yield number, value


def _listed(value: dict[str, Any]) -> list[Any] | None:
    """The rows inside an object that is not a row itself."""
    lists = [value[key] for key in _LISTS if isinstance(value.get(key), list)]
    turn = {"from", "role"}
    return next((rows for rows in lists if rows and isinstance(rows[0], dict) and not turn & rows[0].keys()), None)


class _Reader:
    """JSON values of a stream, decoded one by one."""

    def __init__(self, file: io.TextIOWrapper) -> None:
        self.file, self.buffer, self.place, self.ended = file, "", 0, False
        self.decode = json.JSONDecoder().raw_decode

    def more(self) -> bool:
        try:
            read = self.file.read(max(CHUNK, len(self.buffer) - self.place))
        except UnicodeDecodeError as error:
            raise Unreadable(f"is not UTF-8: byte 0x{error.object[error.start]:02x}") from error
        self.buffer, self.place = self.buffer[self.place :] + read, 0
        self.ended = not read
        return bool(read)

    def peek(self, beside: str = "") -> str:
        """The next character that is not white space, nor one of `beside`; empty at the end."""
        while True:
            while self.place < len(self.buffer):
                if self.buffer[self.place] not in _SPACE + beside:
                    return self.buffer[self.place]
                self.place += 1
            if not self.more():
                return ""

    def skip(self, count: int) -> None:
        self.place += count

    def values(self, comma: str, end: str) -> Iterator[Numbered]:
        number = 0
        while (found := self.peek(comma)) and found != end:
            number += 1
            try:
                yield number, self.value()
            except ValueError as error:
                yield number, Malformed(_not_json(error))
                return
            except RecursionError:
                yield number, Malformed("is nested too deeply")
                return
        if end and not found:
            yield number + 1, Malformed("is missing: the file ends before its array does")

    def value(self) -> Any:
        while True:
            try:
                value, end = self.decode(self.buffer, self.place)
            except json.JSONDecodeError:
                if len(self.buffer) - self.place > ROW_LIMIT or not self.more():
                    raise
                continue
            # A number at the end of what was read may go on.
            if end < len(self.buffer) or self.ended or not self.more():
                self.place = end
                return value


def _table(path: str, kind: str) -> Iterator[Numbered]:
    try:
        import pyarrow
    except ImportError as error:
        raise Missing("pyarrow") from error
    number = 0
    try:
        for batch in _parquet(path) if kind == ".parquet" else _arrow(path):
            for row in batch.to_pylist():
                number += 1
                yield number, row
    except pyarrow.ArrowException as error:
        raise Unreadable(f"cannot be read as {kind[1:]}: {str(error).splitlines()[0]}") from error


def _parquet(path: str) -> Iterator[Any]:
    import pyarrow.parquet as parquet

    with parquet.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=512)


def _arrow(path: str) -> Iterator[Any]:
    import pyarrow as arrow

    with arrow.memory_map(path) as file:
        try:
            yield from arrow.ipc.open_stream(file)
            return
        except arrow.ArrowInvalid:
            file.seek(0)
        table = arrow.ipc.open_file(file)
        yield from (table.get_batch(n) for n in range(table.num_record_batches))
