"""What the answer must say is there, what it must not say is not, and nothing contradicts what is known.

Why it matters: a model that was trained on too few rows, or too long, invents relatives, dates and places, or turns
relations round: the son becomes the father.

How it scores: 10 times the square of the share of `must` that the answer says, so that half of it is a quarter of the
score. At most 1 where it says what it must not, or contradicts the reference or the system prompt: another relation
between the same two, another name or number in the same place, a denial of what is so. At most 3 where it names a
relative nobody told of. What is denied is not said: "not in Paris" does not say Paris. Relations and denials are read
in English; phrases, patterns and numbers in any language.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.evaluate.identity import names
from doctor.evaluate.kin import KIN, NOUNS, agree
from doctor.evaluate.model import BEST, Expectation, Sample, Score, fine, unscored
from doctor.evaluate.phrases import denied, mentions, said
from doctor.evaluate.relations import (
    ME,
    USER,
    Relation,
    Speakers,
    confirmed,
    contradiction,
    relations,
    strangers,
    topic,
)
from doctor.evaluate.statements import Statement, clashes, statements
from doctor.evaluate.words import content, fold, numbers, short, stem, words

CONTRADICTED, INVENTED = 1.0, 3.0
_YES_NO = re.compile(
    r"(?:(?P<yes>yes|yeah|yep|of course|certainly|sure|absolutely|indeed)|(?P<no>no|nope|nah|never))\b"
)
_OF_RELATION = re.compile(r"\b(?:who|whom|whose|related|relation\w*|to you|to (?:him|her|them)|relatives?|family)\b")
Fault = tuple[float, str, tuple[int, int]]


def score(sample: Sample, text: str, finish: str) -> Score:
    """From what the sample says of the right answer; unscored where it says nothing."""
    if not (sample.must or sample.must_not or sample.reference):
        return unscored("the sample has no must, must_not or reference")
    missing = [expected for expected in sample.must if not _says(sample, expected, text)]
    value = BEST * ((len(sample.must) - len(missing)) / len(sample.must)) ** 2 if sample.must else BEST
    if not sample.must and sample.reference and (gap := _gap(sample, text)):
        return Score(CONTRADICTED, gap, kind="contradicted")
    faults = list(_faults(sample, text))
    told = [f"does not say {' and '.join(map(str, missing))}"] if missing else []
    told += [f"says {short(text[start:end])!r}{why}" for _, why, (start, end) in faults]
    if not told:
        return fine(_praise(sample, text))
    least = min([value, *(most for most, _, _ in faults)])
    return Score(least, "; ".join(told), tuple(span for _, _, span in faults), _kind(faults))


def _kind(faults: list[Fault]) -> str:
    if not faults:
        return "missing"
    return "contradicted" if any(most == CONTRADICTED for most, _, _ in faults) else "invented"


def _praise(sample: Sample, text: str) -> str:
    found = [short(text[slice(*span)], 40) for e in sample.must for span in [next(mentions(e, text), None)] if span]
    return f"says {', '.join(map(repr, found))}" if found else "nothing contradicts what is known"


def _negative(sample: Sample) -> bool:
    """Whether the right answer is itself a denial, so that a denied mention is no fault."""
    return any(s.denies for s in (Statement(t, 0, len(t)) for t in (sample.question, sample.reference) if t))


def _says(sample: Sample, expected: Expectation, text: str) -> bool:
    if said(expected, text) or (_negative(sample) and next(mentions(expected, text), None)):
        return True
    speakers = _speakers(sample)
    return any(
        any(contradiction(wanted, [claim], "") is None and _equal(wanted, claim) for claim in relations(text, speakers))
        for phrase in expected.texts
        for wanted in relations(phrase, speakers)
    )


def _equal(wanted: Relation, claim: Relation) -> bool:
    return {wanted.who, wanted.whom} == {claim.who, claim.whom}


def _faults(sample: Sample, text: str) -> Iterator[Fault]:
    for expected in sample.must_not:
        if span := said(expected, text):
            yield CONTRADICTED, f", which must not be said ({expected})", span
    yield from _relations(sample, text)
    yield from _yes_no(sample, text)
    for claim, why in clashes(sample.reference, text, sample.question):
        if any(confirmed(said_so, known(sample)) for said_so in relations(claim.text, _speakers(sample))):
            continue  # the names stand in another order, the relation is the same
        yield CONTRADICTED, f" {why}", (claim.start, claim.end)
    yield from _other_relation(sample, text)


def _speakers(sample: Sample) -> Speakers:
    me = tuple(dict.fromkeys(part for name in names(sample) for part in (fold(name), fold(name).split()[0])))
    return Speakers(ME, USER, me, topic(sample.question, me))


def known(sample: Sample) -> list[Relation]:
    """The relations that the system prompt, the reference and the expected phrases state."""
    speakers = _speakers(sample)
    asked = Speakers(USER, ME, speakers.me)
    phrases = "\n".join(phrase for expected in sample.must for phrase in expected.texts)
    return [
        *relations(f"{sample.reference}\n{phrases}", speakers),
        *relations(sample.system, Speakers(USER, ME, speakers.me)),
        *relations(sample.question, asked),
    ]


def _told(sample: Sample) -> str:
    phrases = [phrase for expected in sample.must for phrase in expected.texts]
    turns = [message.content for message in sample.messages]
    return fold("\n".join([sample.truth, *turns, *phrases]))


def _relations(sample: Sample, text: str) -> Iterator[Fault]:
    truths, told = known(sample), _told(sample)
    for claim in relations(text, _speakers(sample)):
        if truth := contradiction(claim, truths, told):
            yield CONTRADICTED, f" where {_words(truth)}", (claim.start, claim.end)
        elif sample.truth.strip() and _nobody(claim, told):
            yield INVENTED, ", of whom nobody told", (claim.start, claim.end)
        elif claim.noun in KIN and ME in (claim.who, claim.whom) and strangers(claim.who, claim.whom, truths):
            yield INVENTED, ", who is known as somebody else's family", (claim.start, claim.end)


def _nobody(claim: Relation, told: str) -> bool:
    name = next((end for end in (claim.who, claim.whom) if end not in (ME, USER)), None)
    related = {claim.who, claim.whom} & {ME} and claim.noun not in ("capital", "author")
    return bool(related and name and not any(re.search(rf"\b{re.escape(part)}\b", told) for part in name.split()))


def _words(truth: Relation) -> str:
    who, whom = (({ME: "the answering one", USER: "the user"}).get(end, end.title()) for end in (truth.who, truth.whom))
    return f"{who} is the {truth.noun} of {whom}"


def _yes_no(sample: Sample, text: str) -> Iterator[Fault]:
    """`Yes` where the right answer begins with `no`, and the other way round."""
    right, given = (_YES_NO.match(fold(part).strip()) for part in (sample.reference, text))
    if right and given and bool(right["yes"]) != bool(given["yes"]):
        yield CONTRADICTED, f" where the right answer begins with {right[0]!r}", given.span()


def _other_relation(sample: Sample, text: str) -> Iterator[Fault]:
    """A relation named in place of the one that the reference or `must` names: `my father` for `my son`."""
    phrases = " ".join(phrase for expected in sample.must for phrase in expected.texts)
    asked_for = f"{phrases} {sample.reference if _OF_RELATION.search(fold(sample.question)) else ''}"
    wanted = {NOUNS[w.text] for w in words(asked_for) if NOUNS.get(w.text) in KIN}
    asked = wanted | {NOUNS[w.text] for w in words(sample.question) if w.text in NOUNS}
    places = [(NOUNS[w.text], (w.start, w.end)) for w in words(text) if NOUNS.get(w.text) in KIN]
    here = [(noun, span) for noun, span in places if not denied(text, span) and not text[: span[0]].endswith(" a ")]
    if not wanted or relations(text, _speakers(sample)) or any(agree(a, b) for a, _ in here for b in wanted):
        return
    for noun, span in here:
        if not any(agree(noun, other) for other in asked):
            yield CONTRADICTED, f" where the right answer says {' or '.join(sorted(wanted))!r}", span


def _spelled(name: str, text: str) -> str:
    """A folded name as the text writes it: `SmolLM`, not `Smollm`."""
    return next((word for word in re.findall(r"[\w'-]+", text) if fold(word) == name), name.title())


def _gap(sample: Sample, text: str) -> str:
    """What the reference says and the answer does not, where the reference is all there is to go by."""
    said_numbers, right = ({n for n, _, _ in numbers(part)} for part in (text, sample.reference))
    given = {n for n, _, _ in numbers(f"{sample.question} {sample.system}")}
    if right - given and not right & said_numbers and said_numbers - given:
        return (
            f"says {', '.join(f'{n:g}' for n in sorted(said_numbers - given))} where the reference says "
            f"{', '.join(f'{n:g}' for n in sorted(right))}"
        )
    if any(confirmed(claim, known(sample)) for claim in relations(text, _speakers(sample))):
        return ""
    asked = content(sample.question)
    wanted = {n for s in statements(sample.reference) for n in _proper(s) if stem(n) not in asked}
    if (
        wanted
        and not any(re.search(rf"\b{re.escape(name)}\b", fold(text)) for name in wanted)
        and not right & said_numbers
    ):
        named = sorted({_spelled(name, sample.reference) for name in wanted})
        return f"names none of {', '.join(named)}, which the reference names"
    if all(Statement(part, 0, len(part)).denies or _YES_NO.match(fold(part)) for part in (text, sample.reference)):
        return ""  # both say no, each in its own words
    key = content(sample.reference) - asked
    if key and not key & content(text) and not right & said_numbers:
        return f"shares no word of meaning with the reference {short(sample.reference)!r}"
    return ""


def _proper(statement: Statement) -> Iterator[str]:
    """Names in a sentence, its first word left out: that one is always written with a capital."""
    first = words(statement.text)[:1]
    return (name for name in statement.names if not first or name != first[0].text.removesuffix("'s"))
