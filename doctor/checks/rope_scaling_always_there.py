"""The file asks whether there is a `rope_scaling`, and on transformers 5 there always is one.

Why it matters: a configuration without scaling answers `{"rope_type": "default", "rope_theta": 10000.0}` from 5.0 on,
never None.  `if config.rope_scaling is None` takes the scaled branch, which stops with a KeyError or a ValueError, or
scales by what it finds.  On 4.x a config.json that has only `rope_parameters`, as 5.x writes it, leaves
`config.rope_scaling` None: nothing is scaled, wrong numbers, no error.

What to do: `doctor fix` reads the scaling through a function that answers None exactly where nothing is scaled.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.rope import Unit, facts_of
from doctor.rope_chain import refusal
from doctor.scaling import scaling_of, written
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
READS = rb"\brope_scaling\b"
ASKS = "class A:\n    def f(self, config):\n        if config.rope_scaling is not None:\n            g(config)\n"
LINEAR = {"type": "linear", "factor": 2.0}


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"rope_scaling"],
    confirm=lambda data: re.search(READS, data),
    passes=[
        remote_code("config.rope_scaling = None"),
        remote_code(ASKS + "            kind = config.rope_scaling['rope_type']\n        else: rope_type = 'default'"),
        remote_code(ASKS, rope_scaling=LINEAR),
        remote_code(ASKS.replace("class A", "class AConfig")),
    ],
    fails=[
        remote_code(ASKS),
        remote_code(ASKS, "4.47.1"),
        remote_code(ASKS, "4.47.1", rope_parameters=LINEAR),
        remote_code('def kind(rope_scaling): return rope_scaling.get("type") or rope_scaling.get("rope_type")'),
    ],
    kinds=["remote-code"],
)
def rope_scaling_always_there(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes and functions that depend on a scaling and do not know the type `default`."""
    model, release = facts.model_of(code.source), facts.transformers
    config = model.config if model else {}
    moved = release.major < 5 and _scales(config.get("rope_parameters")) and not config.get("rope_scaling")
    if _scales(written(config)) and not moved:
        return  # config.json says what is scaled, and every release hands that on
    told = {_top(code, node) for node in _told(code)}
    for name, unit in facts_of(code.tree, code.text).units.items():
        if unit.first is not None and not unit.copes and not unit.config and name not in told:
            yield _finding(code, facts, unit, unit.first, moved)


def _told(code: Code) -> Iterator[ast.AST]:
    """Where a patch has been, and what other checks say of the same scaling."""
    yield from (node for node in code.nodes(ast.Name) if node.id.startswith(f"{OURS}rope"))
    scaling = scaling_of(code)
    for read in scaling.reads:
        alone = read.key == "type" and not scaling.paired(read) and not scaling.asked(read)
        function = code.function(read.node)
        raises = function and scaling.can_be_default(read, plain=False) and refusal(code, function, read)
        if alone or raises:
            yield read.node


def _finding(code: Code, facts: Facts, unit: Unit, node: ast.AST, moved: bool) -> Finding:
    judged = verdict(WORKS, facts)
    severity = judged.severity if judged and unit.guarded else Severity.WARNING
    if moved:
        what = (
            f"config.json has rope_parameters only, which transformers {facts.transformers} does not make rope_scaling"
        )
        what, severity = f"{what}: nothing is scaled, without an error", Severity.ERROR
    else:
        when = judged.when if judged else f"on transformers {facts.transformers}"
        what = f"{when} a model without scaling has {{'rope_type': 'default', ...}}, never None"
    return Finding(
        f"depends on whether there is a rope_scaling; {what}",
        Remedy("advice", 'take None and "default" for no scaling, and look into `rope_parameters` as well'),
        code.location(_statement(code, node)),
        "rope-default-unhandled",
        severity=severity,
    )


def _scales(rope: Any) -> bool:
    """Whether a RoPE dict of config.json scales."""
    kind = (rope.get("rope_type") or rope.get("type")) if isinstance(rope, Mapping) else None
    return kind not in (None, "default")


def _top(code: Code, node: ast.AST) -> str:
    """The name of the top-level class or function around a node."""
    around = [p for p in code.parents(node) if isinstance(p, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)]
    return around[-1].name if around else ""


def _statement(code: Code, node: ast.AST) -> ast.AST:
    """The node, or what is around it, that has a place in the file."""
    return node if hasattr(node, "lineno") else next(p for p in code.parents(node) if hasattr(p, "lineno"))
