"""A cache is asked for `get_usable_length`.

Removed in transformers 4.54: `AttributeError: 'DynamicCache' object has no attribute 'get_usable_length'`.  For every
cache of the newer releases it is `get_seq_length(layer)`; where the method exists it is still called, because a
cache with a limit (`SinkCache`, up to 4.52) answers less.

Reference: https://github.com/huggingface/transformers/pull/39590
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

ASKED = m.Call(func=m.Attribute(attr=m.Name("get_usable_length")))
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls"), m.Call(func=m.Name("super"))))


class CacheGetUsableLength(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b".get_usable_length(",)
    mends = ("attribute:get_usable_length",)
    helpers = {
        "_doctor_usable_length": '''
def _doctor_usable_length(cache, new_seq_length, layer_idx=0):
    """How many cached tokens precede the new ones; caches without the method keep all of them."""
    usable = getattr(cache, "get_usable_length", None)
    return cache.get_seq_length(layer_idx) if usable is None else usable(new_seq_length, layer_idx)
'''
    }
    examples = [
        Example(
            "kv_seq_len += past_key_value.get_usable_length(kv_seq_len, self.layer_idx)",
            "kv_seq_len += _doctor_usable_length(past_key_value, kv_seq_len, self.layer_idx)",
        ),
        Example(
            "past_length = past_key_values.get_usable_length(seq_length)",
            "past_length = _doctor_usable_length(past_key_values, seq_length)",
        ),
        Example(
            "n = self.cache.get_usable_length(new_seq_length=n, layer_idx=0)",
            "n = _doctor_usable_length(self.cache, new_seq_length=n, layer_idx=0)",
        ),
        Example("n = past_key_values.get_seq_length(layer)", keeps="the name every release has"),
        Example(
            "class MyCache(Cache):\n    def room(self, n):\n        return self.get_usable_length(n)",
            keeps="a cache's own method",
        ),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

cache = DynamicCache()
cache.update(states(3), states(3), 0)
assert cache.get_usable_length(1, 0) == 3
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, ASKED) or m.matches(updated_node.func, OWN):
            return updated_node
        cache = cst.Arg(cst.ensure_type(updated_node.func, cst.Attribute).value)
        return updated_node.with_changes(func=self.helper("_doctor_usable_length"), args=[cache, *updated_node.args])
