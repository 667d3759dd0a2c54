"""A control token stands inside the words of a turn.

Why it matters: the tokenizer makes one token of it, so that the model sees a turn end, or begin, in the middle of a
sentence.  Whoever can write it into a question can write a turn of the system.  Where the template writes the end of a
turn itself, one at the end of the words doubles it.

What to do: delete the token, or break it up, where it is talked about.

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
    passes=[Facts(), _facts(), _facts(cut=Seen(1))],
    fails=[
        Facts(data=(DataFacts("/data/t.jsonl", rows=40, seen={"control:<|im_start|>": Seen(2, (Row(7, "Say"),))}),)),
        Facts(data=(DataFacts("/data/t.jsonl", rows=40, seen={"ends-with:<|im_end|>": Seen(40, (Row(1, "Hi"),))}),)),
        Facts(
            data=(
                DataFacts("/data/t.jsonl", rows=9, seen={"ends-with:</s>": Seen(9)}, model="/models/m", ends=("</s>",)),
            )
        ),
    ],
)
def control_token_in_text(facts: Facts) -> Iterator[Finding]:
    """Report control tokens within turns, and ends of turns that the template writes as well."""
    for data in facts.data:
        for token, seen in data.of("control"):
            yield Finding(
                f"{token} stands inside a turn of {data.share(seen)}",
                Remedy("advice", f"delete {token}, or break it up"),
                data.place(seen),
            )
        for token, seen in data.of("ends-with"):
            # Another end than the model's is what chat-separator-mismatch reports.
            if token == "###" or (data.model is not None and token not in data.ends):
                continue
            yield Finding(
                f"{data.share(seen)} end turns with {token}; a chat template writes the end of a turn itself, and it "
                "comes twice",
                Remedy("advice", f"delete {token} at the ends of turns"),
                data.place(seen),
            )
