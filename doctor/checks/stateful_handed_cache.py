"""A model that keeps states of its own is handed a `DynamicCache`.

Why it matters: from transformers 5.5 on `generate` makes a cache also for a class with `_is_stateful = True`, which
makes its own or counts on one with a limit: `AttributeError: 'DynamicCache' object has no attribute 'ssm_states'`.

What to do: `doctor fix` answers `generate` that the class takes none.  By hand: the same, a class method
`_supports_default_dynamic_cache` that returns False.

Reference: https://github.com/huggingface/transformers/pull/44950
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.5"
ASKED = "_supports_default_dynamic_cache"
MODEL = "class P(PreTrainedModel):\n    config_class = C\n    _is_stateful = True\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"_is_stateful = True"],
    passes=[
        remote_code(MODEL + f"    def {ASKED}(cls): return False"),
        remote_code(MODEL + "    _supports_cache_class = True"),
        remote_code(MODEL.replace("config_class = C", "config: C")),
    ],
    fails=[remote_code(MODEL), remote_code(MODEL, "5.3.0"), remote_code(MODEL, "4.47.1")],
    kinds=["remote-code"],
)
def stateful_handed_cache(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes that say so and do not answer what `generate` asks."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for name, node in code.classes.nodes.items():
        flags = {ast.unparse(part) for part in node.body if isinstance(part, ast.Assign)}
        if not any(flag.startswith("config_class = ") for flag in flags):
            continue  # written for transformers 5, whose own cache holds such states
        if "_is_stateful = True" not in flags or "_supports_cache_class = True" in flags:
            continue
        if code.classes.method(name, ASKED) is None:
            yield Finding(
                f"{name} keeps states of its own; {judged.when} generate hands it a DynamicCache all the same",
                Remedy("advice", f"answer False in a class method `{ASKED}`"),
                code.location(node),
                severity=judged.severity,
            )
