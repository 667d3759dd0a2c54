"""A model keeps its cache as a tuple of layers, and newer releases hand it a cache object.

Why it matters: up to transformers 4.53 `generate` left the cache to a model that does not know cache objects.  From
4.54 on it hands an empty `DynamicCache`, and the code that takes layers by place stops: `AttributeError: 'NoneType'
object has no attribute 'shape'`, or `TypeError: 'DynamicCache' object is not subscriptable` from 5.0 on.

What to do: `doctor fix` makes the model answer that it keeps its own tuples.  By hand: give the class
`_supports_default_dynamic_cache`, a class method that returns False.

Reference: https://github.com/huggingface/transformers/pull/39106
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.54"
ROOT = "PreTrainedModel"
PAST = ("past_key_values", "past_key_value", "layer_past")
# fmt: off
ELSEWHERE = frozenset({
    "Cache", "DynamicCache", "EncoderDecoderCache", "_supports_cache_class", "_supports_default_dynamic_cache",
    "get_seq_length", "get_usable_length", "from_legacy_cache", "to_legacy_cache",
    "AutoModel", "AutoModelForCausalLM", "mems",
})
# fmt: on
"""A file with one of these names takes cache objects, or leaves the cache to a model of the library."""
TAKES = (b"past_key_values[", b"past_key_value[", b"layer_past[")
ZIPS = rb"zip\([^)]*\b(?:past_key_values?|layer_past)\b"
MODEL = "class M(PreTrainedModel):\n    def forward(self, past_key_values=None):\n        "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"past_key_value", b"layer_past"],
    confirm=lambda data: any(words in data for words in TAKES) or re.search(ZIPS, data),
    passes=[
        remote_code(MODEL + "n = past_key_values.get_seq_length() or past_key_values[0]"),
        remote_code("class M(nn.Module):\n    def f(self, past_key_values):\n        return past_key_values[0]"),
        remote_code(MODEL + "return past_key_values[0]\n    def _supports_default_dynamic_cache(cls): return False"),
    ],
    fails=[
        remote_code(MODEL + "n = past_key_values[0][0].shape[2]"),
        remote_code(MODEL + "for block, past in zip(self.h, past_key_values): block(past)", "4.57.6"),
        remote_code(MODEL + "past = past_key_values[i]", "4.47.1"),
        remote_code(MODEL.replace("=None", ": Optional[Cache]") + "past = past_key_values[i]"),
    ],
    kinds=["remote-code"],
)
def cache_of_tuples(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find a model whose file takes layers by place and has no name of a cache object in it."""
    judged = verdict(WORKS, facts)
    if judged is None or (code.names & ELSEWHERE and _takes_objects(code)):
        return
    taken = next((node for node in _taken(code) if not code.ours(node)), None)
    if taken is not None and any(ROOT in code.classes.bases(name) for name in code.classes.nodes):
        five = judged.broken and facts.transformers.major >= 5
        ends = "'DynamicCache' object is not subscriptable" if five else "'NoneType' object has no attribute 'shape'"
        yield Finding(
            f"{ast.unparse(taken)} takes layers out of a tuple; {judged.when} generate hands a DynamicCache: {ends}",
            Remedy("advice", "give the model `_supports_default_dynamic_cache`, a class method that returns False"),
            code.location(taken),
            severity=judged.severity,
        )


def _takes_objects(code: Code) -> bool:
    """Whether one of the names is more than an annotation: what is annotated as a Cache may be a tuple."""
    names = [(node, node.id) for node in code.nodes(ast.Name)]
    others: list[tuple[ast.AST, str]] = [(node, node.attr) for node in code.nodes(ast.Attribute)]
    others += [(function, function.name) for function in code.nodes(ast.FunctionDef)]
    others += [(around, around.name) for around in code.nodes(ast.ClassDef)]
    found = [node for node, name in (*names, *others) if name in ELSEWHERE and not code.ours(node)]
    return any(not _annotates(code, node) for node in found)


def _annotates(code: Code, node: ast.AST) -> bool:
    child = node
    for parent in code.parents(node):
        if child in (getattr(parent, "annotation", None), getattr(parent, "returns", None)):
            return True
        child = parent
    return False


def _taken(code: Code) -> Iterator[ast.expr]:
    """`past_key_values[i]`, `zip(layers, past_key_values)`."""
    for item in code.nodes(ast.Subscript):
        if isinstance(item.ctx, ast.Load) and getattr(item.value, "id", None) in PAST:
            yield item
    for call in code.nodes(ast.Call):
        if getattr(call.func, "id", None) == "zip" and any(getattr(a, "id", None) in PAST for a in call.args):
            yield call
