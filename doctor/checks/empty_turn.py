"""Conversations with a turn that has no words.

Why it matters: an empty answer teaches the model to say nothing: its only label is the token that ends the turn.  An
empty question teaches it to answer what was not asked.

What to do: delete these rows, or fill them.

Reference: https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", "messages", 400, named, "/models/tinyllama"),))


@check(
    "data",
    Severity.WARNING,
    passes=[Facts(), _facts(), _facts(one_sided=Seen(1))],
    fails=[_facts(empty_answer=Seen(2, (Row(7, "Where is it?"),))), _facts(empty_question=Seen(2, (Row(7),)))],
)
def empty_turn(facts: Facts) -> Iterator[Finding]:
    """Report empty answers and empty questions."""
    for data in facts.data:
        for what in ("answer", "question"):
            for _, seen in data.of(f"empty-{what}"):
                yield Finding(
                    f"{data.share(seen)} have an empty {what}",
                    Remedy("advice", "delete these rows, or fill them"),
                    data.place(seen),
                )
