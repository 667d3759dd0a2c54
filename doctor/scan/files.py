"""Reading one file that may be anything: huge, a pipe, a loop of links, not text, gone."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from typing import Any

from doctor.unreadable import Unreadable as Unreadable
from doctor.unreadable import why as why

SOURCE_LIMIT = 10_000_000
"""Bytes; the longest modeling file of transformers 5.23.0 has 0.3 MB."""
JSON_LIMIT = 50_000_000

_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_JSON = {"list": "array", "str": "string", "bool": "boolean", "NoneType": "null"}


def read_bytes(path: str, limit: int = SOURCE_LIMIT) -> bytes:
    """The whole of a regular file of at most `limit` bytes; never waits on a pipe."""
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except OSError as error:
        raise Unreadable(why(error)) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            kind = next((name for test, name in _KINDS if test(status.st_mode)), "something else")
            raise Unreadable(f"is {kind}, not a file")
        if status.st_size > limit:
            raise Unreadable(f"is {status.st_size / 1e6:.1f} MB; files over {limit / 1e6:.0f} MB are not read")
        return _drain(descriptor, status.st_size)
    except OSError as error:
        raise Unreadable(why(error)) from error
    finally:
        os.close(descriptor)


def _drain(descriptor: int, size: int) -> bytes:
    chunks: list[bytes] = []
    while size > 0 and (chunk := os.read(descriptor, size)):
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def lines(path: str) -> list[str]:
    """The lines of a text file."""
    return read_bytes(path).decode("utf-8", "replace").splitlines()


def optional_lines(path: str) -> list[str]:
    """The lines of a file that only adds to what is known; none where it cannot be read."""
    try:
        return lines(path)
    except Unreadable:
        return []


def names(folder: str) -> list[str]:
    """What a folder holds, in order; nothing where it cannot be listed."""
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def decode(data: bytes) -> str:
    """The text of a Python file, as the interpreter would decode it (byte-order mark, PEP 263 cookie, UTF-8)."""
    if data.startswith(b"\xef\xbb\xbf"):
        return _decode(data[3:], "utf-8")
    for line in data.split(b"\n", 2)[:2]:
        if match := _COOKIE.match(line):
            return _decode(data, match[1].decode("ascii", "replace"))
        if line.strip() and not line.lstrip().startswith(b"#"):
            break
    return _decode(data, "utf-8")


def _decode(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        raise Unreadable(f"is not {encoding}: byte 0x{data[error.start]:02x} at offset {error.start}") from error
    except LookupError as error:
        raise Unreadable(f"declares the encoding {encoding!r}, which Python does not know") from error


def read_object(path: str, limit: int = JSON_LIMIT) -> Mapping[str, Any]:
    """The JSON object in a file."""
    return parse_object(read_bytes(path, limit))


def parse_object(data: bytes) -> Mapping[str, Any]:
    """A JSON object from its bytes."""
    import json

    if not data.strip():
        raise Unreadable("is empty, a JSON object is expected")
    try:
        value = json.loads(_decode(data, "utf-8"))
    except RecursionError as error:
        raise Unreadable("is nested too deeply to be read") from error
    except ValueError as error:
        raise Unreadable(f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        kind = _JSON.get(type(value).__name__, "number")
        raise Unreadable(f"holds a JSON {kind}, an object is expected")
    return value
