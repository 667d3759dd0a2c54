"""A configuration of configurations says `is_composition`, and not `has_no_defaults_at_init`.

Why it matters: transformers 4.52 renamed the flag, and up to 5.19 the new name alone is read.  A class that cannot be
made without arguments is made so all the same when its configuration is printed or saved: `AssertionError: Config has
to be initialized with encoder and decoder config`.

What to do: `doctor fix` sets both names to the same value.

Reference: https://github.com/huggingface/transformers/pull/36896
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

MINORS = (*(f"4.{minor}" for minor in range(52, 58)), *(f"5.{minor}" for minor in range(20)))
WORKS = "transformers" + ",".join(f"!={minor}.*" for minor in MINORS)
OLD, NEW = "is_composition", "has_no_defaults_at_init"
HEAD = f"class C(PretrainedConfig):\n    {OLD} = True\n"


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[OLD.encode()],
    passes=[remote_code(HEAD + f"    {NEW} = True\n"), remote_code(f"print(C.{OLD})", "5.0.0"), remote_code(HEAD)],
    fails=[remote_code(HEAD, "5.3.0"), remote_code(HEAD, "4.47.1")],
    kinds=["remote-code"],
)
def composition_renamed(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes that assign the old name alone."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for name, node in code.classes.nodes.items():
        lines = {ast.unparse(target): line for line in node.body for target in getattr(line, "targets", ())}
        if OLD in lines and NEW not in lines:
            yield Finding(
                f"{name} sets {OLD}; {judged.when} only {NEW} is read, and {name} is made without arguments",
                Remedy("advice", f"set `{NEW}` to the same value"),
                code.location(lines[OLD]),
            )
