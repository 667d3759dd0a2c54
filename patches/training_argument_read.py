"""A script reads an argument of its run that TrainingArguments no longer has.

`AttributeError: 'TrainingArguments' object has no attribute 'overwrite_output_dir'` (5.0).  The reading gets the
default that 4.47 had, or the value the script itself hands over; a name that was renamed is renamed.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.argument_patch import ScriptPatch, dotted
from doctor.patch import Example, File

RENAMED = {"no_cuda": "use_cpu", "push_to_hub_token": "hub_token", "push_to_hub_model_id": "hub_model_id"}
DEFAULTS = {
    "adafactor": "False",
    "fp16_backend": '"auto"',
    "fp16_opt_level": '"O1"',
    "group_by_length": "False",
    "half_precision_backend": '"auto"',
    "include_tokens_per_second": "False",
    "jit_mode_eval": "False",
    "logging_dir": "None",
    "overwrite_output_dir": "False",
    "past_index": "-1",
    "per_gpu_eval_batch_size": "None",
    "per_gpu_train_batch_size": "None",
    "save_safetensors": "True",
    "tpu_num_cores": "None",
    "use_ipex": "False",
    "use_mps_device": "False",
    "warmup_ratio": "0.0",
}
MANY = (
    "model_args, training_args = HfArgumentParser((ModelArguments, TrainingArguments)).parse_args_into_dataclasses()\n"
)
IMPORT = "from transformers import HfArgumentParser, TrainingArguments\n"


class TrainingArgumentRead(ScriptPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(f".{name}".encode() for name in sorted({*RENAMED, *DEFAULTS}))
    mends = tuple(f"setting:{name}" for name in sorted({*RENAMED, *DEFAULTS}))
    examples = [
        Example(
            f"{IMPORT}{MANY}if training_args.do_train and not training_args.overwrite_output_dir:\n    pass",
            f"{IMPORT}{MANY}if training_args.do_train and not getattr(training_args, "
            '"overwrite_output_dir", False):\n    pass',
        ),
        Example(
            "from transformers import TrainingArguments\na = TrainingArguments('out')\nprint(a.no_cuda)",
            "from transformers import TrainingArguments\na = TrainingArguments('out')\nprint(a.use_cpu)",
        ),
        Example(
            "from transformers import Trainer\nclass Mine(Trainer):\n    def f(self):\n"
            "        return self.args.warmup_ratio",
            "from transformers import Trainer\nclass Mine(Trainer):\n    def f(self):\n"
            '        return getattr(self.args, "warmup_ratio", 0.0)',
        ),
        Example(
            "from transformers import TrainingArguments\nargs = parse()\nprint(args.no_cuda)", keeps="other arguments"
        ),
        Example(f"{IMPORT}{MANY}training_args.overwrite_output_dir = True", keeps="a setting of the script's own"),
    ]
    proof = """
from transformers import TrainingArguments
a = TrainingArguments("out")
assert not a.overwrite_output_dir and not a.no_cuda
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.targets: set[int] = set()
        self.values: dict[str, set[str]] = {}
        for argument in self.script.arguments():
            if argument.name in DEFAULTS and argument.callee.name.endswith("TrainingArguments"):
                self.values.setdefault(argument.name, set()).add(ast.unparse(argument.value))

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.targets.add(id(node.target))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self.targets.add(id(node.target))

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self.targets.add(id(node.target))

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        name = updated_node.attr.value
        if name not in RENAMED and (name not in DEFAULTS or id(original_node) in self.targets):
            return updated_node
        callee = self.script.settings(dotted(original_node.value), self.scope)
        if callee is None or name in callee.own:
            return updated_node
        if name in RENAMED:
            return updated_node.with_changes(attr=cst.Name(RENAMED[name]))
        given = self.values.get(name, set())
        default = next(iter(given)) if len(given) == 1 and _constant(given) else DEFAULTS[name]
        code = cst.Module([]).code_for_node(updated_node.with_changes(lpar=[], rpar=[]).value)
        return cst.parse_expression(f'getattr({code}, "{name}", {default})')


def _constant(values: set[str]) -> bool:
    return all(isinstance(ast.parse(value, mode="eval").body, ast.Constant) for value in values)
