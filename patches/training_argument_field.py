"""A class derived from TrainingArguments declares a field that the release no longer reads.

`warmup_ratio`, `group_by_length` and `logging_dir` of such a class are accepted, also on the command line, and do
nothing on transformers from 5.2 and 5.15 on: no error, no warmup.  Their values are handed to what the release reads.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.argument_patch import ScriptPatch
from doctor.patch import Example, File
from doctor.traversal import find

FIELDS = ("warmup_ratio", "group_by_length", "logging_dir")
HEAD = (
    "from dataclasses import dataclass\nimport transformers\n@dataclass\nclass Mine(transformers.TrainingArguments):\n"
)
CALL = "_doctor_settled(self)"


class TrainingArgumentField(ScriptPatch):
    old, new = "transformers<5.2", "transformers>=4.36"
    needles = tuple(name.encode() for name in FIELDS)
    mends = tuple(f"field:{name}" for name in FIELDS)
    helpers = {
        "_doctor_settled": '''
def _doctor_settled(arguments):
    """Fields that the release took from TrainingArguments go on to do what they did."""
    import os

    from transformers import TrainingArguments

    lost = {name for name in ("warmup_ratio", "group_by_length", "logging_dir") if getattr(arguments, name, None)}
    lost -= set(TrainingArguments.__dataclass_fields__)
    if "warmup_ratio" in lost and not arguments.warmup_steps:
        arguments.warmup_steps = arguments.warmup_ratio
    if "group_by_length" in lost:
        arguments.train_sampling_strategy = "group_by_length"
    if "logging_dir" in lost:
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(arguments.logging_dir)
'''
    }
    examples = [
        Example(
            f"{HEAD}    warmup_ratio: float = 0.03",
            f"{HEAD}    warmup_ratio: float = 0.03\n    def __post_init__(self):\n        {CALL}\n"
            "        super().__post_init__()",
        ),
        Example(
            f"{HEAD}    group_by_length: bool = True\n    def __post_init__(self):\n        super().__post_init__()",
            f"{HEAD}    group_by_length: bool = True\n    def __post_init__(self):\n        {CALL}\n"
            "        super().__post_init__()",
        ),
        Example(f"{HEAD}    cache_dir: str = None  # warmup_ratio", keeps="a field of its own"),
        Example(
            "from dataclasses import dataclass\n@dataclass\nclass Mine:\n    warmup_ratio: float = 0.0",
            keeps="another class",
        ),
    ]
    proof = """
from dataclasses import dataclass, field
from transformers import TrainingArguments

@dataclass
class Mine(TrainingArguments):
    group_by_length: bool = field(default=True)
    warmup_ratio: float = field(default=0.1)

a = Mine("out")
assert getattr(a, "train_sampling_strategy", "group_by_length") == "group_by_length" and a.get_warmup_steps(100) == 10
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        owners = {id(argument.node) for argument in self.script.fields() if argument.name in FIELDS}
        self.owners = {
            name
            for name, defined in self.script.classes.items()
            if any(id(node) in owners for node in defined.body) and defined.decorator_list
        }

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        return super().reaches(name, text) or (owner in self.owners and method == "__post_init__")

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if updated_node.name.value not in self.owners or find(updated_node, m.Name("_doctor_settled")):
            return updated_node
        call = cst.SimpleStatementLine(
            [cst.Expr(cst.Call(self.helper("_doctor_settled"), [cst.Arg(cst.Name("self"))]))]
        )
        body = list(updated_node.body.body)
        for number, member in enumerate(body):
            if isinstance(member, cst.FunctionDef) and member.name.value == "__post_init__":
                inner = member.body.with_changes(body=[call, *member.body.body])
                body[number] = member.with_changes(body=inner)
                return updated_node.with_deep_changes(updated_node.body, body=body)
        text = "def __post_init__(self):\n    super().__post_init__()\n"
        method = cst.ensure_type(cst.parse_statement(text), cst.FunctionDef)
        method = method.with_changes(
            leading_lines=[cst.EmptyLine(indent=False)], body=method.body.with_changes(body=[call, *method.body.body])
        )
        return updated_node.with_deep_changes(updated_node.body, body=[*body, method])
