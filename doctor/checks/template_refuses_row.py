"""The chat template does not render rows of the data.

Why it matters: training stops at the first of them with `jinja2.exceptions.TemplateError`, hours into tokenising; or a
loader drops them in silence.

What to do: bring the rows into the order that the template asks for, or use a template that takes them.

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
    Severity.ERROR,
    passes=[Facts(), _facts(), _facts(system_dropped=Seen(4))],
    fails=[
        Facts(
            data=(
                DataFacts(
                    "/data/train.jsonl",
                    rows=40,
                    seen={"refused:System role not supported": Seen(40, (Row(1, "You are Mira"),))},
                    model="/models/gemma",
                ),
            )
        ),
        _facts(answers_unknown=Seen(2, (Row(7, "the template rewrites earlier turns"),))),
        _facts(no_template=Seen(400, (Row(1),))),
    ],
)
def template_refuses_row(facts: Facts) -> Iterator[Finding]:
    """Report rows that are not rendered, with the template's own words; and a model without a template."""
    for data in facts.data:
        for reason, seen in data.of("refused"):
            yield Finding(
                f"the chat template of {data.reader} does not render {data.share(seen)}: {reason}",
                Remedy(
                    "advice",
                    "bring these rows into the order the template asks for; a system prompt it does not "
                    "take goes to the head of the first question",
                ),
                data.place(seen),
            )
        for _, seen in data.of("no-template"):
            yield Finding(
                f"{data.reader} has no chat template, and {data.share(seen)} are conversations",
                Remedy("advice", "set tokenizer.chat_template, with an end of turn that is a token of the vocabulary"),
                data.place(seen),
                severity=Severity.WARNING,
            )
        for _, seen in data.of("answers-unknown"):
            yield Finding(
                f"the answers of {data.share(seen)} cannot be told from the rest: {seen.examples[0].text}",
                Remedy("advice", "mark the answers in the template with {% generation %}"),
                data.place(seen),
                severity=Severity.WARNING,
            )
