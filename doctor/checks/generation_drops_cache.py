"""`prepare_inputs_for_generation` drops the cache, to compute the whole sequence anew.

Why it matters: transformers from 5.0 on still cuts the input to the one new token, by `cache_position` or
`next_sequence_length`.  The model sees a sequence of one and answers other tokens, without an error.  Phi-3 does so
where the context outgrows its short rope factors.

Files of 4.48 to 4.57 leave `cache_position` at the newest token on those releases too: a padded prompt is then masked
as if every token saw the later ones, and is answered differently with and without a cache.

What to do: `doctor fix` sets both back to the whole sequence along with the cache.  Padded prompts are then answered as
they are without a cache, also where the release that the file was written for answered differently with one.

Reference: https://github.com/huggingface/transformers/pull/33129
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
OVERRIDE = "prepare_inputs_for_generation"
HEAD = f"class M(P):\n    def {OVERRIDE}(self, ids, past_key_values=None, "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"past_key_values = None"],
    confirm=lambda data: re.search(rb"def " + OVERRIDE.encode(), data),
    passes=[
        remote_code("class M(P):\n    def forward(self, past_key_values, **kwargs):\n        past_key_values = None"),
        remote_code(HEAD + "**kw):\n        past_key_values = None\n        kw['next_sequence_length'] = None"),
    ],
    fails=[
        remote_code(HEAD + "cache_position=None, **kwargs):\n        if long: past_key_values = None"),
        remote_code(HEAD + "**kwargs):\n        past_key_values = None", "4.47.1"),
    ],
    kinds=["remote-code"],
)
def generation_drops_cache(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the assignment in an override that does not take back what was cut with the cache."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for assign in code.nodes(ast.Assign):
        empty = isinstance(assign.value, ast.Constant) and assign.value.value is None
        if not empty or [getattr(target, "id", "") for target in assign.targets] != ["past_key_values"]:
            continue
        function = code.function(assign)
        if not isinstance(function, ast.FunctionDef) or function.name != OVERRIDE or _takes_back(function):
            continue
        yield Finding(
            f"the cache is dropped, but {judged.when} the input stays cut to the new token: other tokens, no error; "
            "4.48 to 4.57 mask padded prompts wrongly there, and the mended file does not repeat it",
            Remedy("advice", "set `cache_position` and `next_sequence_length` back to the whole sequence as well"),
            code.location(assign),
            severity=judged.severity,
        )


def _takes_back(function: ast.FunctionDef) -> bool:
    """Whether the function sets the length itself, or is handed none."""
    handed = function.args.kwarg or any(a.arg == "cache_position" for a in function.args.args)
    nodes = list(ast.walk(function))
    told = any(isinstance(node, ast.Constant) and node.value == "next_sequence_length" for node in nodes)
    moved = (target for node in nodes if isinstance(node, ast.Assign) for target in node.targets)
    return not handed or told or any(getattr(target, "id", "") == "cache_position" for target in moved)
