"""One file, one scorer: what is wrong with an answer, from 0 to 10, with the evidence.  Adding a file here adds the
scorer.

A scorer is a module with a docstring (its title and its page) and `score(sample, text, finish) -> Score`; one that
needs to know more of an answer than its text has `measure(sample, answer) -> Score` as well.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable

from doctor.evaluate.model import Answer, Sample, Score, ScoreFunction

DEFAULT = ("facts", "identity", "coherence", "bleed", "truncation", "repetition")
"""The scorers that are asked where the configuration names none."""


def names() -> list[str]:
    """Every scorer, in alphabetical order."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> ScoreFunction:
    """A scorer by its name."""
    function: ScoreFunction = importlib.import_module(f"{__name__}.{name}").score
    return function


def over(name: str) -> Callable[[Sample, Answer], Score]:
    """A scorer by its name, asked of an answer that has a text."""
    module = importlib.import_module(f"{__name__}.{name}")
    if hasattr(module, "measure"):
        measure: Callable[[Sample, Answer], Score] = module.measure
        return measure
    score = load(name)
    return lambda sample, answer: score(sample, answer.text or "", answer.finish)
