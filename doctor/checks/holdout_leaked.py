"""Rows held out for evaluation are also in the training data.

Why it matters: the held-out loss falls because the answers were learnt by heart.  Early stopping, the choice of the
best checkpoint and every score on these rows go by a number that means nothing.

What to do: delete these rows from the training data.

Reference: https://huggingface.co/papers/2107.06499
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
    passes=[Facts(), _facts(), _facts(duplicate=Seen(3, (Row(9),)))],
    fails=[_facts(leak=Seen(5, (Row(9, "row 2 of the training data: Hello"),)))],
)
def holdout_leaked(facts: Facts) -> Iterator[Finding]:
    """Report held-out rows whose question, or every word, is in the training data."""
    for data in facts.data:
        for _, seen in data.of("leak"):
            first = f": row {seen.examples[0].number:,} is {seen.examples[0].text}" if seen.examples else ""
            yield Finding(
                f"{data.share(seen)} of the held-out data are in the training data too{first}",
                Remedy("advice", "delete these rows from the training data"),
                data.place(seen),
            )
