"""A layer of a cache is taken by subscript: `past_key_value[self.layer_idx]`.

Why it matters: caches lost the subscript in transformers 5.0: `TypeError: 'DynamicCache' object is not subscriptable`,
at the first token after the prompt.  Their layers are objects with `keys` and `values` now.

What to do: `doctor fix` takes the layer by a function that knows every release's cache, and tuples.

Reference: https://github.com/huggingface/transformers/issues/48479
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
CACHE, PAST = r"past_key|cache", r"past_key"
LAYER = r"layer_(idx|index|id|number)$"
TAKES = rb"(?:past_key|cache)\w*\[[^\]\n]*layer_(?:idx|index|id|number)\b"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"layer_idx]", b"layer_index]", b"layer_id]", b"layer_number]"],
    confirm=lambda data: re.search(TAKES, data),
    passes=[
        remote_code("past = _doctor_cache_layer(past_key_value, self.layer_idx)"),
        remote_code("past_key_value[self.layer_idx] = key"),
        remote_code("state = cache.conv_states[layer_idx]"),
        remote_code("class A:\n    def f(self):\n        return self.kv_cache[layer_idx]"),
    ],
    fails=[
        remote_code("key = past_key_value[self.layer_idx][0]"),
        remote_code("key, value = outputs.past_key_values[layer_index]", "4.57.6"),
    ],
    kinds=["remote-code"],
)
def cache_layer_subscript(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find reads of what is called a cache by an index that is called a layer's."""
    judged = verdict(WORKS, facts)
    if judged is None or "__getitem__" in code.names:  # a cache class of the file's own
        return
    for node in code.nodes(ast.Subscript):
        if _takes_layer(node) and not code.ours(node) and not code.guarded(node, "TypeError"):
            yield Finding(
                f"{ast.unparse(node)} takes a layer: {judged.when} 'DynamicCache' object is not subscriptable",
                Remedy("advice", "take `cache.layers[i].keys` and `.values`, where the cache has `layers`"),
                code.location(node),
                severity=judged.severity,
            )


def _takes_layer(node: ast.Subscript) -> bool:
    """Whether an index that is called a layer's is taken of what is called a cache, and is not the file's own list."""
    held = node.value
    named = (isinstance(held, ast.Name) and re.search(CACHE, held.id)) or (
        isinstance(held, ast.Attribute) and re.search(PAST, held.attr) and getattr(held.value, "id", "") != "self"
    )
    if not named or not isinstance(node.ctx, ast.Load):
        return False
    names = (getattr(part, "id", "") or getattr(part, "attr", "") for part in ast.walk(node.slice))
    return any(re.search(LAYER, name) for name in names)
