"""A cache is turned into the old tuple of layers by `to_legacy_cache`.

Removed in transformers 5.0: `AttributeError: 'DynamicCache' object has no attribute 'to_legacy_cache'`.  From then on
nothing takes tuples any more, and models answer with the cache itself: so does the rewritten file there.  Where the
method exists it is called.

Reference: https://github.com/huggingface/transformers/issues/48479
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

CONVERTED = m.Call(func=m.Attribute(attr=m.Name("to_legacy_cache")), args=[])
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls"), m.Call(func=m.Name("super"))))


class CacheToLegacyCache(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b".to_legacy_cache(",)
    mends = ("attribute:to_legacy_cache",)
    helpers = {
        "_doctor_to_legacy": '''
def _doctor_to_legacy(cache):
    """The cache as a tuple of layers, up to transformers 4.57; newer releases take and return the cache itself."""
    convert = getattr(cache, "to_legacy_cache", None)
    return cache if convert is None else convert()
'''
    }
    examples = [
        Example("next_cache = next_cache.to_legacy_cache()", "next_cache = _doctor_to_legacy(next_cache)"),
        Example(
            "next_cache = decoder_cache.to_legacy_cache() if use_legacy_cache else decoder_cache",
            "next_cache = _doctor_to_legacy(decoder_cache) if use_legacy_cache else decoder_cache",
        ),
        Example(
            "answer = hidden, outputs.past_key_values.to_legacy_cache()",
            "answer = hidden, _doctor_to_legacy(outputs.past_key_values)",
        ),
        Example(
            "class MyCache(DynamicCache):\n    def pairs(self):\n        return self.to_legacy_cache()",
            keeps="a cache's own method",
        ),
        Example("next_cache = decoder_cache", keeps="nothing is converted"),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

cache = DynamicCache()
cache.update(states(3), states(3), 0)
assert len(cache.to_legacy_cache()) == 1
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, CONVERTED) or m.matches(updated_node.func, OWN):
            return updated_node
        cache = cst.ensure_type(updated_node.func, cst.Attribute).value
        return updated_node.with_changes(func=self.helper("_doctor_to_legacy"), args=[cst.Arg(cache)])
