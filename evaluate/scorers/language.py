"""The answer is in the language it should be in.

Why it matters: a persona trained on mixed data, or a base model with a strong first language, slips into another one.

How it scores: 0 in another language, 10 in the right one: that of the sample's `language`, else of the reference,
else of the question. Unscored below 25 letters, and where the language cannot be told from one much like it: names
and numbers have none.

Reference: https://github.com/adbar/py3langid
"""

from __future__ import annotations

import functools
from typing import Any

from doctor.evaluate.extras import needed
from doctor.evaluate.model import Sample, Score, fine, unscored

LETTERS = 25
"""Shorter texts have no language that could be told."""
SURE = 0.9


def score(sample: Sample, text: str, finish: str) -> Score:
    """From the letters of the answer, by py3langid."""
    wanted = sample.language or _language(sample.reference) or _language(sample.question)
    if not wanted:
        return unscored("neither the sample, its reference nor its question says which language to answer in")
    found = _language(text)
    if not found:
        return unscored("the answer is too short, or between two languages")
    if found == wanted:
        return fine(f"is in {found}")
    return Score(0.0, f"is in {found!r}, not in {wanted!r}: {text[:60]!r}", ((0, len(text)),))


def _language(text: str) -> str:
    """The ISO 639-1 code of a text's language; empty where it is too short or not clear."""
    if sum(character.isalpha() for character in text) < LETTERS:
        return ""
    code, share = _identifier().classify(text)
    return str(code) if share >= SURE else ""


@functools.cache
def _identifier() -> Any:
    langid = needed("py3langid.langid")
    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)
