"""Padding is learnt: labels are not masked where the attention mask is zero.

Why it matters: the model is trained to write padding after every answer, and the loss looks better than it is, because
padding is easy to guess.

What to do: set the label to -100 wherever the attention mask is 0.

Reference: https://huggingface.co/docs/transformers/glossary#labels
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(data=(DataFacts("/data/train.jsonl", "tokens", 20, named),))


@check(
    "data",
    Severity.ERROR,
    passes=[Facts(), _facts(), _facts(labels_none_masked=Seen(20, (), 720))],
    fails=[_facts(padding_learnt=Seen(20, (Row(1),), 120))],
)
def padding_in_labels(facts: Facts) -> Iterator[Finding]:
    """Report rows whose padding has labels."""
    for data in facts.data:
        for _, seen in data.of("padding-learnt"):
            yield Finding(
                f"{seen.amount:,} tokens of padding in {data.share(seen)} have labels other than -100: they are learnt",
                Remedy("advice", "set labels to -100 where attention_mask is 0"),
                data.place(seen),
            )
