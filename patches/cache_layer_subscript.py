"""A layer of a cache is taken by subscript: `past_key_value[layer_idx]`, `cache.key_cache[layer_idx]`.

`key_cache` and `value_cache` are gone since transformers 4.56 (`AttributeError: 'DynamicCache' object has no attribute
'key_cache'`), the subscript since 5.0 (`TypeError: 'DynamicCache' object is not subscriptable`); layers are now
objects with `keys` and `values`.

Reference: https://github.com/huggingface/transformers/issues/48479
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, File, Patch
from doctor.traversal import find

PARTS = {"key_cache": "0", "value_cache": "1"}
BY_LIST = m.Attribute(attr=m.OneOf(m.Name("key_cache"), m.Name("value_cache")))
ONE = [m.SubscriptElement(slice=m.Index())]
CACHE = m.MatchRegex(".*(past_key|cache).*")
OF_CACHE = m.OneOf(
    m.Subscript(value=m.Name(CACHE), slice=ONE), m.Subscript(value=m.Attribute(attr=m.Name(CACHE)), slice=ONE)
)
OF_LIST = m.Subscript(value=BY_LIST, slice=ONE)
LAYER = m.Name(m.MatchRegex(".*layer_(idx|index|id|number)"))


class CacheLayerSubscript(Patch):
    old, new = "transformers<4.56", "transformers>=4.36"
    needles = (b".key_cache[", b".value_cache[", b"layer_i", b"layer_number]")
    mends = ("attribute:key_cache", "attribute:value_cache")
    helpers = {
        "_doctor_cache_layer": '''
def _doctor_cache_layer(cache, layer_idx):
    """The keys and values of one layer of a cache, or of a tuple of layers."""
    if hasattr(cache, "layers"):
        return cache.layers[layer_idx].keys, cache.layers[layer_idx].values
    keys = getattr(cache, "key_cache", None)
    return cache[layer_idx] if keys is None else (keys[layer_idx], getattr(cache, "value_cache")[layer_idx])
'''
    }
    examples = [
        Example("k = past_key_value[self.layer_idx][0]", "k = _doctor_cache_layer(past_key_value, self.layer_idx)[0]"),
        Example("n = cache.key_cache[0].shape[-2]", "n = _doctor_cache_layer(cache, 0)[0].shape[-2]"),
        Example(
            "k, v = past_key_values.key_cache[i], past_key_values.value_cache[i]",
            "k, v = _doctor_cache_layer(past_key_values, i)[0], _doctor_cache_layer(past_key_values, i)[1]",
        ),
        Example("past_key_values.key_cache[i] = k", keeps="an assignment"),
        Example("class C(Cache):\n    def f(self, i):\n        return self.key_cache[i]", keeps="a cache's own list"),
        Example("past_length = past_key_values[0][0].shape[2]", keeps="a tuple of layers"),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

cache = DynamicCache()
cache.update(states(3), states(3), 0)
assert cache.key_cache[0].shape[-2] == 3
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.stored: set[cst.CSTNode] = set()

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.stored |= set(find(node, m.Subscript()))

    def visit_AugAssign(self, node: cst.AugAssign) -> None:
        self.stored.add(node.target)

    def visit_Del(self, node: cst.Del) -> None:
        self.stored |= set(find(node, m.Subscript()))

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        if original_node in self.stored:
            return updated_node
        index = updated_node.slice[0].slice
        if not isinstance(index, cst.Index):
            return updated_node
        if m.matches(updated_node, OF_LIST):
            lists = cst.ensure_type(updated_node.value, cst.Attribute)
            if m.matches(lists.value, m.Name("self")):
                return updated_node
            layer = self._layer(lists.value, index.value)
            part = cst.SubscriptElement(cst.Index(cst.Integer(PARTS[lists.attr.value])))
            return cst.Subscript(layer, [part])
        if m.matches(updated_node, OF_CACHE) and find(index, LAYER):
            return self._layer(updated_node.value, index.value)
        return updated_node

    def _layer(self, cache: cst.BaseExpression, index: cst.BaseExpression) -> cst.Call:
        return cst.Call(self.helper("_doctor_cache_layer"), [cst.Arg(cache), cst.Arg(index)])
