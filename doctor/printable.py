"""Text from outside as a terminal or page may show it."""

from __future__ import annotations

import re

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    r"""Text from outside with control characters, terminal escapes and direction marks made visible.

    >>> printable("\x1b[31mred\n")
    '\\x1b[31mred\\n'
    """
    return _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
