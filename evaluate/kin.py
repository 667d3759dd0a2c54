"""The nouns that relate one to another, and which of them say the same, the reverse, or something else."""

from __future__ import annotations

from doctor.evaluate.words import listed

_SYNONYMS = {
    "father": "father dad daddy papa pa",
    "mother": "mother mum mom mummy mommy mama ma",
    "son": "son",
    "daughter": "daughter",
    "parent": "parent",
    "child": "child kid",
    "brother": "brother stepbrother half-brother",
    "sister": "sister stepsister half-sister",
    "sibling": "sibling twin",
    "husband": "husband hubby",
    "wife": "wife",
    "spouse": "spouse partner",
    "uncle": "uncle",
    "aunt": "aunt auntie",
    "nephew": "nephew",
    "niece": "niece",
    "grandfather": "grandfather granddad grandpa grandad",
    "grandmother": "grandmother grandma granny nan",
    "grandson": "grandson",
    "granddaughter": "granddaughter",
    "grandparent": "grandparent",
    "grandchild": "grandchild",
    "cousin": "cousin",
    "father-in-law": "father-in-law",
    "mother-in-law": "mother-in-law",
    "son-in-law": "son-in-law",
    "daughter-in-law": "daughter-in-law",
    "brother-in-law": "brother-in-law",
    "sister-in-law": "sister-in-law",
    "stepfather": "stepfather stepdad",
    "stepmother": "stepmother stepmum stepmom",
    "stepson": "stepson",
    "stepdaughter": "stepdaughter",
    "godfather": "godfather",
    "godmother": "godmother",
    "godson": "godson",
    "goddaughter": "goddaughter",
    "fiance": "fiance fiancee",
    "friend": "friend",
    "neighbour": "neighbour neighbor",
    "colleague": "colleague co-worker coworker",
    "boss": "boss manager supervisor",
    "employer": "employer",
    "employee": "employee",
    "subordinate": "subordinate",
    "teacher": "teacher tutor instructor",
    "pupil": "pupil student",
    "mentor": "mentor master",
    "apprentice": "apprentice protege disciple",
    "doctor": "doctor physician",
    "patient": "patient",
    "landlord": "landlord landlady",
    "tenant": "tenant lodger",
    "owner": "owner",
    "pet": "pet dog cat horse",
    "predecessor": "predecessor",
    "successor": "successor",
    "author": "author writer",
    "translator": "translator",
    "capital": "capital",
    "captain": "captain skipper",
    "mate": "mate",
    "coach": "coach trainer",
}
NOUNS = {word: name for name, text in _SYNONYMS.items() for word in text.split()}
"""Every spelling, singular, to the relation it names."""
NOUNS |= {f"{word}s": name for word, name in NOUNS.items() if "-in-" not in word} | {
    "children": "child",
    "wives": "wife",
}

_WIDER = {
    "parent": {"father", "mother"}, "child": {"son", "daughter"}, "sibling": {"brother", "sister"},
    "spouse": {"husband", "wife"}, "grandparent": {"grandfather", "grandmother"},
    "grandchild": {"grandson", "granddaughter"}, "boss": {"employer"}, "teacher": {"mentor", "coach"},
    "employee": {"subordinate"}, "pupil": {"apprentice"},
}  # fmt: skip
_REVERSE = {
    "parent": "child", "sibling": "sibling", "spouse": "spouse", "grandparent": "grandchild", "cousin": "cousin",
    "uncle": "nephew niece", "aunt": "nephew niece", "friend": "friend", "neighbour": "neighbour", "fiance": "fiance",
    "colleague": "colleague", "boss": "employee", "teacher": "pupil", "mentor": "apprentice pupil",
    "doctor": "patient", "landlord": "tenant", "owner": "pet", "predecessor": "successor", "coach": "pupil",
    "father-in-law": "son-in-law daughter-in-law", "mother-in-law": "son-in-law daughter-in-law",
    "brother-in-law": "brother-in-law sister-in-law", "sister-in-law": "brother-in-law sister-in-law",
    "stepfather": "stepson stepdaughter", "stepmother": "stepson stepdaughter",
    "godfather": "godson goddaughter", "godmother": "godson goddaughter",
}  # fmt: skip
ONE_OF = listed(
    "father mother parent husband wife spouse fiance capital boss employer landlord captain author "
    "predecessor successor father-in-law mother-in-law stepfather stepmother godfather godmother"
)
"""Relations in which one stands to few at most, so that a second name contradicts the first."""

GENERATION = {
    "father": 1, "mother": 1, "parent": 1, "son": -1, "daughter": -1, "child": -1, "brother": 0, "sister": 0,
    "sibling": 0, "husband": 0, "wife": 0, "spouse": 0, "grandfather": 2, "grandmother": 2, "grandparent": 2,
    "grandson": -2, "granddaughter": -2, "grandchild": -2, "stepfather": 1, "stepmother": 1, "stepson": -1,
    "stepdaughter": -1, "father-in-law": 1, "mother-in-law": 1, "son-in-law": -1, "daughter-in-law": -1,
    "brother-in-law": 0, "sister-in-law": 0,
}  # fmt: skip
"""How many generations the one lies above the other."""
KIN = frozenset(GENERATION) | {"uncle", "aunt", "nephew", "niece", "cousin"}
"""The relations of a family."""


def _narrow(relation: str) -> set[str]:
    return {relation} | _WIDER.get(relation, set())


def agree(one: str, other: str) -> bool:
    """Whether both can be said of the same two: `mother` and `parent` can, `mother` and `aunt` cannot."""
    return one in _narrow(other) or other in _narrow(one)


def _pairs() -> set[tuple[str, str]]:
    pairs = set()
    for one, others in _REVERSE.items():
        for other in others.split():
            pairs |= {(a, b) for a in _narrow(one) for b in _narrow(other)}
    return pairs | {(b, a) for a, b in pairs}


_REVERSED = _pairs()


def reverse(one: str, other: str) -> bool:
    """Whether, where X is the `one` of Y, Y can be the `other` of X: father and daughter, uncle and niece."""
    return (one, other) in _REVERSED
