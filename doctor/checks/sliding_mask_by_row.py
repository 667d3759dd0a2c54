"""A layer masks its sliding window by the rows of the mask, for a cache that holds nothing but the window.

Why it matters: `torch.tril(torch.ones_like(attention_mask), diagonal=-window)` takes the first row of the mask for the
first token of the text.  From transformers 4.54 on the cache keeps everything, and a new token, the only row, sees all
of the text: other answers, without an error, as soon as the text is longer than the window.

What to do: `doctor fix` counts the rows from the position of their token.  By hand: generate with `use_cache=False`.

Reference: https://github.com/huggingface/transformers/pull/40039
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.54"
ROWS = re.compile(r"torch\.tril\(torch\.ones_like\((\w+)(, .*?)?\), diagonal=-(self\.\w+)\)")
CACHES, POSITION = {"past_key_value", "past_key_values"}, "cache_position"
LAYER = """def forward(self, mask=None, past_key_value=None, cache_position=None):
    if self.is_sliding and mask is not None:
        rows = torch.tril(torch.ones_like(mask, dtype=torch.bool), diagonal=-self.sliding_window)
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"diagonal=-"],
    confirm=lambda data: POSITION.encode() in data,
    passes=[
        remote_code(LAYER.replace("past_key_value=None, ", "")),
        remote_code(LAYER.replace("-self.sliding_window", "-1")),
        remote_code(LAYER, sliding_window=None),
        remote_code(LAYER.replace("self.is_sliding and mask is not None", "_doctor_keeps_all(past_key_value)")),
    ],
    fails=[remote_code(LAYER), remote_code(LAYER, "4.47.1"), remote_code(LAYER, "4.57.6", sliding_window=4096)],
    kinds=["remote-code"],
)
def sliding_mask_by_row(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find windows cut out of a mask by its rows, in functions that are handed a cache."""
    judged, model = verdict(WORKS, facts), facts.model_of(code.source)
    if judged is None or (model is not None and model.config.get("sliding_window", 0) is None):
        return
    for node in code.nodes(ast.If):
        function, found = code.function(node), ROWS.search("\n".join(map(ast.unparse, node.body)))
        if found is None or not isinstance(function, ast.FunctionDef):
            continue
        given = {one.arg for one in (*function.args.args, *function.args.kwonlyargs)}
        if not given & CACHES or not {POSITION, found[1]} <= given or "_doctor_keeps_all" in ast.unparse(node):
            continue
        if f"{found[1]} is not None" in ast.unparse(node.test):
            yield Finding(
                f"masks what is {found[3]} behind a row of the mask; {judged.when} the cache keeps everything, and a "
                "new token sees all of the text, without an error, or stops: The size of tensor a must match",
                Remedy("advice", "generate with `use_cache=False`"),
                code.location(node),
                severity=judged.severity,
            )
