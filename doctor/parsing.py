"""A file's syntax tree, for what looks around in it without libcst, and the refusal of a file that cannot be read."""

from __future__ import annotations

import ast
import gc
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from doctor.nodes import Node, Nodes
from doctor.remembered import remembered

_LINE_END = re.compile(r"\r\n|\r|\n")
OURS = "_doctor_"
"""How the names begin of what a patch puts into a file; checks and patches do not look inside."""


class Refusal(Exception):
    """A patch met a form of its construct that it cannot rewrite without changing the numbers.

    The message says which, with the line where known; the file is left as it was.
    """


@remembered(2)
def tree_of(text: str) -> ast.Module:
    """A file's `ast` tree; raises what `ast.parse` does."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in somebody's docstring are not our subject
        return ast.parse(text)


def parsed(text: str) -> ast.Module:
    """The same, for patches that look around before they rewrite: libcst takes ten times as long.

    Raises Refusal where the file's Python is newer than the one that runs.
    """
    try:
        return tree_of(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 1
        raise Refusal(f"line {line}: the file's Python is newer than the one that runs doctor") from error


@remembered(2)
def lines(text: str) -> tuple[str, ...]:
    """A file's lines as Python counts them: a form feed ends none."""
    return tuple(split(text))


def split(text: str) -> list[str]:
    """A text's lines, without their ends."""
    return _LINE_END.split(text) if "\r" in text else text.split("\n")


@remembered(2)
def walked(text: str) -> Nodes:
    """The nodes of a file's text; all checks and patches of a file share one walk through its tree."""
    return Nodes(parsed(text))


def nodes(text: str, kind: type[Node]) -> list[Node]:
    """Every node of one type in a file, in no order."""
    return walked(text).every(kind)


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector: a syntax tree is a million objects and no cycle."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
