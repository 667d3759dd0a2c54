"""A model that inherits the library's `forward` makes its mask in `_update_causal_mask`.

Up to transformers 4.52 the library's models asked that method for the mask of their layers; a class such as
`BidirectionalModel(LlamaModel)` overrides it to look both ways.  Since 4.53 nobody calls it, and the model looks back
only, without an error.  The rewritten class asks it, and hands the mask over as the caller's own, which the library
leaves as it is.

Reference: https://github.com/huggingface/transformers/pull/37866
"""

from __future__ import annotations

import libcst as cst

from doctor.borrowed import masking
from doctor.patch import Example, File, Patch, with_method

HELPER = '''
def _doctor_masked(forward, model, args, kwargs):
    """Call the library's forward with the mask of the model's own `_update_causal_mask`, if nothing else calls it."""
    import inspect

    import torch

    kinds = [kind for kind in type(model).__mro__ if kind.__module__.startswith("transformers.models.")]
    if any("_update_causal_mask" in vars(kind) for kind in kinds):
        return forward(*args, **kwargs)
    given = dict(inspect.signature(forward).bind(*args, **kwargs).arguments)
    given.update(given.pop("kwargs", {}))
    embeds, cache = given.get("inputs_embeds"), given.get("past_key_values")
    embeds = model.embed_tokens(given["input_ids"]) if embeds is None else embeds
    past, new = 0 if cache is None else cache.get_seq_length(), embeds.shape[1]
    positions = given.get("cache_position")
    positions = torch.arange(past, past + new, device=embeds.device) if positions is None else positions
    asked = given.get("attention_mask"), embeds, positions, cache, bool(given.get("output_attentions"))
    takes = len(inspect.signature(model._update_causal_mask).parameters)
    mask = model._update_causal_mask(*asked[:takes])
    if mask is None and model.config._attn_implementation == "eager":
        mask = embeds.new_zeros(1, 1, new, past + new)  # no mask hid nothing
    given["attention_mask"] = mask[..., : past + new] if mask is not None and mask.dim() == 4 else mask
    return forward(**given)
'''
HEAD = "from transformers import LlamaModel\n"
MODEL = """class Both(LlamaModel):
    def _update_causal_mask(self, attention_mask, input_tensor, cache_position, past_key_values, output_attentions):
        return None
"""
METHOD = """def forward(self, *args, **kwargs):
    return _doctor_masked(super().forward, self, args, kwargs)
"""
ADDED = """
    def forward(self, *args, **kwargs):
        return _doctor_masked(super().forward, self, args, kwargs)
"""


class MaskMethodUncalled(Patch):
    old, new = "transformers<4.53", "transformers>=4.42"
    needles = (b"def _update_causal_mask(",)
    mends = ("mask-method-uncalled",)
    helpers = {"_doctor_masked": HELPER}
    examples = [
        Example(HEAD + MODEL, HEAD + MODEL + ADDED),
        Example(
            HEAD + MODEL + "    def forward(self, x):\n        return self._update_causal_mask(x, x, 0, None, False)\n",
            keeps="the class calls it",
        ),
        Example(MODEL, keeps="a model of the file's own"),
        Example(HEAD + MODEL.replace("(LlamaModel)", "(PreTrainedModel)"), keeps="not derived from the library's"),
    ]
    proof = """
import torch
from transformers import LlamaConfig, LlamaModel

class Both(LlamaModel):
    def _update_causal_mask(
        self, attention_mask, input_tensor, cache_position, past_key_values=None, output_attentions=False
    ):
        return input_tensor.new_zeros(1, 1, input_tensor.shape[1], input_tensor.shape[1] + 1)

sizes = dict(hidden_size=16, intermediate_size=16, num_attention_heads=2, num_hidden_layers=1, vocab_size=8)
torch.manual_seed(0)
model = Both(LlamaConfig(**sizes)).eval()
with torch.no_grad():
    first = [model(torch.tensor([[1, 2, last]]), use_cache=False).last_hidden_state[0, 0] for last in (3, 4)]
assert not torch.allclose(*first), "the first token does not see the last"
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.models = masking(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return name in self.models

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        own = (part.name.value for part in updated_node.body.body if isinstance(part, cst.FunctionDef))
        if self.file.scope or updated_node.name.value not in self.models or "forward" in own:
            return updated_node
        self.helper("_doctor_masked")
        return with_method(updated_node, METHOD)
