"""The kind of RoPE scaling is read from `rope_scaling["type"]`.

transformers 4.43 named the key `rope_type`, and a config.json written since then may hold that alone; from 5.0 on
`config.rope_scaling` is the dict `config.rope_parameters`, which has a `type` only if config.json had one.  Remote
code that subscripts it stops with `KeyError: 'type'`.  The usual cure `.get("type") or .get("rope_type")` reads
"default" where nothing is scaled and stops with `ValueError: Unknown RoPE scaling type default`.  The rewritten read
takes either key of either dict and answers None, or the default it was given, where nothing is scaled.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/huggingface/transformers/pull/42255
Reference: https://github.com/microsoft/KBLaM/issues/37
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example, Refusal
from doctor.rope import KEYS
from doctor.rope_patch import ScalingPatch, code, is_none, string


class RopeScalingTypeKey(ScalingPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"rope_scaling", b"rope_parameters")
    examples = [
        Example('kind = self.config.rope_scaling["type"]', "kind = _doctor_rope_type(self.config)"),
        Example("kind = config.rope_scaling['type']", "kind = _doctor_rope_type(config)"),
        Example(
            'kind = model.config.text_config.rope_scaling.get("type")',
            "kind = _doctor_rope_type(model.config.text_config)",
        ),
        Example(
            'kind = getattr(config, "rope_scaling", None).get("type", "linear") if config.rope_scaling else None',
            'kind = _doctor_rope_type(config, "linear") if config.rope_scaling else None',
        ),
        Example(
            'def kind(rope_scaling):\n    return rope_scaling.get("type") or rope_scaling.get("rope_type")',
            "def kind(rope_scaling):\n    return _doctor_rope_type(rope_scaling)",
        ),
        Example(
            'def kind(rope_scaling):\n    return rope_scaling.get("rope_type", rope_scaling.get("type"))',
            "def kind(rope_scaling):\n    return _doctor_rope_type(rope_scaling)",
        ),
        Example(
            'def kind(rope_scaling):\n    return rope_scaling["type"] if "type" in rope_scaling else "linear"',
            "def kind(rope_scaling):\n"
            '    return _doctor_rope_type(rope_scaling) if _doctor_rope_type(rope_scaling) is not None else "linear"',
        ),
        Example(
            'if config.rope_parameters["type"] == "longrope":\n    pass',
            'if _doctor_rope_type(config) == "longrope":\n    pass',
        ),
        Example('self.rope_scaling["type"] = "longrope"', keeps="an assignment makes the key"),
        Example('kind = self.rope_scaling["factor"]', keeps="another key"),
        Example('kind = self.attention["type"]', keeps="another dict"),
        Example(
            "class Rotary:\n    def __init__(self, config):\n        if config.rope_scaling is not None:\n"
            '            self.rope_type = config.rope_scaling.get("rope_type", config.rope_scaling.get("type"))\n'
            '        else:\n            self.rope_type = "default"',
            keeps="right on every release: it reads both keys and knows `default`",
        ),
    ]
    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    def __init__(self, rope_theta=10000.0, rope_scaling=None, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        super().__init__(**kwargs)

def kind(config):
    if config.rope_scaling is None:
        return None
    return config.rope_scaling["type"]

assert kind(C()) is None
assert kind(C(rope_scaling={"type": "linear", "factor": 2.0})) == "linear"
"""

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        read = self._read(original_node)
        if read is None:
            return updated_node
        quote = code(original_node.slice[0]).strip()[0]
        default = [cst.SimpleString(f"{quote}default{quote}")] if self.unit.default else []
        return self._asked(original_node, self._holder(read, updated_node.value), *default)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        read = self._read(original_node)
        if read is None or not isinstance(updated_node.func, cst.Attribute):
            return updated_node
        holder = self._holder(read, updated_node.func.value)
        if len(updated_node.args) < 2 or is_none(updated_node.args[1].value):
            quote = code(original_node.args[0].value).strip()[0]
            default = [cst.SimpleString(f"{quote}default{quote}")] if self.unit.default else []
            return self._asked(original_node, holder, *default)
        given = updated_node.args[1].value
        if self._same(given, holder):
            return given
        if string(given) not in (None, "default") and not self.unit.guarded:
            raise Refusal(f"{code(original_node)}: {code(given)} stands for both no type and no scaling")
        return self._asked(original_node, holder, given)

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        if len(original_node.comparisons) != 1 or self._off() or string(original_node.left) not in KEYS:
            return updated_node
        first, new = original_node.comparisons[0], updated_node.comparisons[0]
        if not isinstance(first.operator, cst.In | cst.NotIn) or self.holds(first.comparator) is None:
            return updated_node
        present = cst.IsNot() if isinstance(first.operator, cst.In) else cst.Is()
        left = self.call("_doctor_rope_type", self._holder(first.comparator, new.comparator))
        return updated_node.with_changes(left=left, comparisons=[cst.ComparisonTarget(present, cst.Name("None"))])

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        both = [self._read(side) for side in (original_node.left, original_node.right)]
        if None in both or not isinstance(original_node.operator, cst.Or):
            return updated_node
        left, right = updated_node.left, updated_node.right
        if isinstance(left, cst.Call) and self._same(right, left.args[0].value):
            kept = max((left, right), key=lambda side: len(getattr(side, "args", ())))
            return kept.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)
        return updated_node

    def _off(self) -> bool:
        """Whether this part of the file is right as it stands."""
        return self.unit.copes or (self.unit.config and "rope_type" in self.unit.keys)

    def _read(self, node: cst.CSTNode) -> cst.BaseExpression | None:
        """The rope scaling of whose kind an expression asks."""
        found = None if self._off() else self.key(node)
        if found is None:
            return None
        owner, key = found
        if self.unit.config and "rope_parameters" in code(owner):
            return None
        # `rope_type` of the new dict is always there.
        return None if key == "rope_type" and not self.holds(owner) and "type" not in self.unit.keys else owner

    def _holder(self, owner: cst.BaseExpression, updated: cst.BaseExpression) -> cst.BaseExpression:
        source = self.source(owner)
        return source.config if source else updated

    def _asked(self, original: cst.BaseExpression, *values: cst.BaseExpression) -> cst.Call:
        return self.call("_doctor_rope_type", *values).with_changes(lpar=original.lpar, rpar=original.rpar)

    def _same(self, node: cst.BaseExpression, holder: cst.BaseExpression) -> bool:
        """Whether a rewritten expression asks for the kind of the same rope scaling."""
        asks = isinstance(node, cst.Call) and isinstance(node.func, cst.Name)
        return asks and code(node).replace(", ", ")").startswith(f"_doctor_rope_type({code(holder)})")
