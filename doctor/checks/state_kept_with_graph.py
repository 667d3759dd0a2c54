"""A recurrent module keeps its state from call to call, with the graph that computed it.

Why it matters: the next training step runs through the graph of the last one: `RuntimeError: Trying to backward through
the graph a second time`.  Gradient checkpointing of transformers 4 hid it, because its first pass computes no graph;
from 5.0 on checkpointing is non-reentrant, and the second step stops.

What to do: `doctor fix` does not keep the state of a training step.  By hand: assign the state only where no graph is
computed.

Reference: https://github.com/huggingface/transformers/pull/43203
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
MODULE = (
    "class R(nn.Module):\n    def __init__(self):\n        self.state = None\n"
    "    def forward(self, x):\n        out, state = self.scan(x, self.state)\n        self.state = {}\n"
)


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b".state = None", b"_state = None", b"_states = None"],
    passes=[
        remote_code(MODULE.format("state.detach()")),
        remote_code(MODULE.format("state").replace(", self.state)", ")")),
        remote_code(MODULE.format("state").replace("nn.Module", "Cache")),
    ],
    fails=[remote_code(MODULE.format("state")), remote_code(MODULE.format("state"), "4.47.1")],
    kinds=["remote-code"],
)
def state_kept_with_graph(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find attributes of a module that are None at first, and that `forward` computes from what they were."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if not any(base.endswith("Module") for base in code.classes.bases(name)) or judged is None:
            continue
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        if "__init__" not in methods or "forward" not in methods:
            continue
        empty = {t for part in ast.walk(methods["__init__"]) for t in _set(part, "None")}
        for part in methods["forward"].body:
            kept = [t for t in sorted(empty) for local in _made_of(methods["forward"], t) if t in _set(part, local)]
            if kept:
                yield Finding(
                    f"{name}.forward keeps {kept[0]} with its graph; {judged.when} a second training step under "
                    "gradient checkpointing runs through it: Trying to backward through the graph a second time",
                    Remedy("advice", f"assign {kept[0]} only where `torch.is_grad_enabled()` is false"),
                    code.location(part),
                )


def _set(node: ast.AST, value: str) -> set[str]:
    """The `self.NAME` that a statement gives this value."""
    if not isinstance(node, ast.Assign) or ast.unparse(node.value) != value:
        return set()
    return {text for text in map(ast.unparse, node.targets) if text.startswith("self.")}


def _made_of(forward: ast.FunctionDef, attribute: str) -> set[str]:
    """The locals that a call makes of an attribute."""
    made = set[str]()
    for part in ast.walk(forward):
        if isinstance(part, ast.Assign) and isinstance(part.value, ast.Call):
            given = [*part.value.args, *(keyword.value for keyword in part.value.keywords)]
            if attribute in map(ast.unparse, given):
                made |= {inner.id for t in part.targets for inner in ast.walk(t) if isinstance(inner, ast.Name)}
    return made
