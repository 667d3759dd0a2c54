"""A model ties its weights in a `tie_weights` of its own, written for transformers 4.

Why it matters: from 5.0 on the loader calls `tie_weights(missing_keys=..., recompute_mapping=False)`: `TypeError:
tie_weights() got an unexpected keyword argument 'recompute_mapping'`.  `_tie_or_clone_weights` is gone, and nobody
calls `_tie_weights` any more: what it ties stays random, without an error.

What to do: `doctor fix` lets the method take what it is handed, and brings along what it calls.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.scopes import dotted
from doctor.spelling import Verdict, remote_code, verdict

WORKS = "transformers<5"
MODEL = "class M(PreTrainedModel):\n    def tie_weights(self{0}):\n        {1}\n"
HOOK = MODEL.replace("def tie", "def _tie").format("", "self.head.weight = self.embed.weight")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def tie_weights(", b"def _tie_weights(", b"_tie_or_clone_weights("],
    passes=[
        remote_code(MODEL.format(", *args, **kwargs", "self.head.weight = self.embed.weight")),
        remote_code(MODEL.format("", "pass").replace("PreTrainedModel", "nn.Module")),
        remote_code(HOOK + MODEL.format(", **kwargs", "self._tie_weights()").partition("\n")[2]),
    ],
    fails=[
        remote_code(MODEL.format("", "self.head.weight = self.embed.weight")),
        remote_code(MODEL.format(", **kwargs", "self._tie_or_clone_weights(self.a, self.b)"), "4.57.6"),
        remote_code(HOOK),
    ],
    kinds=["remote-code"],
)
def tie_weights_override(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the methods in models, and calls of what is gone."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    models = [(name, node) for name, node in code.classes.nodes.items() if code.classes.is_model(name)]
    for name, node in models:
        methods = {part.name: part for part in node.body if isinstance(part, ast.FunctionDef)}
        method, hook = methods.get("tie_weights"), methods.get("_tie_weights")
        if method and _is_closed(method):
            text = f"{name}.tie_weights takes no argument; {judged.when} the loader hands it recompute_mapping"
            yield _finding(text, "write `def tie_weights(self, *args, **kwargs)`", code, method, judged)
        if hook and not code.classes.method(name, "tie_weights"):
            text = f"{name}._tie_weights is not called {judged.when}: what it ties stays random"
            yield _finding(text, "call it from `tie_weights`", code, hook, judged)
        for call in code.within(node, ast.Call):
            if dotted(call.func) == "self._tie_or_clone_weights":
                text = f"self._tie_or_clone_weights is called; {judged.when} there is none"
                yield _finding(text, "assign one's `weight` to the other", code, call, judged)


def _is_closed(method: ast.FunctionDef) -> bool:
    return method.args.vararg is None and method.args.kwarg is None and len(method.args.args) == 1


def _finding(text: str, cure: str, code: Code, node: ast.AST, judged: Verdict) -> Finding:
    return Finding(text, Remedy("advice", cure), code.location(node), severity=judged.severity)
