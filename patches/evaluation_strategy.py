"""TrainingArguments(evaluation_strategy=...) became TrainingArguments(eval_strategy=...).

transformers 4.41 added `eval_strategy`, 4.51 removed the old name: `TypeError: TrainingArguments.__init__() got an
unexpected keyword argument 'evaluation_strategy'`.  Calls, dictionaries that are unpacked into them, `partial`,
fields of subclasses and attributes of the arguments are renamed.

Reference: https://github.com/huggingface/transformers/pull/30190
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, dotted
from doctor.given import Given
from doctor.patch import Example

OLD, NEW = "evaluation_strategy", "eval_strategy"
IMPORT = "from transformers import TrainingArguments\n"


class EvaluationStrategy(ArgumentPatch):
    old, new = "transformers<4.51", "transformers>=4.41"
    needles = (b"evaluation_strategy",)
    mends = (f"argument:transformers.TrainingArguments.{OLD}", f"field:{OLD}", f"setting:{OLD}")
    of = TRAINING_ARGUMENTS
    examples = [
        Example(
            f'{IMPORT}a = TrainingArguments("out", evaluation_strategy="steps", eval_steps=10)',
            f'{IMPORT}a = TrainingArguments("out", eval_strategy="steps", eval_steps=10)',
        ),
        Example(
            f'{IMPORT}options = {{"evaluation_strategy": "no"}}\na = TrainingArguments("out", **options)',
            f'{IMPORT}options = {{"eval_strategy": "no"}}\na = TrainingArguments("out", **options)',
        ),
        Example(
            "import transformers as tf\nclass Mine(tf.TrainingArguments):\n    evaluation_strategy: str = 'no'\n"
            "a = Mine('out', evaluation_strategy='steps')\nprint(a.evaluation_strategy)",
            "import transformers as tf\nclass Mine(tf.TrainingArguments):\n    eval_strategy: str = 'no'\n"
            "a = Mine('out', eval_strategy='steps')\nprint(a.eval_strategy)",
        ),
        Example(
            f'{IMPORT}a = TrainingArguments("out", eval_strategy="no")  # evaluation_strategy', keeps="the new name"
        ),
        Example('options = {"evaluation_strategy": "no"}\nprint(options)', keeps="a dictionary of something else"),
    ]
    proof = """
from transformers import TrainingArguments
a = TrainingArguments("out", evaluation_strategy="steps", eval_steps=4)
assert a.eval_steps == 4 and a.evaluation_strategy == "steps"
"""

    def amend(self, given: Given) -> None:
        own = given.callee.own
        given.callee = type(given.callee)(given.callee.name, given.callee.spelled, own - {OLD})
        given.rename(OLD, NEW)

    def leave_AnnAssign(self, original_node: cst.AnnAssign, updated_node: cst.AnnAssign) -> cst.AnnAssign:
        if self.scope and isinstance(updated_node.target, cst.Name) and updated_node.target.value == OLD:
            around = self.script.classes.get(self.scope[-1])
            if around is not None and any(self.serves(self.script.base(base)) for base in around.bases):
                return updated_node.with_changes(target=cst.Name(NEW))
        return updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.Attribute:
        if updated_node.attr.value != OLD or not self.serves(
            self.script.settings(dotted(original_node.value), self.scope)
        ):
            return updated_node
        return updated_node.with_changes(attr=cst.Name(NEW))
