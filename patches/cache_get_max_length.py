"""A cache is asked for its limit by a name, and with a meaning, that change from release to release.

`get_max_length()` became `get_max_cache_shape()` in transformers 4.46, was removed in 4.49 (`AttributeError:
'DynamicCache' object has no attribute 'get_max_length'`) and came back in 5.13, when the other name went (5.20).
"No limit" is None up to 4.53 and -1 from 4.54 on, and a cache that has no layers yet raises `ValueError: max() arg
is an empty sequence` on 5.x.  The helper takes whichever name there is and answers None where there is no limit.

Reference: https://github.com/hiyouga/LLaMA-Factory/issues/8048
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, File, Patch

ASKED = m.Call(
    func=m.Attribute(attr=m.OneOf(m.Name("get_max_length"), m.Name("get_max_cache_shape"))),
    args=[],
)
OWN = m.Attribute(value=m.OneOf(m.Name("self"), m.Name("cls"), m.Call(func=m.Name("super"))))
ORDER = (cst.LessThan, cst.LessThanEqual, cst.GreaterThan, cst.GreaterThanEqual, cst.Equal, cst.NotEqual)


class CacheGetMaxLength(Patch):
    old, new = "transformers<4.49", "transformers>=4.36"
    needles = (b".get_max_length(", b".get_max_cache_shape(")
    mends = ("attribute:get_max_length", "attribute:get_max_cache_shape")
    helpers = {
        "_doctor_max_length": '''
def _doctor_max_length(cache):
    """The longest sequence the cache can hold, None where it has no limit."""
    name = "get_max_cache_shape" if hasattr(cache, "get_max_cache_shape") else "get_max_length"
    layers = None if type(cache).__module__ == __name__ else getattr(cache, "layers", None)
    # Newer releases cannot ask an empty list of layers, and answer for the first layer, which may be a window.
    lengths = [getattr(part, name)() for part in ([cache] if layers is None else layers)]
    return None if not lengths or any(length is None or length < 0 for length in lengths) else max(lengths)
'''
    }
    examples = [
        Example("limit = past_key_values.get_max_length()", "limit = _doctor_max_length(past_key_values)"),
        Example(
            "target = past_key_values.get_max_cache_shape()",
            "target = _doctor_max_length(past_key_values)",
        ),
        Example(
            "if self.cache.get_max_length() is not None:\n    pass",
            "if _doctor_max_length(self.cache) is not None:\n    pass",
        ),
        Example("if cache.get_max_length() < 8:\n    pass", keeps="an ordering counts on a number: -1, not None"),
        Example("limit = self.get_max_length()", keeps="the class's own method"),
        Example("limit = layer.get_max_length(0)", keeps="not the call without arguments"),
    ]
    proof = """
from scenery import states
from transformers import DynamicCache

cache = DynamicCache()
cache.update(states(3), states(3), 0)
assert cache.get_max_length() is None
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.ordered: set[cst.CSTNode] = set()

    def visit_Comparison(self, node: cst.Comparison) -> None:
        if any(isinstance(part.operator, ORDER) for part in node.comparisons):
            numbers = {node.left, *(part.comparator for part in node.comparisons)}
            self.ordered.update(numbers)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node, ASKED) or m.matches(updated_node.func, OWN):
            return updated_node
        if original_node in self.ordered:
            return updated_node
        cache = cst.ensure_type(updated_node.func, cst.Attribute).value
        return updated_node.with_changes(func=self.helper("_doctor_max_length"), args=[cst.Arg(cache)])
