"""A cache class of the file fills `key_cache` itself and leaves its length to `DynamicCache`.

Why it matters: up to transformers 4.53 `len(cache)` counted `key_cache`; newer releases count layers of their own,
which such a class never fills.  It is then empty, and so false: `if past_key_values and ...` is never taken, every
token starts from an empty state, and the answer is wrong without an error.

What to do: `doctor fix` lets the class count its own list: `def __len__(self): return len(self.key_cache)`.

Reference: https://github.com/huggingface/transformers/pull/39106
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.54"
ROOT = "DynamicCache"
OWN = "class C(DynamicCache):\n    def __init__(self, config):\n        self.key_cache = []\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"self.key_cache"],
    confirm=lambda data: b"DynamicCache" in data,
    passes=[
        remote_code(OWN + "    def __len__(self): return len(self.key_cache)\n"),
        remote_code(OWN.replace(ROOT, "Cache")),
    ],
    fails=[remote_code(OWN), remote_code(OWN, "4.47.1")],
    kinds=["remote-code"],
)
def cache_without_length(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes that make `key_cache` in `__init__` and define no `__len__`."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for name, node in code.classes.nodes.items():
        init = code.classes.method(name, "__init__")
        if ROOT not in code.classes.bases(name) or init is None or code.classes.method(name, "__len__"):
            continue
        if any(_is_list(assign) for assign in code.within(init, ast.Assign)):
            yield Finding(
                f"{name} fills key_cache itself; {judged.when} len() counts other layers: it is 0, and the cache false",
                Remedy("advice", "write `def __len__(self): return len(self.key_cache)`"),
                code.location(node),
                severity=judged.severity,
            )


def _is_list(node: ast.Assign) -> bool:
    return any(isinstance(target, ast.Attribute) and ast.unparse(target) == "self.key_cache" for target in node.targets)
