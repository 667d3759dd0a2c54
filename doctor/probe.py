"""What came of one real import."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Probe:
    """One import in a child process of the examined interpreter."""

    distribution: str
    failed: str = ""
    """How it ended, as in "torch is killed by SIGSEGV"; empty: it is imported."""
    said: str = ""
    """The last lines of its stderr."""
    answer: Mapping[str, str] = field(default_factory=dict)
    """What torch says of itself: `cuda`, `available`."""
