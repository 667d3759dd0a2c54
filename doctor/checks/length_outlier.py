"""A few rows are many times as long as the rest.

Why it matters: one of them sets the memory that the whole run needs, and in a padded batch all others grow to its
length.

What to do: split or delete them, or group batches by length.

Reference: https://huggingface.co/docs/transformers/main_classes/trainer
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
    fails=[_facts(length_outlier=Seen(2, (Row(7, "9000 tokens: Tell me"),)))],
)
def length_outlier(facts: Facts) -> Iterator[Finding]:
    """Report rows of more than ten times the median length."""
    for data in facts.data:
        for _, seen in data.of("length-outlier"):
            longest = f", the longest {seen.examples[0].text}" if seen.examples else ""
            yield Finding(
                f"{data.share(seen)} have more than ten times the {data.median:,} tokens of the middle row{longest}",
                Remedy("advice", "split or delete them, or group batches by length"),
                data.place(seen),
            )
