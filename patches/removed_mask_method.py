"""A model calls `self.get_head_mask`, `get_extended_attention_mask` or `invert_attention_mask`, which models lost.

transformers 5.0 took `get_head_mask` away (`AttributeError: 'GPTNeoXModel' object has no attribute 'get_head_mask'`),
5.17 the other two (`AttributeError: 'GPT2Model' object has no attribute 'invert_attention_mask'`).  The file brings
along functions with the old numbers.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.parsing import nodes
from doctor.patch import Example, File, Patch

FUNCTIONS = {
    "get_head_mask": "_doctor_head_mask",
    "_convert_head_mask_to_5d": "_doctor_head_mask",
    "get_extended_attention_mask": "_doctor_extended_attention_mask",
    "invert_attention_mask": "_doctor_invert_attention_mask",
}
SUPER = m.Call(func=m.Name("super"))
SELF_MODEL = m.Attribute(value=m.Name("self"), attr=m.Name("model"))
METHOD = m.Attribute(
    value=m.OneOf(m.Name("self"), m.Name("model"), SELF_MODEL, SUPER),
    attr=m.OneOf(*(m.Name(name) for name in FUNCTIONS)),
)


class RemovedMaskMethod(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(f".{name}(".encode() for name in FUNCTIONS)
    mends = tuple(f"attribute:{name}" for name in FUNCTIONS)
    helpers = {
        "_doctor_head_mask": '''
def _doctor_head_mask(model, head_mask, num_hidden_layers, is_attention_chunked=False):
    """What PreTrainedModel.get_head_mask answered in transformers 4: a mask, or None, for each layer."""
    if head_mask is None:
        return [None] * num_hidden_layers
    if head_mask.dim() == 1:
        head_mask = head_mask[None, None, :, None, None].expand(num_hidden_layers, -1, -1, -1, -1)
    elif head_mask.dim() == 2:
        head_mask = head_mask[:, None, :, None, None]
    assert head_mask.dim() == 5, f"head_mask has {head_mask.dim()} dimensions, not 5"
    head_mask = head_mask.to(dtype=model.dtype)
    return head_mask.unsqueeze(-1) if is_attention_chunked is True else head_mask
''',
        "_doctor_extended_attention_mask": '''
def _doctor_extended_attention_mask(model, attention_mask, input_shape, device=None, dtype=None):
    """What PreTrainedModel.get_extended_attention_mask answered in transformers 4: 0 to attend, the minimum not to."""
    if isinstance(device, torch.dtype):  # 5.0 takes no device
        device, dtype = None, device
    dtype, device = dtype or model.dtype, device or attention_mask.device
    if attention_mask.dim() not in (2, 3):
        raise ValueError(f"attention_mask of shape {tuple(attention_mask.shape)} for an input of {tuple(input_shape)}")
    extended = attention_mask[:, None, :, :] if attention_mask.dim() == 3 else attention_mask[:, None, None, :]
    if attention_mask.dim() == 2 and getattr(model.config, "is_decoder", False):
        length, whole = input_shape[1], max(input_shape[1], attention_mask.shape[1])
        seen = torch.arange(whole, device=device) <= torch.arange(whole - length, whole, device=device)[:, None]
        extended = seen[None, None].to(attention_mask.dtype) * extended
    return (1.0 - extended.to(dtype=dtype)) * torch.finfo(dtype).min
''',
        "_doctor_invert_attention_mask": '''
def _doctor_invert_attention_mask(model, encoder_attention_mask):
    """What PreTrainedModel.invert_attention_mask answered in transformers 4: 0 to attend, the minimum not to."""
    if encoder_attention_mask.dim() not in (2, 3):
        raise ValueError(f"encoder_attention_mask of shape {tuple(encoder_attention_mask.shape)}")
    ahead = (None,) if encoder_attention_mask.dim() == 3 else (None, None)
    extended = encoder_attention_mask[(slice(None), *ahead)].to(dtype=model.dtype)
    return (1.0 - extended) * torch.finfo(model.dtype).min
''',
    }
    examples = [
        Example(
            "head_mask = self.get_head_mask(head_mask, self.config.n_layer)",
            "head_mask = _doctor_head_mask(self, head_mask, self.config.n_layer)",
        ),
        Example(
            "import torch\nmask = self.invert_attention_mask(encoder_attention_mask)",
            "import torch\nmask = _doctor_invert_attention_mask(self, encoder_attention_mask)",
        ),
        Example(
            "import torch\nmask = super().get_extended_attention_mask(mask, input_shape, dtype=self.dtype)",
            "import torch\nmask = _doctor_extended_attention_mask(self, mask, input_shape, dtype=self.dtype)",
        ),
        Example(
            "import torch\nmask = self.model.get_extended_attention_mask(\n    mask, shape, device\n)",
            "import torch\nmask = _doctor_extended_attention_mask(\n    self.model, mask, shape, device\n)",
        ),
        Example(
            "head_mask = self._convert_head_mask_to_5d(head_mask, 12)",
            "head_mask = _doctor_head_mask(self, head_mask, 12)",
        ),
        Example(
            "class M(P):\n    def get_head_mask(self, mask, n):\n        return [mask] * n\n"
            "    def forward(self, mask):\n        return self.get_head_mask(mask, 2)\n",
            keeps="the file's own method",
        ),
        Example("mask = masks.get_head_mask(mask, 2)", keeps="not a model"),
    ]
    proof = """
import torch
from scenery import Tiny

class M(Tiny):
    def forward(self, mask, heads=None):
        return self.get_head_mask(heads, 2), self.invert_attention_mask(mask)

heads, mask = M(M.config_class())(torch.tensor([[1, 0]]))
assert heads == [None, None] and mask.flatten().tolist() == [0.0, torch.finfo(torch.float32).min]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.own: set[str] = set()

    def visit_Module(self, node: cst.Module) -> None:
        self.own = {function.name for function in nodes(self.file.text, ast.FunctionDef)}

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if not m.matches(updated_node.func, METHOD):
            return updated_node
        method = cst.ensure_type(updated_node.func, cst.Attribute)
        if method.attr.value in self.own:
            return updated_node
        model = cst.Name("self") if m.matches(method.value, SUPER) else method.value
        function = self.helper(FUNCTIONS[method.attr.value])
        return updated_node.with_changes(func=function, args=[cst.Arg(model), *updated_node.args])
