"""A configuration refuses a `rope_scaling` that says the same in newer words.

Why it matters: the validation that remote configuration files bring along counts the fields and knows one key:
"`rope_scaling` must be a dictionary with three fields, `type`, `short_factor` and `long_factor`, got ...", on every
release, for a config.json with `rope_type` (written since 4.43), with both keys, or with the fields that 5.x adds.

What to do: `doctor fix` lets the validation look at the kind, under either key, and at the fields it knows.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.scaling import written
from doctor.spelling import remote_code

COUNTED = rb"len\(\s*self\.rope_scaling\s*\)\s*!="
CHECK = """
class MyConfig(PretrainedConfig):
    def _rope_scaling_validation(self):
        if self.rope_scaling is None:
            return
        if not isinstance(self.rope_scaling, dict) or len(self.rope_scaling) != 2:
            raise ValueError(f"two fields, got {self.rope_scaling}")
"""


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"self.rope_scaling"],
    confirm=lambda data: re.search(COUNTED, data),
    passes=[
        remote_code(CHECK.replace("!= 2", "== 0")),
        remote_code(CHECK.replace("raise ValueError", "print")),
        remote_code(CHECK.replace("MyConfig(PretrainedConfig)", "Rotary(Module)")),
        remote_code(CHECK.replace("            return", "            self.rope_scaling = {}")),
    ],
    fails=[
        remote_code(CHECK, "4.47.1"),
        remote_code(CHECK, rope_scaling={"rope_type": "linear", "type": "linear", "factor": 2.0}),
    ],
    kinds=["remote-code"],
)
def config_rope_scaling_refused(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find methods of a configuration that count the fields of `rope_scaling` and raise."""
    model = facts.model_of(code.source)
    for function in code.nodes(ast.FunctionDef):
        around = code.class_of(function)
        if around is None or not _is_config(around) or not (counted := _counted(function)):
            continue
        size, test = counted
        refused = _refused(written(model.config) if model else {}, size)
        what = "config.json of the model has " + ", ".join(refused) if refused else "a config.json saved since has more"
        yield Finding(
            f"refuses a rope_scaling that has not {size} fields; {what}: ValueError",
            Remedy("advice", "read the kind under `rope_type` or `type`, and do not count the fields"),
            code.location(test),
            severity=Severity.ERROR if refused else Severity.WARNING,
        )


def _is_config(around: ast.ClassDef) -> bool:
    return around.name.endswith("Config") or any(ast.unparse(base).endswith("Config") for base in around.bases)


def _counted(function: ast.FunctionDef) -> tuple[int, ast.Compare] | None:
    """The number of fields asked for and where, in a method that raises and assigns nothing to the scaling."""
    found: tuple[int, ast.Compare] | None = None
    raises = stores = False
    for node in ast.walk(function):
        raises |= isinstance(node, ast.Raise)
        if isinstance(node, ast.Attribute) and node.attr == "rope_scaling":
            stores |= isinstance(node.ctx, ast.Store)
        elif isinstance(node, ast.Compare) and ast.unparse(node.left) == "len(self.rope_scaling)":
            number = node.comparators[0]
            if isinstance(node.ops[0], ast.NotEq) and isinstance(number, ast.Constant):
                found = int(number.value), node  # type: ignore[arg-type]
    mended = OURS in ast.unparse(function) if found else False
    return found if raises and not stores and not mended else None


def _refused(rope: Mapping[str, Any], size: int) -> list[str]:
    """The keys of a config.json's scaling, where they are not as many as the validation wants."""
    return sorted(rope) if rope and len(rope) != size else []
