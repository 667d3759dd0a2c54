"""Rows that cannot be read as conversations.

Why it matters: a loader stops at the first of them, or drops them in silence, and the run trains on less than its
owner thinks.

What to do: write every row as messages, ShareGPT turns, instruction and output, prompt and completion, or text.

Reference: https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


@check(
    "data",
    Severity.ERROR,
    passes=[Facts(), Facts(data=(DataFacts("/data/train.jsonl", "messages", 40),))],
    fails=[
        Facts(
            data=(
                DataFacts("/data/train.jsonl", "messages", 40, {"malformed": Seen(1, (Row(7, "messages is empty"),))}),
            )
        )
    ],
)
def rows_unreadable(facts: Facts) -> Iterator[Finding]:
    """Report rows of no known layout, with the reason of the first."""
    for data in facts.data:
        for _, seen in data.of("malformed"):
            first = seen.examples[0]
            yield Finding(
                f"{data.share(seen)} cannot be read; row {first.number:,} {first.text}",
                Remedy(
                    "advice", f"mend or delete row {first.number}" if seen.rows == 1 else "mend or delete these rows"
                ),
                data.place(seen),
            )
