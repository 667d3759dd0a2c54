"""A layer masks its sliding window by the rows of the mask, for a cache that holds nothing but the window.

`torch.tril(torch.ones_like(attention_mask), diagonal=-window)` takes the first row for the first token of the text.
One new token after a cache is the first row, and nothing is masked: right for the `HybridCache` of Gemma 2's days,
whose layer holds the window and no more.  From transformers 4.54 on such a file gets a cache that keeps everything, and
a new token sees all of the text, without an error; files of 4.48 to 4.51 cut the mask to the window besides: `The size
of tensor a (25) must match the size of tensor b (20)`.  Where the cache keeps everything, rows are now counted from the
position of their token, and nothing is cut: generation says what the model says of the whole text.  (The HybridCache
of 4.42 to 4.51 does not while a text grows past its window: it lets go of a key too early.)

Reference: https://github.com/huggingface/transformers/pull/40039
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch
from doctor.traversal import find

KEEPS, MASKED = "_doctor_keeps_all", "_doctor_window_mask"
CACHES = ("past_key_value", "past_key_values")
POSITION = "cache_position"
ONES = m.Call(m.Attribute(m.Name("torch"), m.Name("ones_like")), [m.Arg(m.Name()), m.ZeroOrMore()])
BEHIND = m.Arg(keyword=m.Name("diagonal"), value=m.UnaryOperation(m.Minus(), m.Attribute(m.Name("self"))))
ROWS = m.Call(m.Attribute(m.Name("torch"), m.Name("tril")), [m.Arg(ONES), BEHIND])
HELPERS = {
    KEEPS: f'''
def {KEEPS}(cache):
    """Whether no layer of a cache is limited to a sliding window, as every second one of a HybridCache is."""
    if not hasattr(cache, "layers"):  # before 4.54 a cache says so itself
        return not hasattr(cache, "is_sliding")
    return not any(getattr(layer, "is_sliding", False) for layer in cache.layers)
''',
    MASKED: f'''
def {MASKED}(mask, window, cache_position):
    """A mask of all keys, (batch, 1, new, keys), without what is `window` or more before each new token."""
    if mask.dim() == 2:  # of flash attention, which is handed the window as well
        return mask
    if mask.shape[-1] == 1:  # made for the new token alone, where the caller handed in no mask
        mask = mask.expand(-1, -1, -1, int(cache_position[-1]) + 1)
    places = torch.arange(mask.shape[-1], device=mask.device)
    behind = places <= cache_position.to(mask.device)[:, None] - window
    return mask.masked_fill(behind, torch.finfo(mask.dtype).min)
''',
}
HEAD = """class Layer(nn.Module):
    def forward(self, x, attention_mask=None, past_key_value=None, cache_position=None):
"""
TEST = "        if self.is_sliding and attention_mask is not None:  # efficient\n"
BODY = """            rows = torch.tril(torch.ones_like(attention_mask, dtype=bool), diagonal=-self.sliding_window)
            attention_mask = torch.where(rows, torch.finfo(x.dtype).min, attention_mask)
            # when decoding
            if attention_mask.shape[-1] <= 1:
                attention_mask = attention_mask[:, :, :, -self.sliding_window :]
"""
BEFORE = HEAD + TEST + BODY
AFTER = (
    f"{HEAD}{TEST}            if {KEEPS}(past_key_value):\n"
    f"                attention_mask = {MASKED}(attention_mask, self.sliding_window, cache_position)\n"
    "            else:\n" + "".join(f"    {line}" for line in BODY.splitlines(True))
)


class SlidingMaskByRow(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b"diagonal=-",)
    helpers = HELPERS
    examples = [
        Example(BEFORE, AFTER),
        Example(BEFORE.replace("past_key_value", "past"), keeps="a layer without a cache"),
        Example(BEFORE.replace(", cache_position=None", ""), keeps="the layer is not told its tokens' positions"),
        Example(BEFORE.replace("diagonal=-self.sliding_window", "diagonal=-1"), keeps="no window"),
        Example(BEFORE.replace(" and attention_mask is not None", ""), keeps="not the mask that was handed in"),
    ]
    proof = """
import torch
from scenery import Tiny, TinyConfig, states
from transformers import DynamicCache, cache_utils

class Layer(torch.nn.Module):
    is_sliding, sliding_window = True, 2

    def forward(self, tokens, attention_mask=None, past_key_value=None, cache_position=None):
        if self.is_sliding and attention_mask is not None:
            rows = torch.tril(torch.ones_like(attention_mask, dtype=torch.bool), diagonal=-self.sliding_window)
            attention_mask = torch.where(rows, -1.0, attention_mask)
        keys, _ = past_key_value.update(
            states(tokens), states(tokens), 0, {"cache_position": cache_position, "sliding_window": 2}
        )
        return (attention_mask[..., : keys.shape[2]] == 0).sum(-1).flatten().tolist()

def cache():
    if hasattr(cache_utils, "DynamicLayer"):  # the library's HybridCache is another thing since 4.54
        return DynamicCache()
    config = TinyConfig(sliding_window=2, num_key_value_heads=1, head_dim=4)
    return cache_utils.HybridCache(config, max_batch_size=1, max_cache_len=6)

layer, kept = Layer(), cache()
causal = torch.full((5, 6), -1.0).triu(1)[None, None]
assert layer(5, causal, kept, torch.arange(5)) == [1, 2, 2, 2, 2]
assert layer(1, torch.zeros(1, 1, 1, 6), kept, torch.tensor([5])) == [2], "a new token sees more than its window"
"""

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        given = _parameters(self.file.function)
        cache = next((name for name in CACHES if name in given), None)
        body = updated_node.body
        if cache is None or POSITION not in given or find(updated_node, m.Call(m.Name(KEEPS))):
            return updated_node
        for rows in find(body, ROWS):
            [ones, behind] = cst.ensure_type(rows, cst.Call).args
            mask = cst.ensure_type(cst.ensure_type(ones.value, cst.Call).args[0].value, cst.Name)
            handed = m.Comparison(m.Name(mask.value), [m.ComparisonTarget(m.IsNot(), m.Name("None"))])
            if mask.value in given and find(updated_node.test, handed) and isinstance(body, cst.IndentedBlock):
                window = cst.ensure_type(behind.value, cst.UnaryOperation).expression
                return updated_node.with_changes(body=self._chosen(mask, window, cache, body))
        return updated_node

    def _chosen(
        self, mask: cst.Name, window: cst.BaseExpression, cache: str, body: cst.IndentedBlock
    ) -> cst.IndentedBlock:
        """One mask where the cache keeps everything, the file's own where it does not."""
        masked = cst.Call(self.helper(MASKED), [cst.Arg(mask), cst.Arg(window), cst.Arg(cst.Name(POSITION))])
        mine = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(mask)], masked)])
        keeps = cst.Call(self.helper(KEEPS), [cst.Arg(cst.Name(cache))])
        otherwise = cst.Else(body.with_changes(header=cst.TrailingWhitespace()))
        return body.with_changes(body=[cst.If(keeps, cst.IndentedBlock([mine]), otherwise)], footer=[])


def _parameters(function: cst.FunctionDef | None) -> set[str]:
    """The names that a function takes."""
    if function is None:
        return set()
    return {parameter.name.value for parameter in (*function.params.params, *function.params.kwonly_params)}
