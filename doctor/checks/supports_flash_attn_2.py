"""A model class says `_supports_flash_attn_2` and not `_supports_flash_attn`.

Why it matters: transformers 4.54 renamed the flag, and releases from 5.4 on read the new name alone.  Asked for
`flash_attention_2` they refuse: `ValueError: Phi3ForCausalLM does not support Flash Attention 2 yet`.

What to do: `doctor fix` sets both names to the same value.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.4"
OLD, NEW = "_supports_flash_attn_2", "_supports_flash_attn"
HEAD = f"class P(PreTrainedModel):\n    {OLD} = True\n"


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[OLD.encode()],
    passes=[remote_code(HEAD + f"    {NEW} = True\n"), remote_code(f"print(P.{OLD})")],
    fails=[remote_code(HEAD), remote_code(HEAD, "5.3.0")],
    kinds=["remote-code"],
)
def supports_flash_attn_2(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes that assign the old name alone."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for node in code.nodes(ast.ClassDef):
        set_here = {
            target.id: part
            for part in node.body
            if isinstance(part, ast.Assign)
            for target in part.targets
            if isinstance(target, ast.Name)
        }
        if OLD in set_here and NEW not in set_here:
            yield Finding(
                f"{node.name} sets {OLD}; {judged.when} only {NEW} is read: {node.name} does not support Flash "
                "Attention 2 yet",
                Remedy("advice", f"set `{NEW}` to the same value"),
                code.location(set_here[OLD]),
            )
