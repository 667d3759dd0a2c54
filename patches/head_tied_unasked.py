"""A model without `get_output_embeddings` has a head of its own.

Up to transformers 4.53 a model that did not name its output embeddings had none, and nothing was tied to anything.
4.54 to 4.57 take whatever is called `lm_head` for them and, where `tie_word_embeddings` is not switched off (it is on
by default), replace the loaded head by the input embeddings: wrong logits, no error.  The rewritten class says that it
has none, as it was.

Reference: https://github.com/huggingface/transformers/pull/39339
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example, File, Patch, with_method
from doctor.tied import unnamed_heads

METHOD = "def get_output_embeddings(self):\n    return None  # nothing was ever tied to the head\n"
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.lm_head = nn.Linear(8, 8, bias=False)
{}"""
ADDED = "\n    def get_output_embeddings(self):\n        return None  # nothing was ever tied to the head\n"


class HeadTiedUnasked(Patch):
    old, new = "transformers!=4.54.*,!=4.55.*,!=4.56.*,!=4.57.*", "transformers>=4.36"
    needles = (b"self.lm_head",)
    mends = ("head-tied-unasked",)
    examples = [
        Example(MODEL.format(""), MODEL.format(ADDED)),
        Example(
            MODEL.format("\n    def get_output_embeddings(self):\n        return self.lm_head\n"),
            keeps="the head is named",
        ),
        Example(
            MODEL.format("        self.lm_head.weight = self.embed.weight\n"), keeps="the author ties the two himself"
        ),
        Example("from transformers.utils import auto_docstring\n" + MODEL.format(""), keeps="written for 4.54"),
        Example(MODEL.format("").replace("(PreTrainedModel)", "(nn.Module)"), keeps="no model of transformers"),
        Example(MODEL.format("").replace("(PreTrainedModel)", "(LlamaForCausalLM)"), keeps="its base names the head"),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed_tokens = torch.nn.Embedding(8, 4)
        self.lm_head = torch.nn.Linear(4, 8, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed_tokens

model = M(TinyConfig())
with torch.no_grad():
    model.lm_head.weight.fill_(3.0)
    model.embed_tokens.weight.fill_(1.0)
assert (reloaded(model).lm_head.weight == 3.0).all()
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.heads = unnamed_heads(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return name in self.heads

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        if self.file.scope or updated_node.name.value not in self.heads:
            return updated_node
        own = (part.name.value for part in updated_node.body.body if isinstance(part, cst.FunctionDef))
        return updated_node if "get_output_embeddings" in own else with_method(updated_node, METHOD)
