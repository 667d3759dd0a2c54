"""The contract's JSON object, schema 1, and back: what `doctor evaluate compare` reads."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from doctor.evaluate.advice import Advice
from doctor.evaluate.evaluation import Evaluation
from doctor.evaluate.judge import agreement
from doctor.evaluate.model import Score, Scored, TaskScore
from doctor.evaluate.reading import contents
from doctor.settings import UsageError

FILE = "evaluation.json"
"""What it is called in a run's folder."""


def render(run: Evaluation, advice: list[Advice], version: str) -> str:
    """The evaluation as one JSON object."""
    return json.dumps(to_object(run, advice, version), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def to_object(run: Evaluation, advice: list[Advice], version: str) -> dict[str, Any]:
    """The evaluation as plain data."""
    return {
        "schema": 1,
        "doctor": version,
        "name": run.name,
        "scorers": list(run.scorers),
        "settings": dict(run.settings),
        "samples": [_sample(one) for one in run.samples],
        "categories": {
            name: {
                **asdict(part.summary()),
                "scorers": {scorer: asdict(found) for scorer, found in part.by_scorer().items()},
            }
            for name, part in run.categories().items()
        },
        "scorers_total": {scorer: asdict(found) for scorer, found in run.by_scorer().items()},
        "splits": {name: asdict(found) for name, found in run.splits().items()},
        "faults": run.faults(),
        "judge": dict(zip(("agree", "of", "kappa"), agreement(run), strict=True)) if "judge" in run.scorers else None,
        "lm_eval": [asdict(one) for one in run.tasks],
        "advice": [asdict(one) for one in advice],
        "total": asdict(run.summary()),
    }


def _sample(one: Scored) -> dict[str, Any]:
    plain = {name: value for name, value in vars(one).items() if name != "scores"}
    scores = {
        name: {
            "value": score.value,
            "explanation": score.explanation,
            "evidence": [list(span) for span in score.evidence],
            "kind": score.kind,
        }
        for name, score in one.scores.items()
    }
    return {**plain, "scores": scores, "value": one.value}


def load(path: Path) -> Evaluation:
    """A run from its folder, or from a file that `--format json` printed; raises UsageError where it is none."""
    file = path / FILE if path.is_dir() else path
    if path.is_dir() and not file.exists():
        raise UsageError(f"{path} holds no {FILE}: run `doctor evaluate` first, or name a file of its --format json")
    try:
        document = json.loads(contents(file, "the run"))
        if document["schema"] != 1:
            raise UsageError(f"{file} has schema {document['schema']}; this doctor reads 1")
        samples = tuple(map(_loaded, document["samples"]))
        tasks = tuple(TaskScore(**one) for one in document.get("lm_eval", ()))
        return Evaluation(document["name"], tuple(document["scorers"]), samples, document["settings"], tasks)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{file} is not an evaluation as `doctor evaluate --format json` prints it: {error!r}"
        ) from error


def _loaded(values: dict[str, Any]) -> Scored:
    scores = {
        name: Score(s["value"], s["explanation"], tuple((a, b) for a, b in s["evidence"]), s["kind"])
        for name, s in values["scores"].items()
    }
    return Scored(**{name: value for name, value in values.items() if name not in ("scores", "value")}, scores=scores)
