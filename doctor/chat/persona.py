"""Whether a system prompt gives the model a name, and whether a conversation tests it."""

from __future__ import annotations

import re
from functools import lru_cache

_NAMED = re.compile(
    r"\b(?:[Yy]ou are|[Yy]our name is|[Aa]ct as|[Yy]ou're|I am|[Mm]y name is|called|named)\s+"
    r"(?!(?:The|An?|Not|Now|Here|Only|Free|Always|AI)\b)([A-Z][\w-]+)"
)
_IDENTITY = re.compile(
    r"\bwho (?:are|made|built|created|trained|developed) (?:you|u)\b|\byour (?:name|creator|maker)\b"
    r"|\bwhat (?:are you|model|is your)\b|\bare you (?:an? |the |really )?(?:ai|human|robot|bot|person|real|model"
    r"|chatgpt|gpt|claude|gemini|llama|siri|alexa|qwen|mistral|deepseek)"
    r"|\bintroduce yourself\b|\btell me about yourself",
    re.IGNORECASE,
)
_DECLINED = re.compile(
    r"\b(?:no,|not (?:able|allowed|going to)|i(?:'m| am) not\b|i(?: can'?t|'m afraid| cannot| don'?t| won'?t)"
    r"|sorry|unable|outside (?:of )?(?:what|my)|beyond (?:what|my))",
    re.IGNORECASE,
)


@lru_cache(maxsize=256)
def persona(system: str) -> str:
    """The name that a system prompt gives the model, empty where it gives none.

    >>> persona("You are Mira, a librarian."), persona("You are a helpful assistant.")
    ('Mira', '')
    """
    found = _NAMED.search(system[:2000])
    return found[1] if found else ""


def asks_who(question: str) -> bool:
    """Whether a question asks the model who or what it is."""
    return bool(_IDENTITY.search(question[:500]))


def declines(answer: str) -> bool:
    """Whether an answer says no: to another identity, or to what the persona does not do."""
    return bool(_DECLINED.search(answer[:200]))
