"""Rows that occur more than once.

Why it matters: what is repeated is learnt by heart, and counts double in the loss.  A row that is also in the held-out
part makes the held-out loss look better than it is.

What to do: keep one of each, unless they are repeated on purpose.

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
    passes=[Facts(), _facts(), _facts(near_duplicate=Seen(3, (Row(9, "as row 2: Hello"),)))],
    fails=[_facts(duplicate=Seen(12, (Row(9, "as row 2: Hello"),)))],
)
def duplicate_rows(facts: Facts) -> Iterator[Finding]:
    """Report rows whose words are exactly those of an earlier one."""
    for data in facts.data:
        for _, seen in data.of("duplicate"):
            first = f": row {seen.examples[0].number:,} {seen.examples[0].text}" if seen.examples else ""
            yield Finding(
                f"{data.share(seen)} repeat an earlier one{first}",
                Remedy("advice", "keep one of each"),
                data.place(seen),
            )
