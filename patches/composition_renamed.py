"""A configuration of configurations says `is_composition`, and not `has_no_defaults_at_init`.

transformers 4.52 renamed the flag, and up to 5.19 the new name alone is read.  A class that cannot be made without
arguments is made so all the same when its configuration is printed or saved: `AssertionError: Config has to be
initialized with encoder and decoder config`.  Both names are set, to the same value.

Reference: https://github.com/huggingface/transformers/pull/36896
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

OLD, NEW = "is_composition", "has_no_defaults_at_init"
MINORS = (*(f"4.{minor}" for minor in range(52, 58)), *(f"5.{minor}" for minor in range(20)))
"""Where the new name is read."""
HEAD = "class C(PretrainedConfig):\n    model_type = 'c'\n"


def _sets(name: str) -> m.SimpleStatementLine:
    return m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(target=m.Name(name))])])


class CompositionRenamed(Patch):
    old, new = "transformers" + ",".join(f"!={minor}.*" for minor in MINORS), "transformers>=4.36"
    needles = (OLD.encode(),)
    examples = [
        Example(
            HEAD + "    is_composition = True\n",
            HEAD + "    is_composition = True\n    has_no_defaults_at_init = True\n",
        ),
        Example(
            HEAD + "    is_composition = False  # none\n    x = 1\n",
            HEAD + "    is_composition = False  # none\n    has_no_defaults_at_init = False\n    x = 1\n",
        ),
        Example(HEAD + "    is_composition = has_no_defaults_at_init = True\n", keeps="both names are there"),
        Example(HEAD + "    has_no_defaults_at_init = True\n", keeps="the new name"),
        Example("print(config.is_composition)\n", keeps="a reading"),
    ]

    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    model_type = "c"
    is_composition = True

    def __init__(self, **kwargs):
        if "part" not in kwargs:
            raise ValueError("has to be made of parts")
        super().__init__(**kwargs)

assert C(part=1).to_diff_dict()["part"] == 1
"""

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = list(updated_node.body.body)
        if any(m.matches(line, _sets(NEW)) for line in body):
            return updated_node
        place = next((i for i, line in enumerate(body) if m.matches(line, _sets(OLD))), None)
        if place is None:
            return updated_node
        flag = cst.ensure_type(cst.ensure_type(body[place], cst.SimpleStatementLine).body[0], cst.Assign)
        both = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(NEW))], flag.value)])
        body.insert(place + 1, both)
        return updated_node.with_deep_changes(updated_node.body, body=body)
