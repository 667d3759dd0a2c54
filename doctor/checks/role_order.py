"""Conversations whose turns do not alternate.

Why it matters: templates of Mistral, Gemma and Llama 2 refuse them (`Conversation roles must alternate`); others
render two questions in a row, which no one will ever ask.  A last turn without its answer is not learnt from.

What to do: join turns of one speaker, begin with a question, end with an answer.

Reference: https://huggingface.co/docs/transformers/chat_templating
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
    passes=[Facts(), _facts(), _facts(tool_turns=Seen(4))],
    fails=[
        _facts(role_order=Seen(2, (Row(7, "user user assistant"),))),
        _facts(ends_with_question=Seen(2, (Row(7, "And then?"),))),
    ],
)
def role_order(facts: Facts) -> Iterator[Finding]:
    """Report turns out of order, and conversations that end with a question."""
    for data in facts.data:
        for _, seen in data.of("role-order"):
            order = f" (row {seen.examples[0].number:,}: {seen.examples[0].text})" if seen.examples else ""
            yield Finding(
                f"in {data.share(seen)} user and assistant do not take turns{order}",
                Remedy("advice", "join turns of one speaker, and begin with a question"),
                data.place(seen),
            )
        for _, seen in data.of("ends-with-question"):
            yield Finding(
                f"{data.share(seen)} end with a question: nothing is learnt from their last turn",
                Remedy("advice", "delete the last turn, or add its answer"),
                data.place(seen),
                severity=Severity.HINT,
            )
