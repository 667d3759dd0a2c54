"""A cache is asked for `seen_tokens`.

Caches became lists of layers in transformers 4.54 and lost the counter:
`AttributeError: 'DynamicCache' object has no attribute 'seen_tokens'`.  `get_seq_length()` is the same number for
every cache that has no counter.  Where the counter exists it is still read: for a cache that forgets
(`SinkCache`, up to 4.52) the two differ.

Reference: https://github.com/huggingface/transformers/pull/39590
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example, File, Patch

COUNTERS = ("seen_tokens", "_seen_tokens")


class CacheSeenTokens(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b".seen_tokens", b"._seen_tokens")
    mends = ("attribute:seen_tokens", "attribute:_seen_tokens")
    helpers = {
        "_doctor_seen_tokens": '''
def _doctor_seen_tokens(cache):
    """How many tokens went into the cache; from transformers 4.54 on that is its length."""
    seen = getattr(cache, "seen_tokens", None)
    return cache.get_seq_length() if seen is None else seen
'''
    }
    examples = [
        Example("past = past_key_values.seen_tokens", "past = _doctor_seen_tokens(past_key_values)"),
        Example(
            "n = input_ids[:, self.cache._seen_tokens :]",
            "n = input_ids[:, _doctor_seen_tokens(self.cache) :]",
        ),
        Example(
            "if outputs.past_key_values.seen_tokens == 0:\n    pass",
            "if _doctor_seen_tokens(outputs.past_key_values) == 0:\n    pass",
        ),
        Example(
            "class MyCache(Cache):\n    def length(self):\n        return self.seen_tokens",
            keeps="a cache's own counter is its own",
        ),
        Example("cache.seen_tokens = 0", keeps="an assignment makes the attribute"),
        Example("key, cache.seen_tokens = pair", keeps="an assignment makes the attribute"),
        Example("seen_tokens = cache.get_seq_length()", keeps="a local name"),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

cache = DynamicCache()
cache.update(states(3), states(3), 0)
assert cache.seen_tokens == 3
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.stored: set[cst.CSTNode] = set()

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self._store(node.target)

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self._store(node.target)

    def visit_AnnAssign(self, node: cst.AnnAssign) -> None:
        self._store(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self._store(node.target)

    def _store(self, target: cst.BaseExpression) -> None:
        self.stored.add(target)
        if isinstance(target, cst.Tuple | cst.List):
            for element in target.elements:
                self._store(element.value)

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        if updated_node.attr.value not in COUNTERS or original_node in self.stored:
            return updated_node
        if isinstance(updated_node.value, cst.Name) and updated_node.value.value in ("self", "cls"):
            return updated_node
        return cst.Call(self.helper("_doctor_seen_tokens"), [cst.Arg(updated_node.value)])
