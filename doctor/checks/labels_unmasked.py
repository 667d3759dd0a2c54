"""No label is masked: the prompt is learnt as well as the answer.

Why it matters: most tokens of a conversation are its system prompt and questions.  Where they are in the loss, the
model spends its training on repeating what it is told, and learns to write the user's part.

What to do: set the labels of everything but the answers to -100.  Text that is to be continued, not answered, is well
as it is: pass `--ignore labels-unmasked`.

Reference: https://huggingface.co/docs/trl/sft_trainer#train-on-assistant-messages-only
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", "tokens", 20, named),))


@check(
    "data",
    Severity.WARNING,
    passes=[Facts(), _facts(), _facts(labels_all_masked=Seen(20)), _facts(labels_none_masked=Seen(3))],
    fails=[_facts(labels_none_masked=Seen(20, (Row(1),), 720))],
)
def labels_unmasked(facts: Facts) -> Iterator[Finding]:
    """Report a data set most of whose rows have a label for every token."""
    for data in facts.data:
        for _, seen in data.of("labels-none-masked"):
            if seen.rows * 2 > data.rows:
                yield Finding(
                    f"no label of {data.share(seen)} is -100: prompts are in the loss",
                    Remedy("advice", "set the labels of everything but the answers to -100"),
                    data.place(seen),
                )
