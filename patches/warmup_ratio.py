"""TrainingArguments(warmup_ratio=...) became a value below 1 of `warmup_steps`.

transformers 5.15 removed `warmup_ratio`: `TypeError: TrainingArguments.__init__() got an unexpected keyword argument
'warmup_ratio'`.  `warmup_steps=0.03` alone would be wrong on 4.x, which takes it for no warmup at all and says nothing;
so the key is chosen by what the class has, and both count the same steps, `ceil(ratio * steps)`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import TrainingArguments\n"
KEY = '"warmup_ratio" if hasattr(TrainingArguments, "warmup_ratio") else "warmup_steps"'


class WarmupRatio(ArgumentPatch):
    old, new = "transformers<5.15", "transformers>=4.36"
    needles = (b"warmup_ratio",)
    mends = ("argument:transformers.TrainingArguments.warmup_ratio",)
    of = TRAINING_ARGUMENTS
    examples = [
        Example(
            f'{IMPORT}a = TrainingArguments("out", warmup_ratio=0.03, optim="adamw_torch")',
            f'{IMPORT}a = TrainingArguments("out", **{{{KEY}: 0.03}}, optim="adamw_torch")',
        ),
        Example(
            f'{IMPORT}options = {{"warmup_ratio": ratio}}\na = TrainingArguments("out", **options)',
            f'{IMPORT}options = {{{KEY}: ratio}}\na = TrainingArguments("out", **options)',
        ),
        Example(
            f'{IMPORT}options = {{}}\noptions["warmup_ratio"] = 0.1\na = TrainingArguments("out", **options)',
            f'{IMPORT}options = {{}}\noptions[{KEY}] = 0.1\na = TrainingArguments("out", **options)',
        ),
        Example(f'{IMPORT}a = TrainingArguments("out", warmup_ratio=0.0)', f'{IMPORT}a = TrainingArguments("out")'),
        Example(
            f'{IMPORT}a = TrainingArguments("out", warmup_ratio=0.1, warmup_steps=5)',
            f'{IMPORT}a = TrainingArguments("out", warmup_steps=5)',
        ),
        Example(f'{IMPORT}a = TrainingArguments("out", warmup_steps=10)  # warmup_ratio', keeps="steps"),
        Example(
            f'{IMPORT}a = TrainingArguments("out", warmup_ratio=r, warmup_steps=s)', keeps="which counts, is not known"
        ),
    ]
    proof = """
from transformers import TrainingArguments
a = TrainingArguments("out", warmup_ratio=0.03)
assert a.get_warmup_steps(1000) == 30
"""

    def amend(self, given: Given) -> None:
        ratio, steps = literal(given.get("warmup_ratio")), literal(given.get("warmup_steps"))
        if ratio in (0, None):
            given.remove("warmup_ratio")
        elif isinstance(steps, int | float) and "warmup_steps" in given and "warmup_ratio" in given:
            given.remove("warmup_ratio" if steps else "warmup_steps")  # steps go first, where there are any
        if ratio != 1:  # all of the steps here, one step there
            given.either("warmup_ratio", "warmup_steps")
