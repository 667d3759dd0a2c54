"""`_keep_in_fp32_modules` names buffers, or modules without weights.

Why it matters: releases 4.49 to 4.57 insist that each name is part of the name of a parameter: `ValueError: inv_freq
was specified in the _keep_in_fp32_modules list, but is not part of the modules in GemmaModel`.

What to do: `doctor fix` takes such names out; the list only ever decided about parameters.

Reference: https://github.com/huggingface/transformers/pull/36722
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

NAME = "_keep_in_fp32_modules"
WORKS = "transformers" + ",".join(f"!=4.{minor}.*" for minor in range(49, 58))
ROPE = "class R(nn.Module):\n    def __init__(self):\n        self.register_buffer('inv_freq', None)\n"
MODEL = ROPE + "class M(PreTrainedModel):\n    _keep_in_fp32_modules = ['{}']\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[NAME.encode()],
    confirm=lambda data: b"register_buffer" in data,
    passes=[
        remote_code(MODEL.format("norm"), "4.57.6"),
        remote_code(MODEL.format("inv_freq")),
        remote_code(ROPE + "class M(PreTrainedModel):\n    _keep_in_fp32_modules = None\n", "4.57.6"),
    ],
    fails=[remote_code(MODEL.format("inv_freq"), "4.57.6"), remote_code(MODEL.format("inv_freq"), "4.47.1")],
    kinds=["remote-code"],
)
def keep_in_fp32_buffers(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find names of the list that the file registers as buffers."""
    judged = verdict(WORKS, facts)
    buffers = {
        str(call.args[0].value)
        for call in code.nodes(ast.Call)
        if getattr(call.func, "attr", "") == "register_buffer" and call.args and isinstance(call.args[0], ast.Constant)
    }
    for assign in code.nodes(ast.Assign) if judged else ():
        names = assign.value.elts if isinstance(assign.value, ast.List) else []
        lost = [str(part.value) for part in names if isinstance(part, ast.Constant) and part.value in buffers]
        if lost and judged and any(getattr(target, "id", "") == NAME for target in assign.targets):
            when = judged.when.replace("from transformers 4.57 on", "on transformers 4.49 to 4.57")
            yield Finding(
                f"{NAME} names {lost[0]}, a buffer; {when}: ValueError: {lost[0]} was specified in the list, but is "
                "not part of the modules",
                Remedy("advice", f"take {lost[0]!r} out of the list, which decides about parameters only"),
                code.location(assign),
                severity=judged.severity,
            )
