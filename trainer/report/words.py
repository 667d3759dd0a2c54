"""Times and sizes as a report writes them."""

from __future__ import annotations


def clock(seconds: float) -> str:
    """A time.

    >>> clock(42.4), clock(372), clock(7384)
    ('42 s', '6 min 12 s', '2 h 3 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(number: int) -> str:
    """Bytes.

    >>> size(3 << 29), size(900 << 20)
    ('1.50 GiB', '900 MiB')
    """
    return f"{number / (1 << 30):.2f} GiB" if number >= 1 << 30 else f"{number / (1 << 20):.0f} MiB"
