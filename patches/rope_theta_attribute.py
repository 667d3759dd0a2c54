"""`config.rope_theta` is read, which newer releases keep in `config.rope_parameters`.

From transformers 5.0 on the library's own configurations have no such attribute
(`AttributeError: 'LlamaConfig' object has no attribute 'rope_theta'`), and `getattr(config, "rope_theta", 10000)`
silently answers its default; `partial_rotary_factor` went the same way.  On 4.x a config.json that 5.x wrote has
only `rope_parameters`, and the class's default stands in for it: wrong logits, no error.  The rewritten read looks in
both places; 10000.0 in the dict beside an attribute is what 5.x fills in where a configuration class keeps the number
to itself, and the attribute wins.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/huggingface/transformers/pull/42593
Reference: https://github.com/deepspeedai/DeepSpeed/issues/8341
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example
from doctor.rope import NEWER, configish
from doctor.rope_patch import VALUE, RopePatch, code, string


class RopeThetaAttribute(RopePatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"rope_theta", b"partial_rotary_factor")
    mends = ("attribute:rope_theta", "attribute:partial_rotary_factor")
    helpers = {"_doctor_rope_value": VALUE}
    examples = [
        Example("base = config.rope_theta", 'base = _doctor_rope_value(config, "rope_theta")'),
        Example(
            "self.rotary_emb = Rotary(self.head_dim, base=self.config.rope_theta)",
            'self.rotary_emb = Rotary(self.head_dim, base=_doctor_rope_value(self.config, "rope_theta"))',
        ),
        Example(
            'base = getattr(config, "rope_theta", 10000)', 'base = _doctor_rope_value(config, "rope_theta", 10000)'
        ),
        Example(
            'part = config.partial_rotary_factor if hasattr(config, "partial_rotary_factor") else 1.0',
            'part = _doctor_rope_value(config, "partial_rotary_factor") '
            'if _doctor_rope_value(config, "partial_rotary_factor", None) is not None else 1.0',
        ),
        Example("base = self.rope_theta", keeps="a module's own number"),
        Example("config.rope_theta = 5000.0", keeps="an assignment"),
        Example('base = config.rope_parameters["rope_theta"]', keeps="the dict itself"),
        Example(
            "class MyConfig(PretrainedConfig):\n    def take(self, config):\n        self.base = config.rope_theta",
            keeps="one configuration made from another",
        ),
        Example("config = MyConfig(rope_theta=config.rope_theta)", keeps="one configuration made from another"),
    ]
    proof = """
from transformers import LlamaConfig

config = LlamaConfig.from_dict({"rope_theta": 5000.0, "hidden_size": 64, "num_attention_heads": 4})
assert config.rope_theta == 5000.0
"""

    def visit_Call(self, node: cst.Call) -> None:
        if code(node.func).endswith(("Config", "from_pretrained", "from_dict")):
            self.stored |= {arg.value for arg in node.args}

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        name = original_node.attr.value
        if name not in NEWER or original_node in self.stored or not self._foreign(original_node.value):
            return updated_node
        read = self._value(updated_node.value, name)
        return read.with_changes(lpar=original_node.lpar, rpar=original_node.rpar)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        asks = isinstance(original_node.func, cst.Name) and original_node.func.value in ("getattr", "hasattr")
        if not asks or len(original_node.args) < 2 or not self._foreign(original_node.args[0].value):
            return updated_node
        name = string(original_node.args[1].value)
        if name not in NEWER:
            return updated_node
        config = updated_node.args[0].value
        if original_node.func.value == "getattr":  # type: ignore[attr-defined]
            read = self._value(config, name, *(arg.value for arg in updated_node.args[2:]))
            return read.with_changes(lpar=original_node.lpar, rpar=original_node.rpar)
        there = cst.ComparisonTarget(cst.IsNot(), cst.Name("None"))
        return cst.Comparison(self._value(config, name, cst.Name("None")), [there])

    def _value(self, config: cst.BaseExpression, name: str, *default: cst.BaseExpression) -> cst.Call:
        values = [config, cst.SimpleString(f'"{name}"'), *default]
        return cst.Call(self.helper("_doctor_rope_value"), [cst.Arg(value) for value in values])

    def _foreign(self, owner: cst.BaseExpression) -> bool:
        """Whether an expression is a configuration, read by something that is none."""
        mine = isinstance(owner, cst.Name) and owner.value == "self"
        return not mine and not self.unit.config and configish(code(owner))
