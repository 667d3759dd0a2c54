"""A run's answers, scored: by sample, by category, by scorer and in all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from doctor.evaluate.model import Answer, Sample, Score, Scored, TaskScore
from doctor.evaluate.scorers import over
from doctor.evaluate.statistics import Summary, summary


@dataclass(frozen=True)
class Evaluation:
    """What one run got."""

    name: str
    """What the reports call it: its model, or the file of its answers."""
    scorers: tuple[str, ...]
    samples: tuple[Scored, ...]
    settings: Mapping[str, object] = field(default_factory=dict)
    """How the answers were made, where that is known."""
    tasks: tuple[TaskScore, ...] = ()
    """What lm-evaluation-harness found."""

    def summary(self, value: Callable[[Scored], float | None] = lambda one: one.value) -> Summary:
        """The mean over the samples; several answers to one sample count as one, their mean."""
        return _summary(self.samples, value)

    def categories(self) -> dict[str, Evaluation]:
        """The run by category, in the order of the samples."""
        names = dict.fromkeys(one.category for one in self.samples)
        return {name: self.only(lambda one, name=name: one.category == name) for name in names}  # type: ignore[misc]

    def only(self, wanted: Callable[[Scored], bool]) -> Evaluation:
        """Part of the run."""
        return replace(self, samples=tuple(filter(wanted, self.samples)))

    def by_scorer(self) -> dict[str, Summary]:
        """The mean of every scorer by itself."""
        return {name: self.summary(lambda one, name=name: one.worst([name])) for name in self.scorers}  # type: ignore[misc]

    def faults(self) -> dict[str, int]:
        """How many answers each scorer found a fault in, those without any left out."""
        found = {name: sum(name in one.faults for one in self.samples) for name in self.scorers}
        return {name: number for name, number in found.items() if number}

    def splits(self) -> dict[str, Summary]:
        """The questions that were trained on and those that were not, where both are known."""
        parts = {name: self.only(lambda one, name=name: one.split == name) for name in ("train", "holdout")}  # type: ignore[misc]
        return {n: part.summary() for n, part in parts.items()} if all(p.samples for p in parts.values()) else {}


def _summary(entries: Iterable[Scored], value: Callable[[Scored], float | None]) -> Summary:
    samples = by_sample(entries, value)
    return summary([one for one, _ in samples.values()], [weight for _, weight in samples.values()])


def by_sample(
    entries: Iterable[Scored], value: Callable[[Scored], float | None]
) -> dict[str, tuple[float | None, float]]:
    """For every sample the mean of its answers' values, None where none has one, and its weight."""
    found: dict[str, tuple[list[float], float]] = {}
    for one in entries:
        values, _ = found.setdefault(one.id, ([], one.weight))
        if (got := value(one)) is not None:
            values.append(got)
    return {name: (sum(values) / len(values) if values else None, weight) for name, (values, weight) in found.items()}


def evaluate(samples: Sequence[Sample], answers: Iterable[Answer], scorers: Sequence[str], name: str) -> Evaluation:
    """Score the answers; a sample without one stands in the report, unscored."""
    functions = {scorer: over(scorer) for scorer in scorers}
    given: dict[str, list[Answer]] = {}
    for answer in answers:
        given.setdefault(answer.id, []).append(answer)
    entries = []
    for sample in samples:
        for answer in given.get(sample.id) or [Answer(sample.id, None, reason="there is no answer to it")]:
            scores: dict[str, Score] = {}
            if answer.text is not None:
                scores = {scorer: score(sample, answer) for scorer, score in functions.items()}
            entries.append(_entry(sample, answer, scores))
    return Evaluation(name, tuple(scorers), tuple(entries))


def _entry(sample: Sample, answer: Answer, scores: Mapping[str, Score]) -> Scored:
    return Scored(
        id=sample.id,
        category=sample.category,
        answer=answer.text,
        scores=scores,
        question=sample.question,
        reference=sample.reference,
        finish=answer.finish,
        seed=answer.seed,
        split=sample.split,
        weight=sample.weight,
        digest=sample.digest,
        reason=answer.reason,
        tokens=answer.tokens,
        prompt_tokens=answer.prompt_tokens,
        prompt=answer.prompt,
        brief=sample.brief,
    )
