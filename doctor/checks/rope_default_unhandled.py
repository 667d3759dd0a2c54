"""The plain RoPE of transformers 5, `rope_type: default`, reaches code that only knows scaled ones.

Why it matters: on transformers 5 `config.rope_scaling` is never None; a model without scaling has
`{"rope_type": "default", "rope_theta": ...}`.  Code that tests `rope_scaling is None` takes the scaled branch, and a
chain that knows only su, yarn or longrope ends in `ValueError: Unknown RoPE scaling type default`.  This is where the
well-known edit `.get("type") or .get("rope_type")` leads when nothing else is changed.

What to do: `doctor fix` sends `default`, and a missing dict, to the branch without scaling.

Reference: https://github.com/huggingface/transformers/pull/42255
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, ModelFacts, Package, Remedy, Severity, Source, source_check
from doctor.rope_chain import refusal
from doctor.scaling import Read, scaling_of, written

KEY = rb"""["'](?:rope_)?type["']"""
CHAIN = """
def init_rope(self):
    if self.config.rope_scaling is None:
        self.rotary = Plain()
    else:
        kind = {read}
        if kind == "longrope":
            self.rotary = Long()
        else:
            raise ValueError(f"Unknown RoPE scaling type {{kind}}")
"""
HALF = 'self.config.rope_scaling.get("type") or self.config.rope_scaling.get("rope_type")'


def _facts(text: str, version: str = "5.23.0", **rope: object) -> Facts:
    models = (ModelFacts("phi3", {"rope_scaling": rope}),) if rope else ()
    sources = (Source("modeling_phi3.py", "remote-code", text, model="phi3"),)
    return Facts(sources=sources, models=models, packages={"transformers": Package("transformers", version)})


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"rope_scaling"],
    confirm=lambda data: re.search(KEY, data),
    passes=[
        _facts(CHAIN.format(read='self.config.rope_scaling["type"]')),
        _facts(CHAIN.format(read=HALF).replace('== "longrope"', 'in ("default", "longrope")')),
        _facts(CHAIN.format(read="_doctor_rope_type(self.config.rope_scaling)")),
        _facts('def f(config):\n    kind = config.rope_scaling["rope_type"]\n    return FUNCTIONS[kind]'),
    ],
    fails=[
        _facts(CHAIN.format(read=HALF)),
        _facts(CHAIN.format(read='self.config.rope_scaling["rope_type"]'), "4.57.6"),
        _facts(CHAIN.format(read='self.config.rope_scaling["type"]'), "4.47.1", type="default"),
    ],
)
def rope_default_unhandled(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find a type that can be `default` and a chain over it that raises on what it does not know."""
    model = facts.model_of(code.source)
    rope = written(model.config) if model else {}
    plain = "default" in (rope.get("rope_type"), rope.get("type"))
    scaling = scaling_of(code)
    seen: set[ast.AST] = set()
    for read in scaling.reads:
        function = code.function(read.node)
        if function is None or function in seen or not scaling.can_be_default(read, plain):
            continue
        raised = refusal(code, function, read)
        if raised is not None and (plain or not scaling.in_config(read)):
            seen.add(function)
            yield _finding(code, facts, read, raised, plain)


def _finding(code: Code, facts: Facts, read: Read, raised: ast.Raise, plain: bool) -> Finding:
    release = facts.transformers
    where = "config.json says" if plain else f"transformers {release if release.major >= 5 else '5'} says"
    return Finding(
        f"takes the type from {ast.unparse(read.node)}; {where} default for a model without scaling, "
        f"and line {raised.lineno} raises on it",
        Remedy("advice", 'take "default" for no scaling, as `rope_scaling is None` is'),
        code.location(read.node),
        severity=Severity.ERROR if plain or release.major >= 5 else Severity.WARNING,
    )
