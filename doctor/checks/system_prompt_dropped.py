"""The data has a system prompt that the formatted conversation leaves out.

Why it matters: the model never sees the persona or the rules it is to be trained for.  Nothing fails: it learns the
answers alone, and with the system prompt at inference it behaves as if it had never read it.

What to do: use a template that renders system turns, or put the system prompt at the head of the first question, in
training and at inference alike.

Reference: https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(layout: str = "messages", **seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", layout, 40, named, "/models/tinyllama"),))


@check(
    "chat",
    Severity.ERROR,
    passes=[Facts(), _facts(), _facts(duplicate=Seen(3))],
    fails=[
        _facts(system_dropped=Seen(40, (Row(1, "You are Mira, a librarian."),))),
        _facts("text", system_dropped=Seen(12, (Row(5, "You are Mira, a librarian."),))),
    ],
)
def system_prompt_dropped(facts: Facts) -> Iterator[Finding]:
    """Report rows whose system prompt is not in the text that the model reads."""
    for data in facts.data:
        for _, seen in data.of("system-dropped"):
            example = f": {seen.examples[0].text!r}" if seen.examples else ""
            if "text" in data.layout or "completion" in data.layout:
                who, cure = "the formatted text", "format the rows anew, their system prompt included"
            else:
                who = f"the chat template of {data.reader}"
                cure = "put the system prompt at the head of the first question, or use a template that renders it"
            message = f"{who} leaves the system prompt of {data.share(seen)} out{example}"
            yield Finding(message, Remedy("advice", cure), data.place(seen))
