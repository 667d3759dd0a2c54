"""A language model as a judge, beside the rules: any server that speaks OpenAI's protocol, asked for JSON.

Its score stands in the report by itself and counts in no other: a judge is another model's opinion.  How often it sees
a fault where the rules see one is reported with it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from typing import Any

from doctor.evaluate.config import Config
from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.ledger import Ledger
from doctor.evaluate.model import BEST, FAILED, Answer, Message, Sample, Score, Scored, unscored
from doctor.evaluate.server import Progress, address, ask
from doctor.evaluate.words import short

FILE = "judge.jsonl"
TOKENS = 220
RUBRIC = (
    "You grade one answer of an assistant.  10: right, complete, in character.  7: right, with a blemish.  4: partly "
    "wrong, cut off, or out of character.  0: wrong, invented, or not an answer.  What the assistant was told, and "
    "what is known to be right, is given; do not reward length or politeness.  Reply with a JSON object and nothing "
    "else: its reason is a sentence of your own that quotes the answer, its score a whole number from 0 to 10."
)
REASON = {"type": "string", "maxLength": 300}
GRADE = {"reason": REASON, "score": {"type": "integer", "minimum": 0, "maximum": 10}}


def form(name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Has a server answer with a JSON object of these properties."""
    schema = {
        "type": "object", "properties": dict(properties), "required": list(properties), "additionalProperties": False,
    }  # fmt: skip
    return {"response_format": {"type": "json_schema", "json_schema": {"name": name, "strict": True, "schema": schema}}}


def judged(run: Evaluation, config: Config, ledger: Ledger, progress: Progress) -> Evaluation:
    """The run with a judge's score for every answer; what the judge says without a score is asked once more."""
    samples = {sample.id: sample for sample in config.samples}
    told = [_told(samples[one.id], one) for one in run.samples if one.answer is not None]
    wanted = form("grade", GRADE)
    grades = ask_judge(told, config, wanted, lambda answer: grade(answer).value is not None, ledger, progress)
    entries = [
        replace(one, scores={**one.scores, "judge": grade(grades[_name(one)])}) if _name(one) in grades else one
        for one in run.samples
    ]
    settings = {**run.settings, "judge": asdict(config.judge)}
    return replace(run, scorers=(*run.scorers, "judge"), samples=tuple(entries), settings=settings)


def ask_judge(
    asked: Sequence[Sample],
    config: Config,
    wanted: Mapping[str, Any],
    clear: Callable[[Answer], bool],
    ledger: Ledger,
    progress: Progress,
) -> dict[str, Answer]:
    """What the configuration's judge says to each, by id; what is not `clear` is asked once more, with another seed."""
    judge = replace(config, model=config.judge.url, name=config.judge.model)
    url = address(judge.model)
    usual = replace(config.generate, max_new_tokens=TOKENS, seeds=(0,), temperature=0.0)
    found: dict[str, Answer] = {}
    for generate in (usual, replace(usual, seeds=(1,), temperature=0.3)):
        todo = tuple(one for one in asked if one.id not in found or not clear(found[one.id]))
        if todo:
            part = replace(judge, samples=todo, generate=generate)
            found |= {answer.id: answer for answer in ask(part, ledger, progress, url, more=wanted).answers}
    return found


def _name(one: Scored) -> str:
    return f"{one.id} {one.seed}"


def _told(sample: Sample, one: Scored) -> Sample:
    """What the judge reads of one answer."""
    text = f"{sample.brief}\n\nThe answer to grade:\n{one.answer or '(nothing)'}"
    return Sample(_name(one), (Message("user", text),), system=RUBRIC)


def grade(answer: Answer) -> Score:
    """The score in what a judge said: its JSON, the JSON within its prose, or the number it calls the score."""
    if answer.text is None:
        return unscored(f"the judge {answer.reason}")
    for values in objects(answer.text):
        value = values.get("score")
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= BEST:
            return Score(float(value), str(values.get("reason") or "gives no reason"))
    said = re.search(
        r"\b(?:score|grade|rating)\W{1,6}(?:is\W{1,3})?(10|\d(?:\.\d)?)(?![\d.])", answer.text, re.IGNORECASE
    )
    if said:
        return Score(float(said[1]), short(answer.text, 200))
    return unscored(f"the judge names no score: {short(answer.text, 80)!r}")


def objects(text: str) -> Iterator[dict[str, Any]]:
    """The JSON objects in what a judge said: all of it, or those within its prose."""
    for found in (text, *(match[0] for match in re.finditer(r"\{[^{}]*\}", text))):
        with suppress(ValueError):
            values = json.loads(found)
            if isinstance(values, dict):
                yield values


def agreement(run: Evaluation) -> tuple[int, int, float | None]:
    """On how many answers judge and rules agree that there is a fault or none, of how many, and Cohen's kappa."""
    return agreed(
        (one.scores["judge"].value < FAILED, one.value < FAILED)
        for one in run.samples
        if "judge" in one.scores and one.scores["judge"].value is not None and one.value is not None
    )


def agreed(pairs: Iterable[tuple[Hashable, Hashable]]) -> tuple[int, int, float | None]:
    """How many pairs of opinions are the same, of how many, and Cohen's kappa, where chance would not make all so.

    >>> agreed([("yes", "yes"), ("no", "no"), ("yes", "no"), ("no", "no")])
    (3, 4, 0.5)
    """
    told = list(pairs)
    same = sum(a == b for a, b in told)
    if not told:
        return 0, 0, None
    ours, theirs = (Counter(pair[at] for pair in told) for at in (0, 1))
    chance = sum(ours[opinion] * theirs[opinion] for opinion in ours) / len(told) ** 2
    return same, len(told), (same / len(told) - chance) / (1 - chance) if chance < 1 else None
