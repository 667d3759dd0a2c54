"""A few rows are in another language than the rest.

Why it matters: they teach little, and mix languages in the answers.  Most often they came in by accident.

What to do: look at them; delete them, or add enough of that language to teach it.

Reference: https://huggingface.co/docs/trl/dataset_formats
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", "messages", 400, named, "/models/tinyllama"),))


@check(
    "data",
    Severity.HINT,
    passes=[
        Facts(),
        _facts(),
        Facts(data=(DataFacts("/data/t.jsonl", rows=400, languages={"English": 200, "German": 180}),)),
        Facts(data=(DataFacts("/data/t.jsonl", rows=9, languages={"English": 8, "German": 1}),)),
    ],
    fails=[Facts(data=(DataFacts("/data/t.jsonl", rows=400, languages={"English": 380, "German": 7}),))],
)
def language_outlier(facts: Facts) -> Iterator[Finding]:
    """Report languages of less than one row in twenty, where nine in ten are in one."""
    for data in facts.data:
        known = sum(data.languages.values())
        if known < 100:
            continue
        main, most = max(data.languages.items(), key=lambda pair: pair[1])
        few = {name: count for name, count in data.languages.items() if count * 20 < known}
        if few and most * 10 >= known * 9:
            named = ", ".join(f"{count:,} in {name}" for name, count in few.items())
            yield Finding(
                f"{most:,} of {known:,} rows are in {main}, and {named}",
                Remedy("advice", "look at the few; delete them, or add enough of them to teach the language"),
                data.place(Seen(0)),
            )
