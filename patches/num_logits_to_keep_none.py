"""A slice negates `num_logits_to_keep`, which may be None.

Releases of transformers from 4.49 on do not hand this argument any more, and a file that passes its own default on
gets None: `TypeError: bad operand type for unary -: 'NoneType'`.  None means all of them, as 0 does.

Reference: https://github.com/huggingface/transformers/pull/37149
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

NEGATED = m.UnaryOperation(operator=m.Minus(), expression=m.Name("num_logits_to_keep"))


class NumLogitsToKeepNone(Patch):
    old, new = "transformers>=4.45,<4.49", "transformers>=4.36"
    needles = (b"-num_logits_to_keep",)
    examples = [
        Example(
            "logits = self.lm_head(hidden_states[:, -num_logits_to_keep:, :])",
            "logits = self.lm_head(hidden_states[:, -(num_logits_to_keep or 0):, :])",
        ),
        Example("h = h[:, -num_logits_to_keep:]", "h = h[:, -(num_logits_to_keep or 0):]"),
        Example("n = -num_logits_to_keep", "n = -(num_logits_to_keep or 0)"),
        Example("h = h[:, -(num_logits_to_keep or 0) :]", keeps="None is taken care of"),
        Example("h = h[:, -logits_to_keep:]", keeps="the newer argument, which is a number or a tensor"),
    ]
    proof = """
from scenery import Tiny

class M(Tiny):
    def forward(self, input_ids, attention_mask=None, num_logits_to_keep=0, **kwargs):
        return self.answer(input_ids[:, -num_logits_to_keep:])

    def prepare_inputs_for_generation(self, input_ids, num_logits_to_keep=None, **kwargs):
        return {"input_ids": input_ids, "num_logits_to_keep": num_logits_to_keep}

assert M(M.config_class()).says() == [3, 3, 3]
"""

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.UnaryOperation:
        if not m.matches(updated_node, NEGATED):
            return updated_node
        return updated_node.with_changes(expression=cst.parse_expression("(num_logits_to_keep or 0)"))
