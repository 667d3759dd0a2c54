"""A module adds to the `position_ids` that it is handed, in place.

Why it matters: since transformers 5.2 `generate` counts on from the positions that it handed over.  Where a module
changes them (`position_ids += self.offset`, as XGLM does), every token is generated as many places further: other
answers, without an error.

What to do: `doctor fix` writes `position_ids = position_ids + self.offset`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.2"
NAMES = ("position_ids", "positions")
EMBED = "def forward(self, position_ids):\n    position_ids += self.offset\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"{name} {sign}=".encode() for name in NAMES for sign in "+-"],
    passes=[
        remote_code(EMBED.replace("position_ids +=", "position_ids = position_ids +")),
        remote_code(EMBED.replace("(self, position_ids)", "(self, ids)")),
        remote_code(EMBED.replace("+=", "*=")),
    ],
    fails=[remote_code(EMBED), remote_code(EMBED.replace("position_ids", "positions"), "4.47.1")],
    kinds=["remote-code"],
)
def positions_changed_in_place(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find parameters that hold positions and are added to, or subtracted from, where they are."""
    judged = verdict(WORKS, facts)
    for node in code.nodes(ast.AugAssign) if judged else ():
        name, function = getattr(node.target, "id", ""), code.function(node)
        if judged is None or name not in NAMES or not isinstance(node.op, ast.Add | ast.Sub) or function is None:
            continue
        if any(one.arg == name for one in (*function.args.args, *function.args.kwonlyargs)) and not code.ours(node):
            sign = "+" if isinstance(node.op, ast.Add) else "-"
            yield Finding(
                f"changes the {name} that it is handed; {judged.when} generate counts on from them: every token is "
                "as many places further, without an error",
                Remedy("advice", f"write `{name} = {name} {sign} {ast.unparse(node.value)}`"),
                code.location(node),
                severity=judged.severity,
            )
