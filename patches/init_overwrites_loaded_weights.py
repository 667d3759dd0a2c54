"""`_init_weights` writes into tensors without asking whether they were just loaded.

transformers 5.0 and 5.1 call it on every module after the checkpoint is loaded, and later releases still do so on
modules that hold a buffer of their own: `weight.data.normal_()` then replaces the loaded weight by random numbers,
without a word.  Tensors that were loaded carry `_is_hf_initialized`; each write now asks for it.  Functions of
`torch.nn.init` need no question: the library guards them.  On 4.x nothing carries the mark and nothing changes.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, File, Patch

MARK = "_is_hf_initialized"
INIT = ("_init_weights", "reset_parameters", "_reset_parameters")
WRITES = m.Name(m.MatchRegex(r"[a-z]\w*_"))
IN_PLACE = m.Call(func=m.Attribute(attr=WRITES))
DATA = m.Attribute(attr=m.Name("data"))

OF_PART = m.Call(
    func=m.Attribute(value=m.OneOf(m.Name("init"), m.Attribute(attr=m.Name("init"))), attr=WRITES),
    args=[m.Arg(value=m.OneOf(DATA, m.Subscript())), m.ZeroOrMore()],
)
"""torch.nn.init of a part or view of a tensor, which does not carry the tensor's mark."""


HEAD = "class M(PreTrainedModel):\n    def _init_weights(self, module):\n"


def _example(write: str, tensor: str) -> Example:
    asks = f'        if not getattr({tensor}, "{MARK}", False):\n            {write}\n'
    return Example(f"{HEAD}        {write}\n", HEAD + asks)


class InitOverwritesLoadedWeights(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(f"def {name}(".encode() for name in INIT)
    mends = ("init-overwrites-loaded-weights",)
    examples = [
        _example("module.weight.data.normal_(mean=0.0, std=std)", "module.weight"),
        _example("module.weight.data[module.padding_idx].zero_()", "module.weight"),
        _example("module.dt_proj.bias.copy_(inv_dt)", "module.dt_proj.bias"),
        _example("nn.init.normal_(module.weight.data, std=std)", "module.weight"),
        _example("module.decay.data.log_().mul_(0.5)", "module.decay"),
        Example(
            HEAD + "        for name, p in module.named_parameters():\n"
            "            p.data = torch.zeros_like(p)  # start flat\n",
            HEAD + "        for name, p in module.named_parameters():\n"
            '            if not getattr(p, "_is_hf_initialized", False):\n'
            "                p.data = torch.zeros_like(p)  # start flat\n",
        ),
        Example(HEAD + "        nn.init.normal_(module.weight, std=std)\n", keeps="the library guards torch.nn.init"),
        Example(
            HEAD + '        if not getattr(module.weight, "_is_hf_initialized", False):\n'
            "            module.weight.data.zero_()\n",
            keeps="it asks",
        ),
        Example("def forward(self, x):\n    x.data.zero_()\n", keeps="not an initialisation"),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class Attention(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.ones(1), persistent=False)
        self.c_proj = torch.nn.Linear(4, 4)

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.attention = Attention()
        self.post_init()

    def _init_weights(self, module):
        for name, p in module.named_parameters():
            if name == "c_proj.weight":
                p.data.normal_()

model = M(TinyConfig())
assert torch.equal(reloaded(model).attention.c_proj.weight, model.attention.c_proj.weight)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.asked = 0

    def visit_If(self, node: cst.If) -> None:
        self.asked += _asks(node)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        self.asked -= _asks(original_node)
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.If:
        function = self.file.function
        if self.asked or function is None or function.name.value not in INIT or len(updated_node.body) != 1:
            return updated_node
        tensor = _written(updated_node.body[0])
        if tensor is None:
            return updated_node
        asked = cst.Call(cst.Name("getattr"), [cst.Arg(tensor), _arg(f'"{MARK}"'), _arg("False")])
        return cst.If(
            test=cst.UnaryOperation(cst.Not(), asked),
            body=cst.IndentedBlock([updated_node.with_changes(leading_lines=[])]),
            leading_lines=updated_node.leading_lines,
        )


def _asks(node: cst.If) -> int:
    return int(MARK in cst.Module([]).code_for_node(node.test))


def _arg(code: str) -> cst.Arg:
    return cst.Arg(cst.parse_expression(code))


def _written(statement: cst.BaseSmallStatement) -> cst.BaseExpression | None:
    """The tensor a statement writes into: `x.data.normal_()`, `x[0].zero_()`, `x.data = y`, `init.ones_(x.data)`."""
    if isinstance(statement, cst.Expr) and m.matches(statement.value, OF_PART):
        target = cst.ensure_type(statement.value, cst.Call).args[0].value
    elif isinstance(statement, cst.Expr) and m.matches(statement.value, IN_PLACE):
        target = cst.ensure_type(cst.ensure_type(statement.value, cst.Call).func, cst.Attribute).value
    elif isinstance(statement, cst.Assign) and m.matches(statement.targets[0].target, DATA):
        target = statement.targets[0].target
    else:
        return None
    while isinstance(target, cst.Subscript) or m.matches(target, m.OneOf(DATA, IN_PLACE)):
        target = target.func if isinstance(target, cst.Call) else target
        target = cst.ensure_type(target, cst.Subscript | cst.Attribute).value  # type: ignore[arg-type]
    path = cst.Module([]).code_for_node(target).split(".")
    if not all(part.isidentifier() for part in path) or path[0] in ("torch", "nn", "init", "math"):
        return None
    # `self._tie_()` and the like are calls of the model, not of a tensor.
    return None if path in (["self"], ["module"]) or path[:1] == ["super()"] else target
