"""The template leaves out turns of the data.

Why it matters: the model is trained on an answer without what it answers: a tool result, a document, an earlier turn.
Nothing fails.

What to do: use a template that renders these turns, or put their words into the question.

Reference: https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", "messages", 400, named, "/models/tinyllama"),))


@check(
    "chat",
    Severity.WARNING,
    passes=[Facts(), _facts(), _facts(system_dropped=Seen(4))],
    fails=[_facts(turn_dropped=Seen(2, (Row(7, "tool: 12 degrees"),)))],
)
def turn_dropped(facts: Facts) -> Iterator[Finding]:
    """Report rows whose rendering lacks the words of a turn."""
    for data in facts.data:
        for _, seen in data.of("turn-dropped"):
            example = f": {seen.examples[0].text!r}" if seen.examples else ""
            yield Finding(
                f"the chat template of {data.reader} leaves a turn of {data.share(seen)} out{example}",
                Remedy("advice", "use a template that renders it, or put its words into the question"),
                data.place(seen),
            )
