"""A configuration refuses a `rope_scaling` that says the same in newer words.

The validation that remote configuration files bring along counts the fields and knows one key:
"`rope_scaling` must be a dictionary with three fields, `type`, `short_factor` and `long_factor`, got ..." or
"`rope_scaling`'s type field must be one of ['su', 'yarn'], got None", on every release, for a config.json with
`rope_type` (written since 4.43), with both keys, or with the fields that 5.x adds.  The rewritten validation looks at
the kind, under either key, and at the fields it knows; what it says of their values stands.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example
from doctor.rope_patch import RopePatch, index, name_of, string

_LLAMA = """
class MyConfig(PretrainedConfig):
    def _rope_scaling_validation(self):
        if {0} is None:
            return
        if not isinstance({0}, dict) or len({0}) != 2:
            raise ValueError(f"two fields, got {{{0}}}")
        if {0}.get("factor", None) <= 1:
            raise ValueError("factor")
"""
_OLD = _LLAMA.format("self.rope_scaling").strip()
_NEW = (
    _LLAMA.format("rope_scaling")
    .strip()
    .replace("(self):\n", '(self):\n        rope_scaling = _doctor_rope_fields(self.rope_scaling, "factor")\n')
)


class ConfigRopeScalingRefused(RopePatch):
    old, new = "transformers<4.43", "transformers>=4.36"
    needles = (b"self.rope_scaling",)
    mends = ("rope-scaling-refused",)
    helpers = {
        **RopePatch.helpers,
        "_doctor_rope_fields": '''
def _doctor_rope_fields(scaling, *names):
    """Of a rope_scaling, its `type` and the named fields that it has; None where nothing is scaled."""
    scaling = _doctor_rope_scaling(scaling)
    return scaling and {name: scaling[name] for name in ("type", *names) if name in scaling}
''',
    }
    examples = [
        Example(_OLD, _NEW),
        Example(
            _OLD.replace("(self):\n", '(self):\n        """Checks."""\n'),
            _NEW.replace("(self):\n", '(self):\n        """Checks."""\n'),
        ),
        Example(_OLD.replace("_rope_scaling_validation", "check"), _NEW.replace("_rope_scaling_validation", "check")),
        Example(_OLD.replace("(self)", "(self, strict)"), _NEW.replace("(self)", "(self, strict)")),
        Example(
            _OLD.replace("            return\n", '            self.rope_scaling = {"type": "linear", "factor": 1}\n'),
            keeps="it fills the field in as well",
        ),
        Example(_OLD.replace("!= 2", "== 0"), keeps="it counts nothing"),
        Example(_OLD.replace("PretrainedConfig", "Module").replace("MyConfig", "Rotary"), keeps="no configuration"),
    ]
    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    max_position_embeddings = 64

    def __init__(self, rope_scaling=None, **kwargs):
        self.rope_scaling = rope_scaling
        self.check()
        super().__init__(**kwargs)

    def check(self):
        if self.rope_scaling is None:
            return
        if not isinstance(self.rope_scaling, dict) or len(self.rope_scaling) != 2:
            raise ValueError(f"`rope_scaling` must be a dictionary with two fields, got {self.rope_scaling}")
        if self.rope_scaling.get("type", None) not in ("linear", "dynamic") or self.rope_scaling["factor"] <= 1:
            raise ValueError("`rope_scaling`'s type field must be one of ['linear', 'dynamic']")

C(rope_scaling={"type": "linear", "factor": 2.0})
C(rope_scaling={"rope_type": "linear", "factor": 2.0})
"""

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        if not self.unit.config or not isinstance(original_node.body, cst.IndentedBlock):
            return updated_node
        read = _Reads()
        original_node.visit(read)
        if not read.counts or not read.raises or read.stores:
            return updated_node
        local = next(name for name in ("rope_scaling", "scaling", "scaling_fields") if name not in read.names)
        body = updated_node.body.visit(_Rename(local))
        assert isinstance(body, cst.IndentedBlock)
        names = [cst.SimpleString(f'"{word}"') for word in sorted(read.fields)]
        scaling = cst.Attribute(cst.Name("self"), cst.Name("rope_scaling"))
        first = cst.Assign([cst.AssignTarget(cst.Name(local))], self.call("_doctor_rope_fields", scaling, *names))
        place = int(original_node.get_docstring() is not None)
        statements = [*body.body[:place], cst.SimpleStatementLine([first]), *body.body[place:]]
        return updated_node.with_changes(body=body.with_changes(body=statements))


class _Reads(cst.CSTVisitor):
    """What a method does with `self.rope_scaling`."""

    def __init__(self) -> None:
        self.counts = self.raises = self.stores = False
        self.fields: set[str] = set()
        self.names: set[str] = set()

    def visit_Comparison(self, node: cst.Comparison) -> None:
        counted = isinstance(node.left, cst.Call) and len(node.left.args) == 1 and _is_name(node.left.func, "len")
        counted = counted and _scaling(node.left.args[0].value)  # type: ignore[attr-defined]
        self.counts |= counted and isinstance(node.comparisons[0].operator, cst.NotEqual)

    def visit_Raise(self, node: cst.Raise) -> None:
        self.raises = True

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        target = node.target
        self.stores |= _scaling(target.value if isinstance(target, cst.Subscript) else target)

    def visit_Call(self, node: cst.Call) -> None:
        word = string(node.args[0].value) if node.args else None
        if isinstance(node.func, cst.Attribute) and _scaling(node.func.value) and word:
            self.stores |= node.func.attr.value != "get"
            self.fields.add(word)
            self.fields -= {"type", "rope_type"}

    def visit_Subscript(self, node: cst.Subscript) -> None:
        word = index(node)
        if _scaling(node.value) and word and word not in ("type", "rope_type"):
            self.fields.add(word)

    def visit_Name(self, node: cst.Name) -> None:
        self.names.add(node.value)

    def visit_Attribute(self, node: cst.Attribute) -> bool:
        return not _scaling(node)


class _Rename(cst.CSTTransformer):
    def __init__(self, local: str) -> None:
        super().__init__()
        self.local = local

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        return cst.Name(self.local) if _scaling(updated_node) else updated_node


def _scaling(node: cst.CSTNode) -> bool:
    return name_of(node) == "self.rope_scaling"


def _is_name(node: cst.CSTNode, name: str) -> bool:
    return isinstance(node, cst.Name) and node.value == name
