"""Sizes as people write them, in bytes."""

from __future__ import annotations

import re

UNITS = {"": 30, "g": 30, "gb": 30, "gib": 30, "m": 20, "mb": 20, "mib": 20}
"""Powers of two: cards are sold by the GB and have GiB."""


def parse(text: str) -> int:
    """Bytes.

    >>> parse("4GiB") == parse("4 GB") == parse("4096MiB") == 4 << 30
    True

    Raises ValueError where it is no size.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if not found or found[2] not in UNITS or not float(found[1]):
        raise ValueError(f"{text!r} is no size: write e.g. 4GiB or 4096MiB")
    return int(float(found[1]) * (1 << UNITS[found[2]]))


def gib(size: int) -> str:
    """Bytes in GiB, to two decimals.

    >>> gib(3 << 29)
    '1.50 GiB'
    """
    return f"{size / (1 << 30):.2f} GiB"
