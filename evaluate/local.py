"""A folder of weights, answered for by transformers in this process: a run of `doctor train`, an adapter, a model.

Prompts are sorted by their length and answered in batches; every answer is written down with its batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from doctor.chat.mask import ranges
from doctor.chat.template import Refused, Template
from doctor.evaluate.config import Config
from doctor.evaluate.generation import Row, Writer, stop_ids
from doctor.evaluate.ledger import Ledger, key
from doctor.evaluate.model import Answer, Asked, Sample, TaskScore
from doctor.evaluate.prompt import Prompts, chosen, conversation, ending, prompts
from doctor.evaluate.server import Progress
from doctor.evaluate.weights import Weights, load

REFERENCES = "references.jsonl"
"""What a run's folder keeps of how unexpected the references were."""


@dataclass(frozen=True)
class Todo:
    """One answer to be made, and the name it is kept under."""

    key: str
    sample: Sample
    row: Row


def ask_folder(config: Config, ledger: Ledger, progress: Progress) -> Asked:
    """The answers of a folder of weights; raises UsageError where it does not load or has no chat template."""
    weights = load(config)
    template, how = chosen(config.template, weights.template, weights.tokens, config.model)
    rendered = prompts(config.samples, template, weights.encode, how)
    stops = stop_ids(weights.model, weights.tokenizer, ending(template))
    generate = config.generate
    writer = Writer(weights.model, stops, generate.max_new_tokens, generate.temperature)
    wanted = [(sample, seed) for sample in config.samples for seed in generate.seeds]
    todo = [_todo(sample, seed, rendered, weights, writer) for sample, seed in wanted]
    known = sum(one.key in ledger.known for one in todo)
    failed = {one.key: why for one in todo if (why := _refused(one, rendered, weights, generate.max_new_tokens))}
    run = _Run(weights, writer, ledger, progress, rendered, known, len(todo))
    batched = run.all([one for one in todo if one.key not in ledger.known and one.key not in failed], generate.batch)
    answers = [
        Answer(one.sample.id, None, seed=one.row.seed, reason=failed[one.key])
        if one.key in failed
        else replace(ledger.known[one.key], id=one.sample.id)
        for one in todo
    ]
    if "perplexity" in config.scorers:
        answers = _with_surprises(answers, config, weights, template, ledger)
    settings = {"backend": weights.told, "model": weights.name, "prompt": how, "batches": batched, **run.speed()}
    tasks: tuple[TaskScore, ...] = ()
    if config.lm_eval.tasks:
        from doctor.evaluate.harness import run_tasks

        tasks = run_tasks(weights, config)
    return Asked(tuple(answers), weights.name, known, settings, tasks)


def _todo(sample: Sample, seed: int, rendered: Prompts, weights: Weights, writer: Writer) -> Todo:
    ids = rendered.by_id[sample.id].ids
    named = {
        "content": weights.content,
        "prompt": list(ids),
        "max_tokens": writer.most,
        "temperature": writer.temperature,
        "seed": seed,
        "stops": sorted(writer.stops),
    }
    return Todo(key(named), sample, Row(sample.id, ids, seed))


def _refused(one: Todo, rendered: Prompts, weights: Weights, most: int) -> str:
    """Why a sample cannot be answered; empty where it can."""
    if why := rendered.by_id[one.sample.id].why:
        return why
    if weights.limit and len(one.row.ids) + most > weights.limit:
        return (
            f"its prompt has {len(one.row.ids)} tokens; with max_new_tokens {most} that is over the {weights.limit} "
            "positions of the model"
        )
    return ""


class _Run:
    """Batches of prompts on their way through a model."""

    def __init__(
        self,
        weights: Weights,
        writer: Writer,
        ledger: Ledger,
        progress: Progress,
        rendered: Prompts,
        known: int,
        total: int,
    ) -> None:
        self.weights, self.writer, self.ledger, self.progress = weights, writer, ledger, progress
        self.rendered, self.done, self.total = rendered, known, total
        self.tokens, self.seconds = 0, 0.0

    def all(self, todo: Sequence[Todo], batch: int) -> str:
        """Answer everything, the longest prompts first; how the batches were made, in words."""
        order = sorted(todo, key=lambda one: (-len(one.row.ids), one.sample.id, one.row.seed))
        self.progress(self.done, self.total, 0)
        if not order or batch == 1:
            self._each(order, batch)
            return f"{batch} at a time"
        shortest, longest = order[-1].row.ids, len(order[0].row.ids)
        if self.writer.heeds_padding(shortest, longest):
            self._each(order, batch)
            return f"{batch} at a time, padded on the left"
        for _, group in groupby(order, lambda one: len(one.row.ids)):
            self._each(list(group), batch)
        return f"at most {batch} of one length at a time: this model takes padding for text"

    def _each(self, order: Sequence[Todo], batch: int) -> None:
        at = 0
        while at < len(order):
            part = order[at : at + batch]
            began = time.monotonic()
            written = _fitting(self.writer.write, [one.row for one in part])
            self.seconds += time.monotonic() - began
            for one, answer in zip(part, written, strict=False):
                self._keep(one, answer.ids, answer.stopped)
            at += len(written)
            batch = min(batch, len(written))
            self.progress(self.done, self.total, self.tokens)

    def _keep(self, one: Todo, ids: list[int], stopped: bool) -> None:
        prompt = self.rendered.by_id[one.sample.id]
        answer = Answer(
            one.sample.id,
            self.weights.decode(ids),
            "stop" if stopped else "length",
            one.row.seed,
            tokens=len(ids) + stopped,
            prompt_tokens=len(prompt.ids),
            prompt=prompt.digest,
        )
        self.ledger.add(one.key, answer)
        self.done += 1
        self.tokens += len(ids) + stopped

    def speed(self) -> dict[str, float]:
        """Tokens a second of this run; nothing where all answers were known."""
        return {"tokens_per_second": round(self.tokens / self.seconds, 1)} if self.seconds else {}


def _fitting(write: Callable[[Sequence[Row]], list[Any]], rows: Sequence[Row]) -> list[Any]:
    """The answers to as many of the first rows as fit the GPU's memory at once."""
    import torch

    try:
        return write(rows)
    except torch.cuda.OutOfMemoryError:
        if len(rows) == 1:
            raise
    torch.cuda.empty_cache()
    return _fitting(write, rows[: len(rows) // 2])


def _with_surprises(
    answers: Sequence[Answer], config: Config, weights: Weights, template: Template, ledger: Ledger
) -> list[Answer]:
    """The answers, each with how unexpected the reference of its sample is to the model."""
    from doctor.evaluate.surprise import surprises

    rows = {sample.id: row for sample in config.samples if (row := _reference(sample, template, weights))}
    with Ledger(ledger.path.parent, REFERENCES).open(fresh=False) as kept:
        names = {name: key({"content": weights.content, "ids": row[0], "from": row[1]}) for name, row in rows.items()}
        todo = sorted((name for name in rows if names[name] not in kept.known), key=lambda name: -len(rows[name][0]))
        for part in _parts(todo, config.generate.batch):
            for name, value in zip(part, surprises(weights.model, [rows[n] for n in part]), strict=True):
                kept.add(names[name], Answer(name, None, tokens=len(rows[name][0]) - rows[name][1], surprise=value))
        found = {name: kept.known[k].surprise for name, k in names.items()}
    return [replace(answer, surprise=found.get(answer.id)) for answer in answers]


def _parts(names: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (names[at : at + size] for at in range(0, len(names), size))


def _reference(sample: Sample, template: Template, weights: Weights) -> tuple[list[int], int] | None:
    """The tokens of the conversation up to the end of its reference, and where that begins; None where it has none."""
    if not sample.reference:
        return None
    try:
        text, spans = template.spans([*conversation(sample), {"role": "assistant", "content": sample.reference}])
    except Refused:
        return None
    encoding = weights.encoding(text)
    [(first, last)] = ranges(encoding, spans[-1:])
    return encoding.ids[:last], first
