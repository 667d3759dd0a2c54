"""Rows out of every kind of file, in bounded memory, and what is wrong with those that cannot be read."""

from __future__ import annotations

import gzip
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from doctor.chat import Missing
from doctor.chat.conversation import Malformed
from doctor.chat.rows import might_be_data, rows
from doctor.scan.files import Unreadable

ROWS = [{"text": "one 🙂"}, {"text": 'two "]} \\'}, {"text": "three"}]


def write(path: Path) -> str:
    table = pa.Table.from_pylist(ROWS)
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    if path.name.endswith(".parquet"):
        pq.write_table(table, path)
    elif path.name == "stream.arrow":
        with pa.ipc.new_stream(path, table.schema) as sink:
            sink.write_table(table)
    elif path.name == "file.arrow":
        with pa.ipc.new_file(path, table.schema) as sink:
            sink.write_table(table)
    elif path.name.endswith(".gz"):
        path.write_bytes(gzip.compress(lines.encode()))
    elif path.name == "bom.jsonl":
        path.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    elif path.name == "object.json":
        path.write_text(json.dumps({"version": 1, "data": ROWS}))
    elif path.name == "indented.json":
        path.write_text(json.dumps(ROWS, indent=4))
    elif path.name == "lines.json":
        path.write_text(lines)
    else:
        path.write_text(lines)
    return str(path)


@pytest.mark.parametrize(
    "name",
    ["a.jsonl", "a.ndjson", "a.jsonl.gz", "bom.jsonl", "indented.json", "object.json", "lines.json", "a.parquet",
     "stream.arrow", "file.arrow"],
)  # fmt: skip
def test_every_kind_of_file_holds_the_same_rows(tmp_path: Path, name: str) -> None:
    assert list(rows(write(tmp_path / name))) == list(enumerate(ROWS, 1))


def test_an_array_is_not_read_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("doctor.chat.rows.CHUNK", 64)
    path = tmp_path / "long.json"
    path.write_text(json.dumps([{"text": "x" * (n % 200), "n": n} for n in range(500)], indent=1))
    found = rows(str(path))
    assert next(found) == (1, {"text": "", "n": 0})
    assert [row["n"] for _, row in found] == list(range(1, 500))


def test_a_line_that_is_wrong_does_not_end_the_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"text": "one"}\n\n{"text": \n{"text": "\xff"}\n{"text": "four"}\n')
    found: dict[int, Any] = dict(rows(str(path)))
    assert found[1] == {"text": "one"} and found[5] == {"text": "four"}
    assert [str(found[n]) for n in (3, 4)] == [
        "is not JSON: Expecting value at character 11",
        "is not JSON: it is not UTF-8",
    ]


@pytest.mark.parametrize(("text", "says"), [("[{}, {", "is not JSON"), ("[{}", "file ends"), ("[" * 99999, "deeply")])
def test_an_array_that_breaks_off_says_so(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    *_, (_, last) = rows(str(path))
    assert isinstance(last, Malformed) and says in str(last)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.parquet", b"PAR1 but not really", "cannot be read as parquet"),
        ("a.jsonl.gz", b"\x1f\x8b\x08broken", "damaged"),
        ("a.json", b'[{"text": "\xff\xfe"}]', "is not UTF-8: byte 0xff"),
        ("gone.jsonl", None, "is gone"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Unreadable, match=says):
        list(rows(str(tmp_path / name)))


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(Unreadable, match="is no file"):
        list(rows(str(tmp_path / "a.jsonl")))


def test_without_pyarrow_one_sentence_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Missing, match=r"needs pyarrow, .*pip install"):
        list(rows(str(tmp_path / "a.parquet")))


def test_files_of_a_model_are_no_data() -> None:
    names = ["train.jsonl", "data.json", "config.json", "tokenizer.json", "model.safetensors.index.json", "a.txt"]
    assert [name for name in names if might_be_data(name)] == ["train.jsonl", "data.json"]
