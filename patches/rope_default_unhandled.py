"""`rope_scaling is None` is taken for "nothing is scaled", which `rope_type: default` says as well.

From transformers 5.0 on `config.rope_scaling` is never None: a config without scaling answers
`{"rope_type": "default", "rope_theta": 10000.0}`, so code that asks `if config.rope_scaling is None` goes into its
scaled branch and stops with `ValueError: Unknown RoPE scaling type default`, `KeyError: 'type'` or
`KeyError: 'factor'`.  The same dict in config.json does it on every release.  And on 4.x a config.json that has only
`rope_parameters`, as 5.x writes it, leaves `config.rope_scaling` None: wrong logits, no error.  The rewritten file
reads the scaling through one function that answers None exactly where nothing is scaled.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/lightseekorg/TorchSpec/issues/101
"""

from __future__ import annotations

import libcst as cst

from doctor import rope
from doctor.patch import Example, File
from doctor.rope_patch import ScalingPatch, code, is_none, string

_SCALED = "        if self.rope_scaling is not None:\n            self.factor = self.rope_scaling['factor']"


class RopeDefaultUnhandled(ScalingPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"rope_scaling", b"rope_parameters")
    examples = [
        Example("if config.rope_scaling is None:\n    pass", "if _doctor_rope_scaling(config) is None:\n    pass"),
        Example(
            "use = self.config.rope_scaling and n > self.config.original_max_position_embeddings",
            "use = _doctor_rope_scaling(self.config) and n > self.config.original_max_position_embeddings",
        ),
        Example(
            "class Attention:\n    def __init__(self, config):\n        self.rope_scaling = config.rope_scaling\n"
            + _SCALED,
            "class Attention:\n    def __init__(self, config):\n"
            "        self.rope_scaling = _doctor_rope_scaling(config)\n" + _SCALED,
        ),
        Example(
            'if (rs := getattr(config, "rope_scaling", None)) is not None:\n    factor = rs["factor"]',
            'if (rs := _doctor_rope_scaling(config)) is not None:\n    factor = rs["factor"]',
        ),
        Example(
            'def build(rope_scaling):\n    if rope_scaling:\n        return MAP[rope_scaling["type"]]',
            "def build(rope_scaling):\n    if _doctor_rope_scaling(rope_scaling):\n"
            '        return MAP[rope_scaling["type"]]',
        ),
        Example(
            'if hasattr(config, "rope_scaling"):\n    kind = config.rope_scaling["type"]',
            'if _doctor_rope_scaling(config) is not None:\n    kind = config.rope_scaling["type"]',
        ),
        Example(
            'kind, factor = config.rope_scaling["type"], config.rope_scaling.get("factor", 1.0)',
            'kind, factor = config.rope_scaling["type"], (_doctor_rope_scaling(config) or {}).get("factor", 1.0)',
        ),
        Example("config.rope_scaling = None", keeps="an assignment"),
        Example("print(config.rope_scaling)", keeps="nothing depends on it"),
        Example(
            "class MyConfig(PretrainedConfig):\n    def check(self):\n        if self.rope_scaling is None:\n"
            "            return True",
            keeps="a configuration's own field, as config.json has it",
        ),
        Example(
            'if config.rope_scaling is None:\n    kind = "default"\nelse:\n    kind = config.rope_scaling["rope_type"]',
            keeps="right on every release: the file knows `default`",
        ),
    ]
    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    def __init__(self, rope_theta=10000.0, rope_scaling=None, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        super().__init__(**kwargs)

class Attention:
    def __init__(self, config):
        self.factor = 1.0
        if config.rope_scaling is not None:
            self.factor = config.rope_scaling["factor"]

assert Attention(C()).factor == 1.0
assert Attention(C(rope_scaling={"type": "linear", "factor": 2.0})).factor == 2.0
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.kept: set[cst.CSTNode] = set()
        self.tested: set[cst.CSTNode] = set()
        self.alone: set[cst.CSTNode] = set()

    def visit_Subscript(self, node: cst.Subscript) -> None:
        inside = node.slice[0].slice
        word = string(inside.value) if isinstance(inside, cst.Index) else None
        if self.key(node) or word in rope.NEWER:
            self.kept.add(node.value)
        self.tested.add(node.value)

    def visit_Call(self, node: cst.Call) -> None:
        if isinstance(node.func, cst.Attribute) and (self.key(node) or node.func.attr.value in rope.MUTATORS):
            self.kept.add(node.func.value)
        copies = code(node.func).endswith(("Config", "from_pretrained", "from_dict"))
        for arg in node.args:
            self.alone.add(arg.value)
            if copies and arg.keyword and arg.keyword.value in rope.NAMES:
                self.kept.add(arg.value)

    def visit_Assign(self, node: cst.Assign) -> None:
        self.alone.add(node.value)
        for target in (part.target for part in node.targets):
            if isinstance(target, cst.Attribute) and target.attr.value in rope.NAMES and self.source(target):
                self.kept.add(node.value)

    def visit_Return(self, node: cst.Return) -> None:
        if node.value:
            self.alone.add(node.value)

    def visit_Comparison(self, node: cst.Comparison) -> None:
        first = node.comparisons[0]
        if is_none(first.comparator):
            self.tested.add(node.left)
        elif isinstance(first.operator, cst.In | cst.NotIn) and string(node.left) in rope.KEYS:
            self.kept.add(first.comparator)

    def visit_BooleanOperation(self, node: cst.BooleanOperation) -> None:
        self.tested |= {node.left, node.right}

    def visit_If(self, node: cst.If) -> None:
        self.tested.add(node.test)

    def visit_IfExp(self, node: cst.IfExp) -> None:
        self.tested.add(node.test)

    def visit_UnaryOperation(self, node: cst.UnaryOperation) -> None:
        self.tested.add(node.expression)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        return self._read(original_node, updated_node)

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        return self._read(original_node, updated_node)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        named = isinstance(original_node.func, cst.Name) and original_node.func.value == "isinstance"
        if named and len(original_node.args) == 2 and len(updated_node.args) == 2:
            whether = self._whether(original_node.args[0].value)
            first, *rest = updated_node.args
            return (
                updated_node.with_changes(args=[first.with_changes(value=whether), *rest]) if whether else updated_node
            )
        return self._read(original_node, updated_node)

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        asked = len(original_node.comparisons) == 1 and is_none(original_node.comparisons[0].comparator)
        whether = self._whether(original_node.left) if asked else None
        return updated_node.with_changes(left=whether) if whether else updated_node

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        asked = isinstance(original_node.operator, cst.And)
        whether = self._whether(original_node.left) if asked else None
        return updated_node.with_changes(left=whether) if whether else updated_node

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        sets = ".rope_scaling =" in code(original_node.body)
        whether = (None if sets else self._there(original_node.test)) or self._whether(original_node.test)
        return updated_node.with_changes(test=whether) if whether else updated_node

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.IfExp:
        whether = self._there(original_node.test) or self._whether(original_node.test)
        return updated_node.with_changes(test=whether) if whether else updated_node

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        asked = isinstance(original_node.operator, cst.Not)
        whether = self._whether(original_node.expression) if asked else None
        return updated_node.with_changes(expression=whether) if whether else updated_node

    @property
    def _raw_asked(self) -> bool:
        """Whether this part of the file asks for the kind of a scaling that may have come from elsewhere."""
        return not self.unit.copes and not self.unit.config and "type" in self.unit.keys

    def _read(self, original: cst.BaseExpression, updated: cst.BaseExpression) -> cst.BaseExpression:
        """`config.rope_scaling` through the function, where something depends on it."""
        source = self.source(original)
        if source is None or source.name != "rope_scaling" or original in self.kept or original in self.stored:
            return updated
        if self.unit.copes or self.unit.config or not self.facts.active:
            return updated
        now = self.source(updated)
        assert now is not None
        read = self.call("_doctor_rope_scaling", now.config)
        empty = source.default if source.default and not is_none(source.default) else None
        if empty is None and self.unit.dictlike and not self.unit.guarded and original not in self.tested:
            empty = cst.Dict([])
        if empty is None:
            return read.with_changes(lpar=original.lpar, rpar=original.rpar)
        either = cst.BooleanOperation(read, cst.Or(), empty)
        if original in self.alone:
            return either
        return either.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])

    def _whether(self, test: cst.BaseExpression) -> cst.Call | None:
        """A test of a scaling that came from elsewhere, through the function."""
        if not self._raw_asked or isinstance(test, cst.BooleanOperation | cst.IfExp) or self.holds(test) is not False:
            return None
        source = self.source(test)
        return self.call("_doctor_rope_scaling", source.config if source else test)

    def _there(self, test: cst.BaseExpression) -> cst.Comparison | None:
        """`hasattr(config, "rope_scaling")` alone, in code that then takes it for a scaling, through the function."""
        if not isinstance(test, cst.Call) or not isinstance(test.func, cst.Name) or test.func.value != "hasattr":
            return None
        if len(test.args) != 2:
            return None
        if self.unit.copes or self.unit.config or not self.unit.keys or string(test.args[1].value) != "rope_scaling":
            return None
        read = self.call("_doctor_rope_scaling", test.args[0].value)
        return cst.Comparison(read, [cst.ComparisonTarget(cst.IsNot(), cst.Name("None"))])
