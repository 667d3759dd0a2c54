"""AdamW is imported from transformers, which lost it in 4.50.

`ImportError: cannot import name 'AdamW' from 'transformers'`.  torch has the same optimizer under other defaults, so
those of transformers (`eps=1e-6`, `weight_decay=0.0`) are written out where the script relied on them.
`correct_bias=False` has no equal there: such a call is left, and stays a finding.

Reference: https://github.com/huggingface/transformers/pull/36177
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.argument_patch import ScriptPatch, dotted
from doctor.given import CallGiven
from doctor.patch import Example, File

OLD = frozenset({"transformers.AdamW", "transformers.optimization.AdamW"})
DEFAULTS = {"eps": ("1e-6", 3), "weight_decay": ("0.0", 4)}
"""Value, and how many positional arguments give it."""
HEAD = "from torch.optim import AdamW\n"


class AdamwImport(ScriptPatch):
    old, new = "transformers<4.50", "transformers>=4.36"
    needles = (b"AdamW",)
    mends = tuple(f"import:{name}" for name in sorted(OLD))
    examples = [
        Example(
            "from transformers import AdamW, get_scheduler\no = AdamW(model.parameters(), lr=1e-4)",
            f"from transformers import get_scheduler\n{HEAD}"
            "o = AdamW(model.parameters(), lr=1e-4, eps=1e-6, weight_decay=0.0)",
        ),
        Example(
            "from transformers.optimization import AdamW as A\n"
            "o = A(p, lr, eps=1e-8, weight_decay=0.1, correct_bias=True, no_deprecation_warning=True)",
            "from torch.optim import AdamW as A\no = A(p, lr, eps=1e-8, weight_decay=0.1)",
        ),
        Example(
            "import torch\nimport transformers\no = transformers.AdamW(p)",
            "import torch\nimport transformers\no = torch.optim.AdamW(p, eps=1e-6, weight_decay=0.0)",
        ),
        Example("from transformers import AdamW\no = AdamW(p, correct_bias=False)", keeps="torch corrects the bias"),
        Example("from torch.optim import AdamW\no = AdamW(p)", keeps="torch's own"),
    ]
    proof = """
import torch
from transformers import AdamW

p = torch.nn.Parameter(torch.ones(2))
optimizer = AdamW([p], lr=0.1)
p.sum().backward()
optimizer.step()
assert (p - 0.9).abs().max() < 1e-5 and optimizer.defaults["weight_decay"] == 0.0
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        calls = (node for node, scope in self.script.nodes if isinstance(node, ast.Call) and self._is_old(node, scope))
        self.stays = any(keyword.arg is None for call in calls for keyword in call.keywords) or any(
            argument.callee.name == "transformers.AdamW"
            and argument.name == "correct_bias"
            and getattr(argument.value, "value", None) is not True
            for argument in self.script.arguments()
        )

    def _is_old(self, call: ast.Call, scope: tuple[str, ...]) -> bool:
        callee = self.script.called(call, scope)
        return callee is not None and callee.name == "transformers.AdamW"

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.SimpleStatementLine]:
        statement = updated_node.body[0]
        if self.stays or len(updated_node.body) != 1 or not isinstance(statement, cst.ImportFrom):
            return updated_node
        module = dotted(statement.module)
        if statement.relative or isinstance(statement.names, cst.ImportStar) or f"{module}.AdamW" not in OLD:
            return updated_node
        taken = [alias for alias in statement.names if dotted(alias.name) == "AdamW"]
        if not taken:
            return updated_node
        local = taken[0].evaluated_alias
        source = "from torch.optim import AdamW" + (f" as {local}" if local else "")
        line = cst.ensure_type(cst.parse_statement(source), cst.SimpleStatementLine)
        kept = [alias for alias in statement.names if alias not in taken]
        if not kept:
            return line.with_changes(
                leading_lines=updated_node.leading_lines, trailing_whitespace=updated_node.trailing_whitespace
            )
        if statement.lpar is None:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return cst.FlattenSentinel([updated_node.with_changes(body=[statement.with_changes(names=kept)]), line])

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        callee = self.called(original_node)
        if self.stays or callee is None or callee.name != "transformers.AdamW":
            return updated_node
        given = CallGiven(callee, updated_node.args)
        for name in ("correct_bias", "no_deprecation_warning"):
            given.remove(name)
        elements = list(given.elements)
        positional = sum(arg.keyword is None for arg in elements)
        equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
        for name, (value, place) in DEFAULTS.items():
            if name not in given and positional <= place and elements:
                end = elements[-1].comma
                elements[-1] = elements[-1].with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
                elements.append(cst.Arg(cst.parse_expression(value), cst.Name(name), equal, comma=end))
        func = updated_node.func
        if isinstance(func, cst.Attribute):
            name = "torch" if "torch" in self.script.imports else self.import_of("torch", "optim")
            func = cst.parse_expression(f"{name}.optim.AdamW" if name == "torch" else f"{name}.AdamW")
        return updated_node.with_changes(func=func, args=elements)
