"""Conversations in which only one side speaks.

Why it matters: without an answer there is nothing to learn in a row; without a question the model learns to speak
unasked.

What to do: delete these rows.  Where all of them are so, the roles have names that are read otherwise.

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
    passes=[Facts(), _facts(), _facts(empty_answer=Seen(1))],
    fails=[_facts(one_sided=Seen(2, (Row(7, "Where is it?"),)))],
)
def one_sided_conversation(facts: Facts) -> Iterator[Finding]:
    """Report conversations without a question or without an answer."""
    for data in facts.data:
        for _, seen in data.of("one-sided"):
            yield Finding(
                f"{data.share(seen)} lack a question or an answer",
                Remedy("advice", "delete these rows, or mend the names of their roles"),
                data.place(seen),
            )
