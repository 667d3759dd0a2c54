"""from_pretrained(dtype=...) is the newer spelling of `torch_dtype`.

transformers below 4.56 hands it to the model: `TypeError: LlamaForCausalLM.__init__() got an unexpected keyword
argument 'dtype'`.  `torch_dtype` is taken by every release, up to the newest.

Reference: https://github.com/huggingface/transformers/pull/39782
"""

from __future__ import annotations

from doctor.argument_patch import ArgumentPatch
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import AutoModel\nimport torch\n"


class TorchDtypeSpelledDtype(ArgumentPatch):
    old, new = "transformers>=4.56", "transformers>=4.36"
    needles = (b"dtype",)
    of = frozenset({"transformers.PreTrainedModel.from_pretrained", "transformers.pipeline"})
    mends = tuple(f"argument:{callee}.dtype" for callee in sorted(of))
    examples = [
        Example(
            f'{IMPORT}m = AutoModel.from_pretrained("m", dtype=torch.float32)',
            f'{IMPORT}m = AutoModel.from_pretrained("m", torch_dtype=torch.float32)',
        ),
        Example(
            f'{IMPORT}options = dict(dtype="auto")\nm = AutoModel.from_pretrained("m", **options)',
            f'{IMPORT}options = dict(torch_dtype="auto")\nm = AutoModel.from_pretrained("m", **options)',
        ),
        Example(
            f'{IMPORT}m = AutoModel.from_pretrained("m", torch_dtype="auto")', keeps="the spelling of every release"
        ),
        Example(
            'from transformers import FlaxAutoModel\nm = FlaxAutoModel.from_pretrained("m", dtype=jnp.float16)',
            keeps="Flax's own spelling",
        ),
        Example("import torch\nx = torch.zeros(3, dtype=torch.float32)", keeps="another function"),
    ]
    proof = """
import torch
from scenery import Tiny, folder

class M(Tiny):
    pass

assert M.from_pretrained(folder(), dtype=torch.float16).bias.dtype is torch.float16
"""

    def amend(self, given: Given) -> None:
        given.rename("dtype", "torch_dtype")
