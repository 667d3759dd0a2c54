"""A language model as a judge, beside the rules: any server that speaks OpenAI's protocol, asked for JSON.

Its score stands in the report by itself and counts in no other: a judge is another model's opinion.  How often it sees
a fault where the rules see one is reported with it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace

from doctor.evaluate.config import Config, Generate
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
SCHEMA = {
    "type": "object",
    "properties": {
        "reason": {"type": "string", "maxLength": 300},
        "score": {"type": "integer", "minimum": 0, "maximum": 10},
    },
    "required": ["reason", "score"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "grade", "strict": True, "schema": SCHEMA}}


def judged(run: Evaluation, config: Config, ledger: Ledger, progress: Progress) -> Evaluation:
    """The run with a judge's score for every answer; what the judge says without a score is asked once more."""
    samples = {sample.id: sample for sample in config.samples}
    told = {_name(one): _told(samples[one.id], one) for one in run.samples if one.answer is not None}
    grades = _asked(list(told.values()), config, ledger, progress, Generate(TOKENS, config.generate.batch))
    unclear = [told[name] for name, answer in grades.items() if grade(answer).value is None]
    if unclear:
        again = Generate(TOKENS, config.generate.batch, seeds=(1,), temperature=0.3)
        grades |= _asked(unclear, config, ledger, progress, again)
    entries = [
        replace(one, scores={**one.scores, "judge": grade(grades[_name(one)])}) if _name(one) in grades else one
        for one in run.samples
    ]
    return replace(run, scorers=(*run.scorers, "judge"), samples=tuple(entries))


def _name(one: Scored) -> str:
    return f"{one.id} {one.seed}"


def _asked(
    asked: Sequence[Sample], config: Config, ledger: Ledger, progress: Progress, generate: Generate
) -> dict[str, Answer]:
    judge = replace(config, model=config.judge.url, name=config.judge.model, samples=tuple(asked), generate=generate)
    answers, _, _ = ask(judge, ledger, progress, address(judge.model), more={"response_format": FORMAT})
    return {answer.id: answer for answer in answers}


def _told(sample: Sample, one: Scored) -> Sample:
    """What the judge reads of one answer."""
    turns = "\n".join(f"{turn.role}: {turn.content}" for turn in sample.messages)
    parts = {
        "The assistant was told": sample.system,
        "The conversation": turns,
        "Known to be right": sample.reference,
        "It must say": "; ".join(map(str, sample.must)),
        "It must not say": "; ".join(map(str, sample.must_not)),
        "The answer to grade": one.answer or "(nothing)",
    }
    text = "\n\n".join(f"{head}:\n{part}" for head, part in parts.items() if part)
    return Sample(_name(one), (Message("user", text),), system=RUBRIC)


def grade(answer: Answer) -> Score:
    """The score in what a judge said: its JSON, the JSON within its prose, or the number it calls the score."""
    if answer.text is None:
        return unscored(f"the judge {answer.reason}")
    for found in (answer.text, *(match[0] for match in re.finditer(r"\{[^{}]*\}", answer.text))):
        try:
            values = json.loads(found)
            value = values["score"]
        except (ValueError, TypeError, KeyError):
            continue
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= BEST:
            return Score(float(value), str(values.get("reason") or "gives no reason"))
    said = re.search(
        r"\b(?:score|grade|rating)\W{1,6}(?:is\W{1,3})?(10|\d(?:\.\d)?)(?![\d.])", answer.text, re.IGNORECASE
    )
    if said:
        return Score(float(said[1]), short(answer.text, 200))
    return unscored(f"the judge names no score: {short(answer.text, 80)!r}")


def agreement(run: Evaluation) -> tuple[int, int, float | None]:
    """On how many answers judge and rules agree that there is a fault or none, of how many, and Cohen's kappa."""
    pairs = [
        (one.scores["judge"].value < FAILED, one.value < FAILED)
        for one in run.samples
        if "judge" in one.scores and one.scores["judge"].value is not None and one.value is not None
    ]
    same = sum(a == b for a, b in pairs)
    if not pairs:
        return 0, 0, None
    judge, rules = (sum(pair[at] for pair in pairs) / len(pairs) for at in (0, 1))
    chance = judge * rules + (1 - judge) * (1 - rules)
    return same, len(pairs), (same / len(pairs) - chance) / (1 - chance) if chance < 1 else None
