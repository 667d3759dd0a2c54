"""A language model says which of two runs' answers is better: each pair in both orders, since judges favour a place.

What it says in one order only is no opinion.  How often it and the rules agree stands beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from doctor.evaluate.compare import Comparison, Pair
from doctor.evaluate.config import Config, Generate, Judge
from doctor.evaluate.extras import needed
from doctor.evaluate.judge import REASON, agreed, ask_judge, form, objects
from doctor.evaluate.ledger import Ledger
from doctor.evaluate.model import Answer, Message, Sample
from doctor.evaluate.server import Progress

FILE = "judge-pairs.jsonl"
BATCH = 4
"""Pairs under way at once."""
FIRST, SECOND, SAME, PLACE, UNCLEAR = "first", "second", "same", "place", "unclear"
"""Which run's answer is better; or the judge changed its mind with their order, or said nothing that can be read."""
RUBRIC = (
    "You compare two answers of an assistant to the same conversation.  Better is what is right, complete and in "
    "character; what the assistant was told, and what is known to be right, is given.  Do not reward length, "
    "politeness or the place an answer stands in.  Reply with a JSON object and nothing else: its reason is a sentence "
    'of your own that quotes the answers, its better is "1", "2" or "same".'
)
WANTED = form("better", {"reason": REASON, "better": {"type": "string", "enum": ["1", "2", "same"]}})


@dataclass(frozen=True)
class Opinion:
    """What the judge thinks of one pair; `better` is one of FIRST, SECOND, SAME, PLACE, UNCLEAR."""

    better: str
    reasons: tuple[str, ...]
    """Its words, with the first run's answer first and with it second; empty where the answers are equal."""


@dataclass(frozen=True)
class Judgement:
    """What the judge thinks of all pairs."""

    judge: Judge
    opinions: dict[str, Opinion]
    """By the sample's id."""
    p: float
    """Two-sided, of the sign test on the pairs with a better answer."""
    agree: int
    """On how many pairs judge and rules agree which is better, or that neither is."""
    of: int
    kappa: float | None

    def count(self, better: str) -> int:
        """How many pairs the judge thinks this of."""
        return sum(opinion.better == better for opinion in self.opinions.values())


def judged_pairs(one: Comparison, judge: Judge, batch: int, ledger: Ledger, progress: Progress) -> Comparison:
    """The comparison with the judge's opinion of every pair; answers that are equal are not asked about."""
    differ = [pair for pair in one.pairs if pair.first.answer != pair.second.answer]
    asked = [_told(pair, swapped) for pair in differ for swapped in (False, True)]
    config = Config(Path("--judge"), (), judge=judge, generate=Generate(batch=batch))
    said = ask_judge(asked, config, WANTED, lambda answer: bool(_better(answer)), ledger, progress)
    opinions = {pair.first.id: Opinion(SAME, ()) for pair in one.pairs}
    opinions |= {pair.first.id: _opinion(*(said[_name(pair, swapped)] for swapped in (False, True))) for pair in differ}
    return replace(one, judgement=_judgement(one.pairs, judge, opinions))


def _judgement(pairs: Sequence[Pair], judge: Judge, opinions: dict[str, Opinion]) -> Judgement:
    told = [
        (opinions[pair.first.id].better, SECOND if pair.gain > 0 else FIRST if pair.gain else SAME) for pair in pairs
    ]
    won = sum(better == SECOND for better, _ in told)
    lost = sum(better == FIRST for better, _ in told)
    p = float(needed("scipy.stats").binomtest(won, won + lost).pvalue) if won + lost else 1.0
    asked = [pair for pair, opinion in zip(told, opinions.values(), strict=True) if opinion.reasons]
    return Judgement(judge, opinions, p, *agreed(pair for pair in asked if pair[0] in (FIRST, SECOND, SAME)))


def _name(pair: Pair, swapped: bool) -> str:
    return f"{pair.first.id} {'BA' if swapped else 'AB'}"


def _told(pair: Pair, swapped: bool) -> Sample:
    """What the judge reads of one pair."""
    answers = [pair.first.answer, pair.second.answer]
    one, two = answers[::-1] if swapped else answers
    known = pair.first.brief or f"The question:\n{pair.first.question}"
    text = f"{known}\n\nAnswer 1:\n{one or '(nothing)'}\n\nAnswer 2:\n{two or '(nothing)'}"
    return Sample(_name(pair, swapped), (Message("user", text),), system=RUBRIC)


def _better(answer: Answer) -> str:
    """`1`, `2` or `same`; empty where the judge says none of them."""
    for values in objects(answer.text or ""):
        if (better := str(values.get("better")).strip().lower()) in ("1", "2", "same"):
            return better
    return ""


def _opinion(straight: Answer, swapped: Answer) -> Opinion:
    names = {"1": FIRST, "2": SECOND, "same": SAME}
    turned = {"1": SECOND, "2": FIRST, "same": SAME}
    first, second = names.get(_better(straight), ""), turned.get(_better(swapped), "")
    better = UNCLEAR if not first or not second else first if first == second else PLACE
    return Opinion(better, tuple(map(_reason, (straight, swapped))))


def _reason(answer: Answer) -> str:
    if answer.text is None:
        return f"the judge {answer.reason}"
    return next((str(values["reason"]) for values in objects(answer.text) if values.get("reason")), answer.text)


def preference(one: Comparison) -> str:
    """What the judge thinks of two runs, in a sentence; empty where it was not asked."""
    found = one.judgement
    if found is None:
        return ""
    counts = [
        (SECOND, f"{one.second.name} better in {{}}"),
        (FIRST, f"{one.first.name} better in {{}}"),
        (SAME, "both the same in {}"),
        (PLACE, "another one better with their order turned in {}"),
        (UNCLEAR, "no clear answer in {}"),
    ]
    told = ", ".join(
        text.format(number) for name, text in counts if (number := found.count(name)) or name in (FIRST, SECOND)
    )
    kappa = f", kappa {round(found.kappa, 2) + 0.0:.2f}" if found.kappa is not None else ""
    agree = f"; judge and rules agree on {found.agree} of {found.of}{kappa}" if found.of else ""
    return f"The judge finds {told} of {len(found.opinions)} (p {found.p:.4f}){agree}"


def opinion(one: Comparison, name: str) -> list[str]:
    """What the judge thinks of one sample's answers, with its reasons; empty where it was not asked."""
    found = one.judgement.opinions.get(name) if one.judgement else None
    if found is None:
        return []
    thinks = {
        FIRST: f"{one.first.name} is better", SECOND: f"{one.second.name} is better", SAME: "both are the same",
        PLACE: "another one with their order turned", UNCLEAR: "nothing clear",
    }[found.better]  # fmt: skip
    reasons = found.reasons if found.better in (PLACE, UNCLEAR) else found.reasons[:1]
    return [
        f"judge: {thinks}",
        *(f"judge, {order}: {words}" for order, words in zip(("A first", "B first"), reasons, strict=False)),
    ]
