"""A cache is built from the old tuple of layers by `from_legacy_cache`.

Removed in transformers 5.0: `AttributeError: type object 'DynamicCache' has no attribute 'from_legacy_cache'`.
The helper calls it where it exists and else fills an empty cache layer by layer.  A file that hands it a cache gets
that cache back: from 4.54 on its layers may be empty (`'NoneType' object has no attribute 'dtype'`).

Reference: https://github.com/huggingface/transformers/issues/48479
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

CONVERTED = m.Call(func=m.Attribute(attr=m.Name("from_legacy_cache")))
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls"), m.Call(func=m.Name("super"))))


class CacheFromLegacyCache(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b".from_legacy_cache(",)
    mends = ("attribute:from_legacy_cache",)
    helpers = {
        "_doctor_from_legacy": '''
def _doctor_from_legacy(cache_class, past_key_values=None):
    """A cache that holds the (key, value) pairs of a tuple of layers; releases from 5.0 on cannot convert it."""
    if hasattr(past_key_values, "get_seq_length"):  # a cache already, whose layers may still be empty
        return past_key_values
    convert = getattr(cache_class, "from_legacy_cache", None)
    if convert is not None:
        return convert(past_key_values)
    cache = cache_class()
    for layer_idx, layer in enumerate(past_key_values or ()):
        cache.update(layer[0], layer[1], layer_idx)
    return cache
'''
    }
    examples = [
        Example(
            "past_key_values = DynamicCache.from_legacy_cache(past_key_values)",
            "past_key_values = _doctor_from_legacy(DynamicCache, past_key_values)",
        ),
        Example(
            "cache = transformers.DynamicCache.from_legacy_cache(past_key_values=past)",
            "cache = _doctor_from_legacy(transformers.DynamicCache, past_key_values=past)",
        ),
        Example("cache = DynamicCache.from_legacy_cache()", "cache = _doctor_from_legacy(DynamicCache)"),
        Example(
            "class MyCache(DynamicCache):\n    @classmethod\n    def make(cls, x):\n"
            "        return cls.from_legacy_cache(x)",
            keeps="a cache's own class method",
        ),
        Example("past_key_values = DynamicCache()", keeps="an empty cache needs no conversion"),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

assert DynamicCache.from_legacy_cache(((states(3), states(3)),)).get_seq_length() == 3
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, CONVERTED) or m.matches(updated_node.func, OWN):
            return updated_node
        kind = cst.Arg(cst.ensure_type(updated_node.func, cst.Attribute).value)
        return updated_node.with_changes(func=self.helper("_doctor_from_legacy"), args=[kind, *updated_node.args])
