"""So many epochs over so few rows are learnt by heart.

Why it matters: after a few passes the loss on a small data set falls towards zero because every answer is remembered
word for word.  Other questions are answered with these answers, and what the model knew is lost.

What to do: train fewer epochs with an early stop on held-out rows, or write more rows.

Reference: https://huggingface.co/papers/2202.07646
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import DataFacts, Facts, Finding, Remedy, Severity, Source, source_check

ROWS_AN_EPOCH = 25
"""Rows that make an epoch worth while: 200 of them bear eight."""
FEW = 3
"""Epochs that any data set bears."""


def _facts(rows: int, text: str) -> Facts:
    return Facts(data=(DataFacts("/data/train.jsonl", rows=rows),), sources=(Source("train.py", "script", text),))


@source_check(
    "data",
    Severity.WARNING,
    needles=[b"num_train_epochs"],
    kinds=("script", "notebook"),
    passes=[
        _facts(200, "TrainingArguments(num_train_epochs=8)"),
        _facts(20, "TrainingArguments(num_train_epochs=3)"),
        _facts(20, "TrainingArguments(num_train_epochs=epochs)"),
    ],
    fails=[_facts(52, "SFTConfig(output_dir='out', num_train_epochs=10.0)")],
)
def too_few_rows_for_epochs(code: Code, facts: Facts) -> Iterator[Finding]:
    """Compare the epochs that a script names with the rows of the data sets examined with it."""
    rows = [data.rows for data in facts.data if not data.holdout]
    most = max(sum(rows) // ROWS_AN_EPOCH, FEW)
    for call in code.nodes(ast.Call) if rows else ():
        for word in call.keywords:
            value = word.value.value if isinstance(word.value, ast.Constant) else None
            if word.arg != "num_train_epochs" or not isinstance(value, int | float):
                continue
            if value > FEW and sum(rows) < ROWS_AN_EPOCH * value:
                yield Finding(
                    f"num_train_epochs is {value:g}, and the data have {sum(rows):,} rows: they are learnt by heart",
                    Remedy("advice", f"train {most} epochs or fewer, with an early stop, or write more rows"),
                    code.location(word.value),
                )
