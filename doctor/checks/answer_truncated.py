"""At this maximum length, answers are cut off.

Why it matters: rows are cut at their end, and the end of a row is its answer.  A long system prompt or question alone
can fill the length, so that the model trains on half answers, or on none, and never sees how an answer ends.

What to do: raise the maximum length to the one that keeps every answer, shorten the system prompt, or drop the oldest
turns of long conversations; never cut an answer.

Reference: https://huggingface.co/docs/trl/sft_trainer
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(limit: int | None, longest: int, **seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(
        data=(
            DataFacts(
                "/data/train.jsonl", "sharegpt", 40, named, "/models/tinyllama", limit, "--max-length", longest, 690
            ),
        )
    )


@check(
    "data",
    Severity.ERROR,
    passes=[Facts(), _facts(1024, 692), _facts(None, 692)],
    fails=[
        _facts(512, 692, cut=Seen(40, (Row(1, "Where is it?"),), 4840), too_long=Seen(40)),
        _facts(512, 692, cut=Seen(3, (Row(8, "Where is it?"),), 300), saved_by_dropping=Seen(3)),
    ],
)
def answer_truncated(facts: Facts) -> Iterator[Finding]:
    """Report the tokens of answers that lie beyond the limit, and the length that would keep them."""
    for data in facts.data:
        for _, seen in data.of("cut"):
            saved = sum(found.rows for _, found in data.of("saved-by-dropping"))
            refused = sum(found.rows for _, found in data.of("too-long"))
            what = "text" if data.layout == "text" else "answers"
            message = (
                f"at {data.limit_from} {data.limit:,} the {what} of {data.share(seen)} lose {seen.amount:,} tokens; "
                f"the longest row needs {data.longest:,}"
            )
            if saved:
                message += f"; dropping the oldest turns makes {saved:,} fit"
            if refused:
                message += f"; {refused:,} do not fit even with their last exchange alone"
            yield Finding(
                message,
                Remedy(
                    "config",
                    f"train with a maximum length of {data.longest}, which keeps every answer, or shorten what comes "
                    "before the answers",
                    f"max_length: {data.longest}",
                ),
                data.place(seen),
            )
