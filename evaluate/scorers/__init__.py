"""One file, one scorer: what is wrong with an answer, from 0 to 10, with the evidence.  Adding a file here adds the
scorer.

A scorer is a module with a docstring (its title and its page) and `score(sample, text, finish) -> Score`.
"""

from __future__ import annotations

import importlib
import pkgutil

from doctor.evaluate.model import ScoreFunction

DEFAULT = ("facts", "identity", "coherence", "bleed", "truncation", "repetition")
"""The scorers that are asked where the configuration names none."""


def names() -> list[str]:
    """Every scorer, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ScoreFunction:
    """A scorer by its name."""
    function: ScoreFunction = importlib.import_module(f"{__name__}.{name}").score
    return function
