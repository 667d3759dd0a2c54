"""A causal mask is made one longer than the keys where no attention mask is handed in.

Up to 4.57 the library's SDPA attention cut the mask to the keys.  From 5.0 on it takes it as it is: `RuntimeError: The
size of tensor a (24) must match the size of tensor b (25)`, as soon as the text is longer than the sliding window or
several tokens follow a cache, because newer releases hand None for a mask of ones.  Without the one it is as long as
the keys; what is attended to stays the same.

Reference: https://github.com/huggingface/transformers/pull/41900
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

INTERFACE = "ALL_ATTENTION_FUNCTIONS"
LENGTH = m.BinaryOperation(left=m.Name("past_seen_tokens"), operator=m.Add(), right=m.Name("sequence_length"))
TOO_LONG = m.BinaryOperation(left=LENGTH, operator=m.Add(), right=m.Integer("1"))
USE = f"from transformers.modeling_utils import {INTERFACE}\n"
BEFORE = f"""{USE}
class Model(PreTrainedModel):
    def _update_causal_mask(self, attention_mask, past_seen_tokens, sequence_length):
        target_length = (
            attention_mask.shape[-1]
            if isinstance(attention_mask, torch.Tensor)
            else past_seen_tokens + sequence_length + 1
        )
"""


class MaskOneTooLong(Patch):
    old, new = "transformers>=4.48,<5", "transformers>=4.48"
    needles = (b"past_seen_tokens + sequence_length + 1",)
    examples = [
        Example(BEFORE, BEFORE.replace("sequence_length + 1", "sequence_length")),
        Example(BEFORE.replace(USE, ""), keeps="the file attends itself, and cuts the mask to the keys"),
        Example(f"{USE}def grow(): return past_seen_tokens + sequence_length + 1\n", keeps="no mask"),
    ]

    proof = """
import torch
from scenery import Tiny, TinyConfig, states
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

class M(Tiny):
    def attend(self, hidden, attention_mask=None):
        mask = self._update_causal_mask(attention_mask, 0, hidden.shape[2])
        return ALL_ATTENTION_FUNCTIONS["sdpa"](self, hidden, hidden, hidden, mask)[0]

    def _update_causal_mask(self, attention_mask, past_seen_tokens, sequence_length):
        target_length = (
            attention_mask.shape[-1] if attention_mask is not None else past_seen_tokens + sequence_length + 1
        )
        return torch.zeros(1, 1, sequence_length, target_length)

assert M(TinyConfig()).attend(states(3)).shape == (1, 3, 1, 4)
"""

    def leave_BinaryOperation(
        self, original_node: cst.BinaryOperation, updated_node: cst.BinaryOperation
    ) -> cst.BaseExpression:
        function = self.file.function
        if function is None or "mask" not in function.name.value or INTERFACE not in self.file.text:
            return updated_node
        return updated_node.left if m.matches(updated_node, TOO_LONG) else updated_node
