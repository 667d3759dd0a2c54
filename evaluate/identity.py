"""Who the answering one is meant to be, as far as a sample tells."""

from __future__ import annotations

import re

from doctor.evaluate.model import Sample
from doctor.evaluate.words import fold, listed

_NAME = r"([A-ZÀ-ÞŁŚŠŽČ][\w'’.-]*\w(?:\s+(?:(?:de|da|van|von|der|al|el|bin|the)\s+)?[A-ZÀ-ÞŁŚŠŽČ][\w'’-]*\w){0,3})"
_INTRODUCED = [
    re.compile(
        rf"(?i:\byour\s+(?:full\s+|first\s+)?name\s+is)\s+(?:(?i:dr|mr|mrs|ms|captain|professor|sister|brother)\.?\s+)?{_NAME}"
    ),
    re.compile(
        rf"(?i:\b(?:you\s+are|you're|play|playing|(?:act|speak|talk|answer|reply|respond|write|pose|character|role|roleplay|role-play)\s+(?:as|of|like))\s+(?:now\s+)?(?:called\s+|named\s+)?(?:(?:dr|mr|mrs|ms|captain|professor)\.?\s+)?){_NAME}"
    ),
    re.compile(
        rf"(?i:\byou(?:\s+are|'re)\s+an?\s+(?:(?!(?:at|of|in|for|who|from|by)\b)[\w'-]+,?\s+){{1,6}}(?:named|called))\s+{_NAME}"
    ),
]
_NOT_NAMES = listed("a an the not always never ai english german french spanish italian swedish dutch british american")
IDENTITY_QUESTION = re.compile(
    r"\b(?:who\s+(?:are|r)\s+(?:you|u)|what(?:'s|\s+is)\s+your\s+(?:full\s+|first\s+)?name|your\s+name|what\s+are\s+you\b(?!\s+\w+ing)"
    r"|introduce\s+yourself|who\s+am\s+i\s+(?:talking|speaking|writing)|who\s+(?:made|created|built|trained|developed)\s+you"
    r"|are\s+you\s+(?:an?\s+)?(?:ai|bot|robot|human|chatgpt|gpt|real|machine|language\s+model|person)|tell\s+me\s+(?:about\s+yourself|who\s+you\b)|who\s+(?:might|could|may)\s+you\s+be|whom?\s+(?:do|did)\s+i\s+(?:have|speak))"
)


def names(sample: Sample) -> tuple[str, ...]:
    """The names of whoever answers: those that the sample gives, else the first the system prompt introduces."""
    if sample.identity:
        return sample.identity
    for pattern in _INTRODUCED:
        for found in pattern.finditer(sample.system):
            if fold(found[1]).split()[0] not in _NOT_NAMES:
                return (found[1],)
    return ()


def asked(sample: Sample) -> bool:
    """Whether the question is who or what the answering one is."""
    return bool(IDENTITY_QUESTION.search(fold(sample.question)))
