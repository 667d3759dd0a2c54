"""A Jupyter notebook as one Python module, and its rewritten cells back into it; every other byte stays.

Cells are joined in their order, behind a marker each, for what one cell imports the next one uses.  Magics and shell
lines become `pass` with the line behind it.  Cells that are no Python (`%%bash`, half-written ones) are left out.
"""

from __future__ import annotations

import ast
import json
import re
import warnings
from collections.abc import Iterator
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import NamedTuple, cast

from doctor.remembered import remembered

MARK = "_doctor_cell_{}_"
_MARK = re.compile(r"^_doctor_cell_(\d+)_\n", re.MULTILINE)
_MAGIC = re.compile(r"^([ \t]*)((?:[%!?]|[\w, .]+= *[%!]).*|[\w.]+\?\??)$")
_HIDDEN = re.compile(r"^([ \t]*)pass  # _doctor_magic_ ?(.*)$", re.MULTILINE)
_TRANSPARENT = re.compile(r"%%(time|timeit|capture|prun)\b")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODE = json.JSONDecoder().raw_decode


class Cell(NamedTuple):
    """A code cell: its number among all cells, its source, and where that stands in the file."""

    number: int
    source: str
    start: int
    end: int


class Notebook:
    """A notebook's text.  Raises ValueError where it is none."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.cells = list(_cells(text))
        self.left_out = [cell.number for cell in self.cells if not _is_python(cell.source)]
        kept = [cell for cell in self.cells if cell.number not in self.left_out]
        self.code = "".join(f"{MARK.format(cell.number)}\n{_hidden(cell.source)}\n" for cell in kept)
        self._starts: list[tuple[int, int]] = []
        line = 1
        for cell in kept:
            self._starts.append((line + 1, cell.number))
            line += 2 + cell.source.count("\n")

    def place(self, line: int) -> tuple[int, int]:
        """The cell of a line of the code, and the line within it, from 1."""
        start, number = max(((start, number) for start, number in self._starts if start <= line), default=(line, 0))
        return number, line - start + 1

    def line(self, number: int, line: int) -> int:
        """The line of the code that is a line of a cell."""
        return next((start + line - 1 for start, cell in self._starts if cell == number), 0)

    def rewritten(self, code: str) -> str:
        """The notebook with the cells of the rewritten code.  Raises ValueError where a marker is lost."""
        above, *parts = _MARK.split(code)
        sources = dict(zip(map(int, parts[::2]), (part.removesuffix("\n") for part in parts[1::2]), strict=True))
        if sorted(sources) != [number for _, number in self._starts]:
            raise ValueError("a cell was lost")
        if above and sources:
            first = min(sources)
            sources[first] = above + sources[first]
        text = self.text
        for cell in reversed(self.cells):
            if cell.number in sources and (source := _shown(sources[cell.number])) != cell.source:
                text = text[: cell.start] + _written(text[cell.start : cell.end], source) + text[cell.end :]
        return text


@remembered(2)
def notebook_of(text: str) -> Notebook:
    """The notebook of a text, read once for all who ask.  Raises ValueError where it is none."""
    return Notebook(text)


def _hidden(source: str) -> str:
    """A cell with its magics out of the way of the parser; a magic goes on behind a backslash."""
    lines, going_on = [], False
    for number, line in enumerate(source.split("\n")):
        match = _MAGIC.match(line)
        magic = bool(match) or going_on or (number == 0 and _TRANSPARENT.match(line) is not None)
        if magic:
            indent, rest = (match[1], match[2]) if match else ("", line)
            lines.append(f"{indent}pass  # _doctor_magic_ {rest}")
        else:
            lines.append(line)
        going_on = magic and line.endswith("\\")
    return "\n".join(lines)


def _shown(source: str) -> str:
    return _HIDDEN.sub(lambda match: match[1] + match[2], source)


def _is_python(source: str) -> bool:
    if source.lstrip().startswith("%%") and not _TRANSPARENT.match(source.lstrip()):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(_hidden(source))
    except (SyntaxError, ValueError):
        return False
    return True


def _cells(text: str) -> Iterator[Cell]:
    cells = next((start for key, start, _ in _members(text, _skip(text, 0)) if key == "cells"), None)
    if cells is None:
        raise ValueError("it has no cells")
    for number, (start, end) in enumerate(_items(text, cells)):
        cell, _ = _DECODE(text, start)
        if not isinstance(cell, dict) or cell.get("cell_type") != "code":
            continue
        place = next(((a, b) for key, a, b in _members(text, start) if key == "source"), None)
        if place:
            source = cell["source"]
            yield Cell(number, "".join(source) if isinstance(source, list) else str(source), *place)
        assert end > start


def _skip(text: str, at: int) -> int:
    return cast(re.Match[str], _SPACE.match(text, at)).end()


def _members(text: str, at: int) -> Iterator[tuple[str, int, int]]:
    """The keys of the object at a place, each with where its value begins and ends."""
    if text[at : at + 1] != "{":
        raise ValueError("it is no JSON object")
    at = _skip(text, at + 1)
    while text[at : at + 1] == '"':
        key, at = scanstring(text, at + 1, False)
        start = _skip(text, _skip(text, at) + 1)
        _, end = _DECODE(text, start)
        yield key, start, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at


def _items(text: str, at: int) -> Iterator[tuple[int, int]]:
    """Where the items of the array at a place begin and end."""
    at = _skip(text, at + 1)
    while at < len(text) and text[at] != "]":
        _, end = _DECODE(text, at)
        yield at, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at : at + 1] == "," else at


def _written(before: str, source: str) -> str:
    """A source in the form that the one before it has; lines that were there keep their bytes."""
    ascii_only = before.isascii()
    if not before.startswith("["):
        return json.dumps(source, ensure_ascii=ascii_only)
    spans = list(_items(before, 0))
    known = {json.loads(before[a:b]): before[a:b] for a, b in spans}
    lines = [known.get(line) or json.dumps(line, ensure_ascii=ascii_only) for line in source.splitlines(True)]
    lead, tail = (before[1 : spans[0][0]], before[spans[-1][1] : -1]) if spans else ("", "")
    between = before[spans[0][1] : spans[1][0]] if len(spans) > 1 else f",{lead}"
    return f"[{lead}{between.join(lines)}{tail}]"
