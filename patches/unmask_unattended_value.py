"""`AttentionMaskConverter._unmask_unattended` is called with an attention mask and `unmasked_value`.

Since transformers 4.39 it takes the mask and the dtype's minimum, and finds the rows itself: `TypeError:
AttentionMaskConverter._unmask_unattended() got an unexpected keyword argument 'unmasked_value'`.  The file brings
along the old function.

Reference: https://github.com/huggingface/transformers/blob/v4.39.0/src/transformers/modeling_attn_mask_utils.py
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

FUNCTION = "_doctor_unmask_unattended"
CALLED = m.Attribute(value=m.Name("AttentionMaskConverter"), attr=m.Name("_unmask_unattended"))
BY_KEYWORD = m.Arg(keyword=m.Name("unmasked_value"))
CALL = "m = AttentionMaskConverter._unmask_unattended("


class UnmaskUnattendedValue(Patch):
    old, new = "transformers<4.39", "transformers>=4.36"
    needles = (b"._unmask_unattended(",)
    mends = ("argument:_unmask_unattended.unmasked_value",)
    helpers = {
        FUNCTION: '''
def _doctor_unmask_unattended(expanded_mask, attention_mask, unmasked_value):
    """The mask, with `unmasked_value` in the rows of the padding on the left: those attend to nothing else."""
    first = (attention_mask != 0).int().argmax(dim=1).to(expanded_mask.device)
    padding = torch.arange(expanded_mask.shape[-2], device=expanded_mask.device) < first[:, None]
    padding = padding[:, None, :, None] if expanded_mask.dim() == 4 else padding[:, :, None]
    return expanded_mask.masked_fill(padding, unmasked_value)
'''
    }
    examples = [
        Example(
            "import torch\n" + CALL + "m, attention_mask, unmasked_value=True)",
            "import torch\nm = _doctor_unmask_unattended(m, attention_mask, unmasked_value=True)",
        ),
        Example(
            "import torch\n" + CALL + "\n    m, attention_mask, unmasked_value=0.0\n)",
            "import torch\nm = _doctor_unmask_unattended(\n    m, attention_mask, unmasked_value=0.0\n)",
        ),
        Example(
            "import torch\n" + CALL + "m, attention_mask, 0.0)",
            "import torch\nm = _doctor_unmask_unattended(m, attention_mask, 0.0)",
        ),
        Example(CALL + "m, min_dtype=min_dtype)", keeps="the newer form"),
        Example(CALL + "m, torch.finfo(dtype).min)", keeps="the newer form"),
    ]
    proof = """
import torch
from transformers.modeling_attn_mask_utils import AttentionMaskConverter

attended = torch.tensor([[0, 1]])
mask = torch.tensor([[False, False], [False, True]]).expand(1, 1, 2, 2)
mask = AttentionMaskConverter._unmask_unattended(mask, attended, unmasked_value=True)
assert mask.tolist() == [[[[True, True], [False, True]]]]
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node.func, CALLED):
            return updated_node
        if len(updated_node.args) != 3 and not any(m.matches(arg, BY_KEYWORD) for arg in updated_node.args):
            return updated_node
        return updated_node.with_changes(func=self.helper(FUNCTION))
