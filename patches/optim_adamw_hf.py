"""The optimizer is asked for as `adamw_hf`, which names one that is gone.

transformers from 4.50 on knows no such name: `ValueError: 'adamw_hf' is not a valid OptimizerNames`.
`adamw_torch` is the same algorithm with the same settings of TrainingArguments.

Reference: https://github.com/huggingface/transformers/pull/36177
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import TrainingArguments\n"


class OptimAdamwHf(ArgumentPatch):
    old, new = "transformers<4.50", "transformers>=4.36"
    needles = (b"adamw_hf",)
    mends = ("value:adamw_hf",)
    of = TRAINING_ARGUMENTS
    examples = [
        Example(
            f'{IMPORT}a = TrainingArguments("out", optim="adamw_hf", learning_rate=1e-3)',
            f'{IMPORT}a = TrainingArguments("out", optim="adamw_torch", learning_rate=1e-3)',
        ),
        Example(f'{IMPORT}a = TrainingArguments("out", optim="adamw_torch")  # adamw_hf', keeps="torch's"),
        Example("a = Arguments(optim='adamw_hf')", keeps="another class"),
    ]
    proof = """
from transformers import TrainingArguments

assert TrainingArguments("out", optim="adamw_hf").optim.startswith("adamw")
"""

    def amend(self, given: Given) -> None:
        at = given.index("optim")
        if at is not None and literal(given.get("optim")) == "adamw_hf":
            given.elements[at] = given.elements[at].with_changes(value=cst.SimpleString('"adamw_torch"'))
            given.changed = True
