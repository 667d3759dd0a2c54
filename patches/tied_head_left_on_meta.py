"""A tied head of a model that the library does not have is left without memory by transformers 5.3.

5.3 takes the tied weights of such remote code off the list of what the checkpoint lacks, before it ties: it says that
both "are present in the checkpoints, so we will NOT tie them", and the head is never filled: garbage for logits.
The model puts its own back on the list.  5.4 does the same itself.

Reference: https://github.com/huggingface/transformers/blob/v5.4.0/src/transformers/modeling_utils.py
"""

from __future__ import annotations

from collections.abc import Set
from textwrap import indent

from doctor.classes import Classes
from doctor.method_patch import MethodPatch
from doctor.patch import Example

HELPER, MARKS = "_doctor_missing_ties", "mark_tied_weights_as_initialized"
METHOD = f"""def {MARKS}(self, *args):
    {HELPER}(self, super().{MARKS}, *args)
"""
ADDED = "\n" + indent(METHOD, "    ")
MODEL = """class M(PreTrainedModel):
    _tied_weights_keys = {"head.weight": "embed.weight"}

    def get_output_embeddings(self):
        return self.head
"""


class TiedHeadLeftOnMeta(MethodPatch):
    old, new = "transformers!=5.3.*", "transformers>=4.36"
    needles = (b"def get_output_embeddings",)
    mends = ("tied-head-left-on-meta",)
    added = METHOD
    helpers = {
        HELPER: '''
def _doctor_missing_ties(model, mark, *loading):
    """transformers 5.3 forgets that the tied weights of remote code are missing, and would not tie them."""
    missing = getattr(loading[0], "missing_keys", None) if loading else None
    tied = set(missing or ()) & set(model.all_tied_weights_keys)
    mark(*loading)
    if tied:
        loading[0].missing_keys |= tied
'''
    }
    examples = [
        Example(MODEL, MODEL + ADDED),
        Example(
            "class P(PreTrainedModel):\n    pass\n\n" + MODEL.replace("(PreTrainedModel)", "(P)"),
            "class P(PreTrainedModel):\n    pass\n\n" + MODEL.replace("(PreTrainedModel)", "(P)") + ADDED,
        ),
        Example(MODEL + ADDED.replace("_doctor", "_my"), keeps="the model answers 5.3 itself"),
        Example(MODEL.replace("self.head", "None"), keeps="no head"),
        Example(MODEL.replace("class M(", "class LlamaForCausalLM("), keeps="the library has the type"),
        Example(MODEL.replace("PreTrainedModel", "nn.Module"), keeps="not a model of transformers"),
    ]
    proof = """
import tempfile

import torch
from safetensors.torch import save_file
from scenery import TinyConfig
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig
    _auto_class = "AutoModel"
    _tied_weights_keys = {"head.weight": "embed.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(8, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.head

with tempfile.TemporaryDirectory() as folder:
    TinyConfig(tie_word_embeddings=True).save_pretrained(folder)
    save_file({"embed.weight": torch.ones(8, 4)}, folder + "/model.safetensors", metadata={"format": "pt"})
    model = M.from_pretrained(folder)
assert torch.equal(model.head.weight, torch.ones(8, 4))
"""

    def lacking(self, classes: Classes) -> Set[str]:
        return {name for name in classes.nodes if classes.headed(name)}
