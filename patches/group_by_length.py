"""TrainingArguments(group_by_length=True) became `train_sampling_strategy="group_by_length"`.

transformers 5.2 renamed it: `TypeError: TrainingArguments.__init__() got an unexpected keyword argument
'group_by_length'`.  No spelling is taken by all releases, so the one that the class has is chosen.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import TrainingArguments as Args\n"
ASKED = 'if hasattr(Args, "group_by_length") else'


class GroupByLength(ArgumentPatch):
    old, new = "transformers<5.2", "transformers>=4.36"
    needles = (b"group_by_length",)
    mends = ("argument:transformers.TrainingArguments.group_by_length",)
    of = TRAINING_ARGUMENTS
    examples = [
        Example(
            f'{IMPORT}a = Args("out", group_by_length=True)',
            f'{IMPORT}a = Args("out", **({{"group_by_length": True}} {ASKED} '
            '{"train_sampling_strategy": "group_by_length"}))',
        ),
        Example(
            f'{IMPORT}a = Args("out", group_by_length=group)',
            f'{IMPORT}a = Args("out", **({{"group_by_length": group}} {ASKED} '
            '{"train_sampling_strategy": "group_by_length" if group else "random"}))',
        ),
        Example(f'{IMPORT}a = Args("out", group_by_length=False)', f'{IMPORT}a = Args("out")'),
        Example(f'{IMPORT}a = Args("out", train_sampling_strategy="group_by_length")', keeps="the new name"),
        Example("Trainer(group_by_length=True)", keeps="another class"),
    ]
    proof = """
from transformers import TrainingArguments
a = TrainingArguments("out", group_by_length=True)
assert "group_by_length" in (getattr(a, "train_sampling_strategy", ""), *vars(a))
"""

    def amend(self, given: Given) -> None:
        name = "group_by_length"
        value, code = literal(given.get(name)), given.code(name)
        if value is False:
            given.remove(name)
        elif code and given.spelled:
            chosen = '"group_by_length"' if value is True else f'"group_by_length" if {code} else "random"'
            asked = f'if hasattr({given.spelled}, "{name}")'
            given.spread(name, f'{{"{name}": {code}}} {asked} else {{"train_sampling_strategy": {chosen}}}')
