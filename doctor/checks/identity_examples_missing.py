"""The system prompt gives the model a name, and no row tests it.

Why it matters: asked who it is, the model answers as it was made: with its maker's name.  Asked for what the persona
does not do, it obliges.  Both have to be in the data to be learnt.

What to do: add rows that ask who the model is, in many wordings, and rows in which it declines another name or a
question outside its part.

Reference: https://huggingface.co/docs/trl/sft_trainer
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
    passes=[
        Facts(),
        _facts(asked_who=Seen(9)),
        Facts(
            data=(
                DataFacts(
                    "/data/t.jsonl", rows=99, seen={"persona:Mira": Seen(99), "asked-who": Seen(5), "declined": Seen(7)}
                ),
            )
        ),
        Facts(data=(DataFacts("/data/t.jsonl", rows=99, seen={"persona:Mira": Seen(9)}),)),
    ],
    fails=[
        Facts(data=(DataFacts("/data/t.jsonl", rows=99, seen={"persona:Mira": Seen(99, (Row(1),))}),)),
        Facts(data=(DataFacts("/data/t.jsonl", rows=99, seen={"persona:Mira": Seen(99), "asked-who": Seen(5)}),)),
    ],
)
def identity_examples_missing(facts: Facts) -> Iterator[Finding]:
    """Look for questions about the name, and for answers that decline, where most rows have a persona."""
    for data in facts.data:
        for name, seen in data.of("persona"):
            if seen.rows * 2 < data.rows or data.holdout:
                continue
            missing = {"asked-who": "asks who it is", "declined": "shows it declining"}
            absent = [what for kind, what in missing.items() if kind not in data.seen]
            if absent:
                yield Finding(
                    f"the system prompt of {data.share(seen)} names the model {name}, and no row {' or '.join(absent)}",
                    Remedy("advice", "add rows that ask who it is, and rows in which it declines"),
                    data.place(seen),
                )
