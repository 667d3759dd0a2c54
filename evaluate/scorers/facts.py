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
from doctor.evaluate.kin import NOUNS, agree
from doctor.evaluate.model import BEST, Expectation, Sample, Score, fine, unscored
from doctor.evaluate.phrases import denied, mentions, said
from doctor.evaluate.relations import ME, USER, Relation, Speakers, confirmed, contradiction, relations
from doctor.evaluate.statements import Statement, clashes, statements
from doctor.evaluate.words import content, fold, numbers, short, words

CONTRADICTED, INVENTED = 1.0, 3.0
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
    for claim, why in clashes(sample.reference, text):
        if any(confirmed(said_so, known(sample)) for said_so in relations(claim.text, _speakers(sample))):
            continue  # the names stand in another order, the relation is the same
        yield CONTRADICTED, f" {why}", (claim.start, claim.end)
    yield from _other_relation(sample, text)


def _speakers(sample: Sample) -> Speakers:
    me = tuple(dict.fromkeys(part for name in names(sample) for part in (fold(name), fold(name).split()[0])))
    return Speakers(ME, USER, me, _topic(sample, me))


def _topic(sample: Sample, me: tuple[str, ...]) -> str:
    """The one somebody that the question asks about."""
    named = [w for s in [Statement(sample.question, 0, len(sample.question))] for w in s.names]
    first = words(sample.question)[:1]
    named = [n for n in named if n not in me and not (first and n == first[0].text)]
    return " ".join(named) if 1 <= len(named) <= 2 else ""


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


def _nobody(claim: Relation, told: str) -> bool:
    name = next((end for end in (claim.who, claim.whom) if end not in (ME, USER)), None)
    related = {claim.who, claim.whom} & {ME} and claim.noun not in ("capital", "author")
    return bool(related and name and not any(re.search(rf"\b{re.escape(part)}\b", told) for part in name.split()))


def _words(truth: Relation) -> str:
    who, whom = (({ME: "the answering one", USER: "the user"}).get(end, end.title()) for end in (truth.who, truth.whom))
    return f"{who} is the {truth.noun} of {whom}"


def _other_relation(sample: Sample, text: str) -> Iterator[Fault]:
    """A relation named in place of the one that the reference or `must` names: `my father` for `my son`."""
    phrases = " ".join(phrase for expected in sample.must for phrase in expected.texts)
    wanted = {NOUNS[w.text] for w in words(f"{sample.reference} {phrases}") if w.text in NOUNS}
    asked = wanted | {NOUNS[w.text] for w in words(sample.question) if w.text in NOUNS}
    here = [
        (NOUNS[w.text], (w.start, w.end)) for w in words(text) if w.text in NOUNS and not denied(text, (w.start, w.end))
    ]
    if not wanted or relations(text, _speakers(sample)) or any(agree(a, b) for a, _ in here for b in wanted):
        return
    for noun, span in here:
        if not any(agree(noun, other) for other in asked):
            yield CONTRADICTED, f" where the right answer says {' or '.join(sorted(wanted))!r}", span


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
    wanted = {n for s in statements(sample.reference) for n in _proper(s)} - asked
    if (
        wanted
        and not any(re.search(rf"\b{re.escape(name)}\b", fold(text)) for name in wanted)
        and not right & said_numbers
    ):
        return f"names none of {', '.join(sorted(name.title() for name in wanted))}, which the reference names"
    key = content(sample.reference) - asked
    if key and not key & content(text) and not right & said_numbers:
        return f"shares no word of meaning with the reference {short(sample.reference)!r}"
    return ""


def _proper(statement: Statement) -> Iterator[str]:
    """Names in a sentence, its first word left out: that one is always written with a capital."""
    first = words(statement.text)[:1]
    return (name for name in statement.names if not first or name != first[0].text.removesuffix("'s"))
