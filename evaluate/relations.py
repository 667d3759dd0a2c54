"""Who is what to whom: `Anna is Ben's mother`, `my brother Tom`, read from English sentences."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from doctor.evaluate.kin import GENERATION, KIN, NOUNS, ONE_OF, agree, reverse
from doctor.evaluate.words import fold, listed, sentences

ME, USER = "<me>", "<user>"

_NAME = (
    r"(?:[A-ZÀ-ÞŁŚŠŽČ][\w'’-]*?(?=['’]s\b|\W|$)"
    r"(?:\s+(?:(?:de|da|van|von|der|al|el|bin|the|of)\s+)?[A-ZÀ-ÞŁŚŠŽČ][\w-]*)*)"
)
_WHO = rf"(?P<x>{_NAME}|(?i:\b(?:i|you|he|she|it|they)\b))"
_ADJECTIVES = (
    r"(?:(?i:older|younger|elder|eldest|youngest|oldest|little|big|late|only|first|second|former|old|new|own|dear|beloved|twin"
    r"|ex|real|own|best|close|good|long-lost|favou?rite|dear|great|paternal|maternal|adopted|biological|one)[\s-]+)*"
)
_NOUN = rf"(?P<r>(?i:{'|'.join(sorted(map(re.escape, NOUNS), key=len, reverse=True))}))\b"
_OF = rf"(?:(?P<y>{_NAME})['’]s?|(?P<p>(?i:\b(?:my|your|his|her|their|our)\b)))\s+"
_IS = (
    r"(?:\s+(?i:is|was|are|were|am|became|remains|called|named|is called|is named|was called|was named)"
    r"|['’](?:s|m|re))\s+"
)
_KIND = r"(?:(?i:a|an|the|both|also|actually|still|indeed|in fact|really)\s+)*"

_PATTERNS = [
    # X is Y's mother; X, Y's mother
    re.compile(rf"{_WHO}(?:{_IS}|,\s+|\s+\(){_KIND}{_OF}{_ADJECTIVES}{_NOUN}(?!\s*['’]s\b)"),
    # X is the mother of Y; X, the mother of Y
    re.compile(
        rf"{_WHO}(?:{_IS}|,\s+|\s+\(){_KIND}{_ADJECTIVES}{_NOUN}\s+(?i:of|to)\s+(?P<y>{_NAME}|(?i:you|me|mine|yours|him|her)\b)"
    ),
    # Y's mother is X; my mother, X; my brother Tom; my mother is called X
    re.compile(
        rf"{_OF}{_ADJECTIVES}{_NOUN}(?:{_IS}(?:(?i:called|named)\s+)?|,\s+|,?\s+(?i:called|named)\s+|\s+)(?P<x>{_NAME})"
    ),
    # the mother of Y is X
    re.compile(rf"(?i:the)\s+{_ADJECTIVES}{_NOUN}\s+(?i:of)\s+(?P<y>{_NAME}){_IS}(?P<x>{_NAME})"),
    # Y has a brother named X; I have a sister, X
    re.compile(
        rf"(?P<y>{_NAME}|(?i:\b(?:i|you)\b))\s+(?i:has|have|had)\s+(?i:a|an|one)\s+{_ADJECTIVES}{_NOUN}"
        rf"(?:\s+(?i:called|named)\s+|,\s+|\s+)(?P<x>{_NAME})"
    ),
]
_VERBS = {
    "taught": "teacher", "teaches": "teacher", "mentored": "mentor", "succeeded": "successor",
    "preceded": "predecessor", "coached": "coach", "coaches": "coach", "trained": "coach", "employed": "employer",
    "employs": "employer", "raised": "parent", "fathered": "father",
}  # fmt: skip
_VERB = "|".join(_VERBS)
_DONE = re.compile(
    rf"(?P<x>{_NAME}|\bI|(?i:\b(?:you|he|she))\b)\s+(?P<r>{_VERB})\s+(?P<y>{_NAME}|(?i:(?:you|me|him|her)\b))"
)
_DONE_BY = re.compile(
    rf"(?P<y>{_NAME}|\bI|(?i:\b(?:you|he|she))\b)\s+(?:was|were|is|am|are)\s+(?P<r>{_VERB})\s+by\s+(?P<x>{_NAME}|(?i:(?:you|me|him|her)\b))"
)
_NO_NAME = listed(
    "the a an he she it they we you i his her my your our their this that these those there and but or so yes "
    "no not who what where when why how if as at in on of for to from with please always never well oh"
)


@dataclass(frozen=True)
class Relation:
    """`who` is the `noun` of `whom`; both folded, or ME, or USER."""

    who: str
    noun: str
    whom: str
    start: int = 0
    end: int = 0

    @property
    def fact(self) -> tuple[str, str, str]:
        """Without the place it was read at."""
        return self.who, self.noun, self.whom


@dataclass(frozen=True)
class Speakers:
    """Whom `I` and `you` mean in a text, and by what names the answering one goes."""

    i: str
    you: str
    me: tuple[str, ...] = ()
    topic: str = ""
    """Whom `he` or `she` means where the text has named nobody yet."""

    def resolve(self, word: str, topic: str) -> str:
        """The one that a name or pronoun means; empty where that is not known."""
        folded = fold(word).strip()
        if folded in ("i", "my", "me", "mine", "our", "we"):
            return self.i
        if folded in ("you", "your", "yours"):
            return self.you
        if folded in ("he", "she", "his", "her", "him", "it", "they", "their"):
            return topic
        if folded in _NO_NAME:
            return ""
        return ME if folded in self.me or folded.split()[0] in self.me else folded


def topic(question: str, me: Collection[str]) -> str:
    """The one that a question is about; empty where it names nobody, or two."""
    named = [fold(found[0]) for found in re.finditer(_NAME, question)]
    others = {name for name in named if name.split()[0] not in (*_NO_NAME, *me) and name not in me}
    return others.pop() if len(others) == 1 else ""


def relations(text: str, speakers: Speakers) -> list[Relation]:
    """The relations that a text states; those it denies or that name nobody known are left out."""
    found: dict[tuple[str, str, str], Relation] = {}
    topic = speakers.topic
    for start, end in sentences(text):
        sentence = text[start:end]
        for relation in (*_stated(sentence, speakers, topic), *_stated_by_verbs(sentence, speakers, topic)):
            placed = Relation(*relation.fact, start + relation.start, start + relation.end)
            found.setdefault(relation.fact, placed)
        topic = _subject(sentence, speakers, topic)
    return list(found.values())


def _stated(sentence: str, speakers: Speakers, topic: str) -> Iterator[Relation]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            who = speakers.resolve(match["x"], topic)
            whom = speakers.resolve(match["y"] or match.groupdict().get("p") or "", topic)
            if who and whom and who != whom and not _doubtful(sentence[: match.start()]):
                yield Relation(who, NOUNS[fold(match["r"])], whom, *match.span())


def _stated_by_verbs(sentence: str, speakers: Speakers, topic: str) -> Iterator[Relation]:
    """`Haydn taught Beethoven`, `Beethoven was taught by Haydn`."""
    for match in (*_DONE.finditer(sentence), *_DONE_BY.finditer(sentence)):
        who, whom = speakers.resolve(match["x"], topic), speakers.resolve(match["y"], topic)
        if who and whom and who != whom and not _doubtful(sentence[: match.start()]):
            yield Relation(who, _VERBS[match["r"].lower()], whom, *match.span())


def _doubtful(before: str) -> bool:
    """Whether what follows is denied, supposed or asked, not said."""
    cue = (
        r"\b(?:if|whether|not that|as if|as though|like|think|thinks|thought|wish|imagine|suppose|nor|isn't"
        r"|not)\b[^.;]*$"
    )
    return bool(re.search(cue, before, re.IGNORECASE))


def _subject(sentence: str, speakers: Speakers, before: str) -> str:
    """Whom the next sentence's `he` or `she` means; empty where this one names two or hides it in `Anna's son`."""
    match = re.match(_NAME, sentence)
    named = speakers.resolve(match[0], "") if match else ""
    if not match or not named:
        return before
    return "" if named in (ME, USER) or sentence[match.end() :].startswith(("'s", "’s")) else named


def confirmed(claim: Relation, truths: Iterable[Relation]) -> bool:
    """Whether a claimed relation is known, from this side or the other."""
    return any(_confirms(claim, truth) for truth in truths)


def contradiction(claim: Relation, truths: Iterable[Relation], told: str) -> Relation | None:
    """The known relation that a claimed one contradicts; None where there is none, or where one confirms it.

    `told` is all that is known, folded: where a brother is known by name, a name that nobody told is not his brother's.
    """
    known = list(truths)
    if any(_confirms(claim, truth) for truth in known):
        return None
    found = next((truth for truth in known if _contradicts(claim, truth, told)), None)
    return found or _generations_apart(claim, known)


def strangers(one: str, other: str, known: Iterable[Relation]) -> bool:
    """Whether one of two is known to be of a family that the other is not of."""
    pairs = [{truth.who, truth.whom} for truth in known if truth.noun in KIN]
    named = {end for pair in pairs for end in pair}
    family, grown = {end for end in named | {one} if _same(end, one)}, True
    while grown:
        near = {end for pair in pairs if pair & family for end in pair}
        near |= {end for end in named if any(_same(end, member) for member in near)}
        grown, family = not near <= family, family | near
    return any(_same(end, name) for end in named for name in (one, other)) and not any(
        _same(end, other) for end in family
    )


def _generations_apart(claim: Relation, known: list[Relation]) -> Relation | None:
    """A known relation from which the two are as many generations apart as the claimed one cannot be."""
    offset = GENERATION.get(claim.noun)
    who, whom = (_generation(end, known) for end in (claim.who, claim.whom))
    if offset is None or who is None or whom is None or who[0] - whom[0] == offset:
        return None
    return who[1] or whom[1]


def _generation(name: str, known: list[Relation]) -> tuple[int, Relation | None] | None:
    """How many generations somebody is above the answering one, and from which relation that is known."""
    if name == ME:
        return 0, None
    for truth in known:
        if truth.whom == ME and _same(truth.who, name) and truth.noun in GENERATION:
            return GENERATION[truth.noun], truth
        if truth.who == ME and _same(truth.whom, name) and truth.noun in GENERATION:
            return -GENERATION[truth.noun], truth
    return None


def _same(one: str, other: str) -> bool:
    """`tom` and `tom berg` are the same."""
    return one == other or (not {one, other} & {ME, USER} and bool(set(one.split()) & set(other.split())))


def _confirms(claim: Relation, truth: Relation) -> bool:
    straight = _same(claim.who, truth.who) and _same(claim.whom, truth.whom) and agree(claim.noun, truth.noun)
    turned = _same(claim.who, truth.whom) and _same(claim.whom, truth.who) and reverse(truth.noun, claim.noun)
    return straight or turned


def _contradicts(claim: Relation, truth: Relation, told: str) -> bool:
    if _same(claim.who, truth.who) and _same(claim.whom, truth.whom):
        return True
    if _same(claim.who, truth.whom) and _same(claim.whom, truth.who):
        return True
    another = _same(claim.whom, truth.whom) and claim.noun == truth.noun and claim.who not in (ME, USER)
    return another and (claim.noun in ONE_OF or not re.search(rf"\b{re.escape(claim.who)}\b", told))
