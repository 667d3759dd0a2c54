"""Findings to a Plan (no I/O), a Plan to files through the Journal, and back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Left:
    """Something a fix leaves as it is: where, why, and what to do instead."""

    path: str
    """The file, or the id of the finding where there is no file."""
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


class Refused(Exception):
    """A fix or an undo that was not begun: the message says why and what to do; no file was touched."""
