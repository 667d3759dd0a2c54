"""Two sentences about the same thing, of which one denies, reverses or renumbers the other."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from doctor.evaluate.words import STOPWORDS, content, fold, listed, numbers, sentences, stem, words

_NOT = re.compile(
    r"\b(?:not|never|no|none|nobody|neither|nor|without|cannot|hardly|refuses? to|fail(?:s|ed)? to)\b|n't\b"
)
_NO_DENIAL = re.compile(
    r"\bnot (?:only|just|merely|simply)\b|\bno doubt\b|\bno\. ?\d|^no[,.!] |[,-] *(?:and "
    r"|but )?not [^,.;]*[.!]?$|\bnot [^,.;]*, but\b"
)
"""Denials of something else than what the sentence says: `Canberra, not Sydney`."""
_OPPOSITES = (
    "older younger, elder younger, oldest youngest, taller shorter, larger smaller, bigger smaller, more less, "
    "more fewer, before after,"
    " north south, east west, northern southern, eastern western, left right, above below, over under, "
    "inside outside, love hate, like dislike, likes dislikes, loves hates, alive dead, open closed, opens closes, "
    "opened closed, always never, first last, early late, earlier later, hot cold, warm cold, rises falls, rose fell, "
    "increased decreased, increase decrease, won lost, win lose, married divorced, married unmarried, buy sell, "
    "bought sold, buys sells, lent borrowed, lends borrows, taught learned, faster slower, longer shorter, "
    "stronger weaker, higher lower, heavier lighter, true false, allowed forbidden, safe dangerous, deaf hearing, "
    "day night, summer winter, morning evening, up down, closer farther, closer further, nearer farther, "
    "nearer further, near far, closest farthest, nearest farthest, maternal paternal, single married, poor rich, "
    "best worst"
)
OPPOSITE: dict[str, set[str]] = {}
for one, other in map(str.split, _OPPOSITES.split(", ")):
    OPPOSITE.setdefault(one, set()).add(other)
    OPPOSITE.setdefault(other, set()).add(one)
_EVEN = listed(
    "and or with met meet meets marry married friends friend siblings brothers sisters cousins twins partners "
    "neighbours neighbors colleagues both between together same beside alongside"
)
"""Words that bind two alike: the order of the names says nothing."""
_WITHIN_NAME = re.compile(r"\s+(?:(?:da|de|del|di|van|von|der|of|the|al|bin)\s+)*")
_PRONOUN = re.compile(r"(?:no|yes)?\W*(?:it|he|she|they|this|that|these|those)\b")
_PASSIVE = re.compile(
    r"\b(?:is|was|are|were|been|being|got)\s+(?:\w+ly\s+)?\w+(?:ed|en|nt|ght|un|ne|wn|ft|ld|de|ht|it|ut)\s+(?:\w+\s+){0,3}?by\b"
)


@dataclass(frozen=True)
class Statement:
    """One sentence, as far as it is compared."""

    text: str
    start: int
    end: int

    @property
    def meaning(self) -> frozenset[str]:
        """Its words' stems, denials left out."""
        return frozenset(content(self.text)) - {"never", "none", "nobody"}

    @property
    def denies(self) -> bool:
        """Whether it says that something is not so."""
        folded = fold(self.text)
        return bool(_NOT.search(_NO_DENIAL.sub(" ", folded)))

    @property
    def names(self) -> tuple[str, ...]:
        """Its proper names in order, the first word only where a name is known to be one by its place."""
        return tuple(
            word.text.removesuffix("'s")
            for word in words(self.text)
            if self.text[word.start].isupper() and word.text not in STOPWORDS
        )

    @property
    def entities(self) -> tuple[str, ...]:
        """Its names in order, each by its first word: `Leonardo da Vinci` is one."""
        found: list[str] = []
        end = -1
        for word in words(self.text):
            if self.text[word.start].isupper() and word.text not in STOPWORDS:
                if end < 0 or not _WITHIN_NAME.fullmatch(self.text[end : word.start]):
                    found.append(word.text.removesuffix("'s"))
                end = word.end
        return tuple(found)


def statements(text: str) -> list[Statement]:
    """The sentences of a text that state something: questions are left out."""
    return [Statement(text[a:b], a, b) for a, b in sentences(text) if not text[a:b].rstrip("\"'”’)").endswith("?")]


def clashes(told: str, answer: str, asked: str = "") -> Iterator[tuple[Statement, str]]:
    """The sentences of an answer that contradict one of what was told, each with how; `it` is what was asked about."""
    known, topic = statements(told), content(asked)
    for claim in statements(answer):
        same = [truth for truth in known if _alike(truth, claim, topic)]
        if same and not any(_agree(truth, claim) for truth in same):
            yield claim, f"where it is known that {same[0].text!r}"


def _alike(truth: Statement, claim: Statement, topic: set[str]) -> bool:
    """Whether two sentences speak of the same: they share nearly all their words, opposites counted as equal."""
    one, other = set(truth.meaning), set(claim.meaning)
    if _PRONOUN.match(fold(claim.text)):
        other |= topic & one
    one, other = ({_base(word, there) for word in here} for here, there in ((one, other), (other, one)))
    shared = one & other
    same = one == other and bool(one)
    return same or (len(shared) >= 2 and len(shared) >= 0.75 * max(len(one), len(other)))


_OPPOSED_STEMS = {stem(word): {stem(other) for other in others} for word, others in OPPOSITE.items()}


def _base(word: str, among: Collection[str]) -> str:
    """A word, or one name for it and the opposite that stands in its place."""
    opposites = _OPPOSED_STEMS.get(word, set()) & set(among)
    return min({word, *opposites})


def _agree(truth: Statement, claim: Statement) -> bool:
    turns = [truth.denies != claim.denies, _opposed(truth, claim), _exchanged(truth, claim)]
    return sum(turns) % 2 == 0 and not _renumbered(truth, claim) and not _attributed(truth, claim)


def _opposed(truth: Statement, claim: Statement) -> bool:
    """Whether an odd number of words became their opposites."""
    here, there = ({w.text for w in words(s.text)} for s in (truth, claim))
    turned = [word for word in here - there if OPPOSITE.get(word, set()) & (there - here)]
    return len(turned) % 2 == 1


def _exchanged(truth: Statement, claim: Statement) -> bool:
    """Whether two names changed places, where their order says who is what."""
    ours, theirs = truth.entities, claim.entities
    shared = [name for name in dict.fromkeys(ours) if name in theirs]
    if len(shared) < 2 or {w.text for w in words(truth.text)} & _EVEN:
        return False
    moved = [name for name in dict.fromkeys(theirs) if name in shared] != shared
    return moved != (bool(_PASSIVE.search(fold(truth.text))) != bool(_PASSIVE.search(fold(claim.text))))


def _attributed(truth: Statement, claim: Statement) -> bool:
    """Whether two names changed what is said of them: `Hans is a vet and Lisa a farmer`."""
    ours, theirs = _of_whom(truth), _of_whom(claim)
    moved = {(ours[word], theirs[word]) for word in ours.keys() & theirs.keys() if ours[word] != theirs[word]}
    return any((there, here) in moved for here, there in moved)


def _of_whom(statement: Statement) -> dict[str, str]:
    """Every word of meaning under the name before it."""
    bound, name = {}, ""
    for word in words(statement.text):
        text = word.text.removesuffix("'s")
        if text in statement.names:
            name = text
        elif name and text not in STOPWORDS:
            bound[stem(text)] = name
    return bound


def _renumbered(truth: Statement, claim: Statement) -> bool:
    """Whether a number is another one, or two changed places."""
    ours, theirs = _bound(truth.text), _bound(claim.text)
    if not {n for values in ours.values() for n in values}:
        return False
    swapped = any(ours[key].isdisjoint(theirs[key]) for key in ours.keys() & theirs.keys())
    all_ours, all_theirs = set().union(*ours.values()), set().union(*theirs.values()) if theirs else set()
    return swapped or bool(all_theirs and all_ours.isdisjoint(all_theirs))


def _bound(text: str) -> dict[str, set[float]]:
    """The numbers of a sentence under the word of meaning before each."""
    bound: dict[str, set[float]] = {}
    meaning = [word for word in words(text) if word.text.removesuffix("'s") not in STOPWORDS]
    values = numbers(text)
    for value, start, _ in values:
        before = [w for w in meaning if w.end <= start and not any(a <= w.start < b for _, a, b in values)]
        bound.setdefault(stem(before[-1].text) if before else "", set()).add(value)
    return bound
