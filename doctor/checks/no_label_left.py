"""Rows of which nothing is learnt: every label is masked.

Why it matters: such a row takes its time on the GPU and teaches nothing.  A batch made of them has a loss of NaN or
zero; a data set made of them trains for hours and leaves the model as it was.

What to do: raise the maximum length where the answer lies beyond it; otherwise mend the masking, so that answers, with
the token that ends them, keep their labels.

Reference: https://huggingface.co/docs/trl/sft_trainer#train-on-assistant-messages-only
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check


def _facts(**seen: Seen) -> Facts:
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    return Facts(
        data=(DataFacts("/data/train.jsonl", "sharegpt", 40, named, "/models/tinyllama", 512, "--max-length", 692),)
    )


@check(
    "data",
    Severity.ERROR,
    passes=[Facts(), _facts(), _facts(cut=Seen(3, (Row(1),), 20)), _facts(labels_none_masked=Seen(40))],
    fails=[_facts(no_label=Seen(40, (Row(1, "Where is it?"),))), _facts(labels_all_masked=Seen(20, (Row(1),), 720))],
)
def no_label_left(facts: Facts) -> Iterator[Finding]:
    """Report rows whose answers lie beyond the limit altogether, and rows that came masked altogether."""
    for data in facts.data:
        for _, seen in data.of("no-label"):
            yield Finding(
                f"at {data.limit_from} {data.limit:,} no token of an answer is left in {data.share(seen)}: what comes "
                "before it fills the length",
                Remedy(
                    "config",
                    f"train with a maximum length of {data.longest}, or shorten the system prompt",
                    f"max_length: {data.longest}",
                ),
                data.place(seen),
            )
        for _, seen in data.of("labels-all-masked"):
            yield Finding(
                f"all labels of {data.share(seen)} are -100: nothing is learnt from them",
                Remedy("advice", "label the tokens of the answers with their ids, and the token that ends them"),
                data.place(seen),
            )
