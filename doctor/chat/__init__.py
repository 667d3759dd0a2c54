"""One truth about conversations: read from any layout, rendered as transformers renders, labelled by character.

Only rows.py reads files; tokenizers and jinja2 are imported inside the functions that need them.
"""

from __future__ import annotations


class Malformed(Exception):
    """A row that cannot be read; its text says why, beginning with the key."""


class Missing(Exception):
    """A distribution of the extra `data` is not installed; the text says so, with the command that installs it."""

    def __init__(self, name: str) -> None:
        super().__init__(f"needs {name}, which the doctor does not have: run `pip install 'tune-doctor[data]'`")
