"""A recurrent module keeps its state from call to call, with the graph that computed it.

The next training step then runs through the graph of the last one: `RuntimeError: Trying to backward through the graph
a second time`.  Gradient checkpointing of transformers 4 hid it, because its first pass computes no graph; from 5.0 on
checkpointing is non-reentrant, and RecurrentGemma's files stop in their second step.  In training the state of the
last step is not kept; generation, which computes no graph, keeps it as before.

Reference: https://github.com/huggingface/transformers/pull/43203
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

KEPT = m.Assign(
    targets=[m.AssignTarget(target=m.Attribute(value=m.Name("self")))],
    value=m.Name(),
)
ASKED = "not (self.training and torch.is_grad_enabled())"
BEFORE = """class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.state = None

    def forward(self, x):
        out, state = self.scan(x, state=self.state)
        self.state = state
        return out
"""


class StateKeptWithGraph(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b".state = None", b"_state = None", b"_states = None")
    examples = [
        Example(
            BEFORE,
            BEFORE.replace("        self.state = state\n", f"        if {ASKED}:\n            self.state = state\n"),
        ),
        Example(BEFORE.replace("state=self.state", "state=None"), keeps="the state of the last call is not used"),
        Example(BEFORE.replace("self.state = state", "self.state = state.detach()"), keeps="without the graph"),
        Example(BEFORE.replace("nn.Module", "Cache"), keeps="not a module"),
    ]

    proof = """
import torch
from torch import nn
from scenery import TinyConfig
from transformers import PreTrainedModel

class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate = nn.Parameter(torch.ones(4))
        self.state = None

    def forward(self, x):
        out, state = self.scan(x, state=self.state)
        self.state = state
        return out

    def scan(self, x, state):
        state = x.sum(1) * self.gate if state is None else x.sum(1) * self.gate + 0 * state
        return x * self.gate + 0 * state.unsqueeze(1), state

class M(PreTrainedModel):
    config_class = TinyConfig
    supports_gradient_checkpointing = True

    def __init__(self, config):
        super().__init__(config)
        self.layer = Recurrent()
        self.gradient_checkpointing = False
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, x):
        return self._gradient_checkpointing_func(self.layer.__call__, x)

model = M(TinyConfig()).train()
model.gradient_checkpointing_enable()
for _ in range(2):
    model(torch.ones(1, 3, 4, requires_grad=True)).sum().backward()
assert model.layer.gate.grad.tolist() == [6.0] * 4
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.kept = {(node.name, name) for node in Classes(file.text).nodes.values() for name in _kept(node)}

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        return any(owner == module for module, _ in self.kept) and method in ("", "forward")

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.If:
        statement, function = updated_node.body[0], self.file.function
        if function is None or function.name.value != "forward" or not m.matches(statement, KEPT):
            return updated_node
        target = cst.ensure_type(cst.ensure_type(statement, cst.Assign).targets[0].target, cst.Attribute)
        if not self.file.classes or (self.file.classes[0].name.value, target.attr.value) not in self.kept:
            return updated_node
        body = cst.IndentedBlock([updated_node.with_changes(leading_lines=[])])
        return cst.If(cst.parse_expression(ASKED), body, leading_lines=updated_node.leading_lines)


def _kept(node: ast.ClassDef) -> set[str]:
    """The attributes that are None at first, and that `forward` computes anew from what they were, and keeps."""
    if not any(ast.unparse(base).endswith("Module") for base in node.bases):
        return set()
    methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
    init, forward = methods.get("__init__"), methods.get("forward")
    if init is None or forward is None:
        return set()
    empty = {name for part in ast.walk(init) for name in _assigned(part, "None")}
    return {name for name in empty if _carried(forward, name)}


def _assigned(node: ast.AST, value: str) -> set[str]:
    """`self.NAME = value`."""
    if not isinstance(node, ast.Assign) or ast.unparse(node.value) != value:
        return set()
    return {t.attr for t in node.targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self"}


def _carried(forward: ast.FunctionDef, name: str) -> bool:
    """Whether what a call makes of `self.name` becomes `self.name`, whatever the circumstances."""
    computed = set[str]()
    for part in ast.walk(forward):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            given = [*part.value.args, *(keyword.value for keyword in part.value.keywords)]
            if any(ast.unparse(value) == f"self.{name}" for value in given):
                computed |= {inner.id for t in part.targets for inner in ast.walk(t) if isinstance(inner, ast.Name)}
    return any(name in _assigned(part, local) for part in forward.body for local in computed)
