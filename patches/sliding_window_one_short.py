"""A sliding window is handed to the library's mask functions, which count it differently since transformers 4.39.

Up to 4.38 a token saw `sliding_window` tokens, itself included; since then it sees one more.  A model of those days
answers differently as soon as the text is longer than its window, without an error.  The window is handed over one
shorter where config.json says that the model was made with such a release.

Reference: https://github.com/huggingface/transformers/issues/29623
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

HELPER = "_doctor_sliding_window"
MASKS = ("_prepare_4d_causal_attention_mask", "_prepare_4d_causal_attention_mask_for_sdpa", "AttentionMaskConverter")
WINDOW = m.Arg(keyword=m.Name("sliding_window"), value=m.Attribute(attr=m.Name("sliding_window")))
CALL = "mask = _prepare_4d_causal_attention_mask(mask, (b, n), x, past, sliding_window={})"


class SlidingWindowOneShort(Patch):
    old, new = "transformers<4.39", "transformers>=4.36"
    needles = (b"_prepare_4d_causal_attention_mask", b"AttentionMaskConverter(")
    helpers = {
        HELPER: '''
def _doctor_sliding_window(config):
    """The window in the count of transformers since 4.39, one less where the model was made with an older release."""
    window, made = config.sliding_window, getattr(config, "window_counted_by", None) or config.transformers_version
    numbers = [int(part) for part in str(made).split(".")[:2] if part.isdigit()]
    if window is None or len(numbers) < 2 or numbers >= [4, 39]:
        return window
    config.window_counted_by = made  # what is saved by a newer release keeps its count
    return window - 1
'''
    }
    examples = [
        Example(CALL.format("self.config.sliding_window"), CALL.format("_doctor_sliding_window(self.config)")),
        Example(
            CALL.replace("mask(", "mask_for_sdpa(").format("config.sliding_window"),
            CALL.replace("mask(", "mask_for_sdpa(").format("_doctor_sliding_window(config)"),
        ),
        Example(CALL.format("None"), keeps="no window"),
        Example(CALL.format("self.sliding_window"), keeps="not read from a configuration"),
        Example("y = attend(q, k, sliding_window=self.config.sliding_window)", keeps="another function"),
    ]

    proof = """
import torch
from scenery import TinyConfig
from transformers.modeling_attn_mask_utils import _prepare_4d_causal_attention_mask

config = TinyConfig(sliding_window=2, transformers_version="4.36.2")
embeds = torch.ones(1, 5, 4)
mask = _prepare_4d_causal_attention_mask(None, (1, 5), embeds, 0, sliding_window=config.sliding_window)
assert (mask[0, 0] == 0).sum(-1).tolist() == [1, 2, 2, 2, 2]
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func.attr if isinstance(updated_node.func, cst.Attribute) else updated_node.func
        if not isinstance(func, cst.Name) or func.value not in MASKS:
            return updated_node
        args = [self._counted(arg) for arg in updated_node.args]
        changed = any(new is not old for new, old in zip(args, updated_node.args, strict=True))
        return updated_node.with_changes(args=args) if changed else updated_node

    def _counted(self, arg: cst.Arg) -> cst.Arg:
        if not m.matches(arg, WINDOW):
            return arg
        config = cst.ensure_type(arg.value, cst.Attribute).value
        if m.matches(config, m.Name("self")):
            return arg
        return arg.with_changes(value=cst.Call(self.helper(HELPER), [cst.Arg(config)]))
