"""One question has several answers.

Why it matters: the model learns a mixture, and the loss on these rows cannot fall below what the choice between them
costs.  Wanted where answers are paraphrases; a fault where they say opposite things.

What to do: read the rows that are named, and keep the right answer.

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
    Severity.HINT,
    passes=[Facts(), _facts(), _facts(duplicate=Seen(1))],
    fails=[_facts(contradiction=Seen(2, (Row(7, "as row 3: Where is it?"),)))],
)
def contradictory_answers(facts: Facts) -> Iterator[Finding]:
    """Report rows that answer an earlier question in other words."""
    for data in facts.data:
        for _, seen in data.of("contradiction"):
            first = f": row {seen.examples[0].number:,} {seen.examples[0].text}" if seen.examples else ""
            yield Finding(
                f"{data.share(seen)} answer a question that an earlier row answers otherwise{first}",
                Remedy("advice", "read these pairs, and keep the right answer of each"),
                data.place(seen),
            )
