"""A launcher that ends its processes because one of them died: the others hold out until the report is written."""

from __future__ import annotations

import os
import signal

told: list[float] = []
"""Times, on the clock of time.monotonic, at which this process was asked to end."""


def hold() -> None:
    """Note a SIGTERM instead of dying of it, where a launcher started this process; before anything heavy is loaded.

    torchrun sends it to every rank within a tenth of a second of the death of one.
    """
    if os.environ.get("RANK") and os.environ.get("LOCAL_RANK"):
        signal.signal(signal.SIGTERM, _note)


def _note(*_: object) -> None:
    import time

    told.append(time.monotonic())
