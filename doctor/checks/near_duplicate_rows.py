"""Rows that are nearly the same as an earlier one.

Why it matters: rows that differ in a name or a number teach little more than one of them, and are learnt by heart; a
split at random puts some into the held-out part, whose loss then means nothing.

What to do: keep one of each, or hold out by groups of rows and not by single rows.

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
    Severity.HINT,
    passes=[Facts(), _facts(), _facts(near_duplicate=Seen(3, (Row(9, "as row 2: Hello"),)))],
    fails=[_facts(near_duplicate=Seen(60, (Row(9, "as row 2: Hello"),)))],
)
def near_duplicate_rows(facts: Facts) -> Iterator[Finding]:
    """Report a data set of a hundred rows or more of which one in ten is nearly an earlier one."""
    for data in facts.data:
        for _, seen in data.of("near-duplicate"):
            if data.rows >= 100 and seen.rows * 10 >= data.rows:
                first = f": row {seen.examples[0].number:,} {seen.examples[0].text}" if seen.examples else ""
                yield Finding(
                    f"{data.share(seen)} have nearly the words of an earlier one{first}",
                    Remedy("advice", "keep one of each, and hold out groups of them, not single rows"),
                    data.place(seen),
                )
