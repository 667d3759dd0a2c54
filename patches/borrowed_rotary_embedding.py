"""A rotary embedding of the library is made, or applied, as transformers 4.47 had it.

`LlamaRotaryEmbedding(dim, max_position_embeddings, base)` takes a configuration only since 4.48 (`TypeError: __init__()
got an unexpected keyword argument 'base'`).  Made of a configuration, it reads `rope_parameters` since 5.0, which a
remote configuration class that keeps `rope_theta` to itself may not have (`AttributeError: 'MyConfig' object has no
attribute 'rope_parameters'`).
`apply_rotary_pos_emb` did nothing with `position_ids`, and takes that place for another argument since 5.0.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.borrowed import FAMILIES, rotary
from doctor.patch import Example, File, Patch
from doctor.rope_patch import EMBEDDING

LLAMA = "transformers.models.llama.modeling_llama"
ROTARY = f"from {LLAMA} import LlamaRotaryEmbedding\n"
CONFIG = """class MyConfig(PretrainedConfig):
    def __init__(self, rope_theta=5e5, **kwargs):
        self.rope_theta = rope_theta
        super().__init__(**kwargs)
"""
APPLY = f"from {LLAMA} import apply_rotary_pos_emb\n"


class BorrowedRotaryEmbedding(Patch):
    old, new = "transformers<4.48", "transformers>=4.41"
    needles = (b"RotaryEmbedding(", b"apply_rotary_pos_emb(")
    mends = (
        *(f"argument:{family}RotaryEmbedding" for family in FAMILIES),
        "argument:apply_rotary_pos_emb.position_ids",
    )
    helpers = {"_doctor_rotary_embedding": EMBEDDING}
    examples = [
        Example(
            ROTARY + "rotary = LlamaRotaryEmbedding(dim, max_position_embeddings=2048, base=b)\n",
            ROTARY
            + "rotary = _doctor_rotary_embedding(LlamaRotaryEmbedding, dim, max_position_embeddings=2048, base=b)\n",
        ),
        Example(
            ROTARY + CONFIG + "rotary = LlamaRotaryEmbedding(config=self.config)\n",
            ROTARY + CONFIG + "rotary = _doctor_rotary_embedding(LlamaRotaryEmbedding, config=self.config)\n",
        ),
        Example(
            APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin, position_ids)\n",
            APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin)\n",
        ),
        Example(
            APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin, position_ids=None)\n",
            APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin)\n",
        ),
        Example(APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin, 2)\n", keeps="the axis, of newer releases"),
        Example(APPLY + "q, k = apply_rotary_pos_emb(q, k, cos, sin, unsqueeze_dim)\n", keeps="the same under a name"),
        Example("rotary = LlamaRotaryEmbedding(dim, base=theta)\n", keeps="a class of the file's own"),
        Example(
            "from .rotary import apply_rotary_pos_emb\nq, k = apply_rotary_pos_emb(q, k, cos, sin, position_ids)\n",
            keeps="a function of the file's own",
        ),
    ]
    proof = """
import torch
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb

rotary = LlamaRotaryEmbedding(8, max_position_embeddings=64, base=500.0)
assert torch.allclose(rotary.inv_freq, 500.0 ** (-torch.arange(0, 8, 2) / 8))
positions = torch.tensor([[2, 5]])
cos, sin = rotary(torch.ones(1, 2, 8), positions)
turned, _ = apply_rotary_pos_emb(torch.ones(1, 3, 2, 8), torch.ones(1, 3, 2, 8), cos, sin, positions)
assert torch.allclose(turned[0, 0, :, 0], torch.tensor([2.0, 5.0]).cos() - torch.tensor([2.0, 5.0]).sin())
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.names = rotary(file.text)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func
        if not isinstance(func, cst.Name) or func.value not in self.names:
            return updated_node
        if self.names[func.value] == "apply_rotary_pos_emb":
            kept = [arg for place, arg in enumerate(updated_node.args) if not _positions(place, arg)]
            if len(kept) == len(updated_node.args):
                return updated_node
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            return updated_node.with_changes(args=kept)
        if not updated_node.args:
            return updated_node
        made = self.helper("_doctor_rotary_embedding")
        return updated_node.with_changes(func=made, args=[cst.Arg(func), *updated_node.args])


def _positions(place: int, arg: cst.Arg) -> bool:
    """Whether an argument is the `position_ids` that nothing was done with."""
    if arg.keyword is not None:
        return arg.keyword.value == "position_ids"
    return place == 4 and not arg.star and m.matches(arg.value, m.Name(m.MatchRegex("None|.*position.*")))
