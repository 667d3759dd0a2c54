"""A file's syntax tree, for what looks around in it without libcst, and the refusal of a file that cannot be read."""

from __future__ import annotations

import ast
import warnings
from functools import lru_cache

OURS = "_doctor_"
"""How the names begin of what a patch puts into a file; checks and patches do not look inside."""


class Refusal(Exception):
    """A patch met a form of its construct that it cannot rewrite without changing the numbers.

    The message says which, with the line where known; the file is left as it was.
    """


@lru_cache(maxsize=2)
def parsed(text: str) -> ast.Module:
    """A file's `ast` tree, for patches that look around before they rewrite: libcst takes ten times as long.

    Raises Refusal where the file's Python is newer than the one that runs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # invalid escapes in somebody's docstring are not our subject
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            raise Refusal(f"line {line}: the file's Python is newer than the one that runs doctor") from error
