"""A module that a model holds under two names is filled anew by transformers 5.0 and 5.1.

They take the name that the checkpoint lacks for a weight that it lacks, and initialise it: the module that the
checkpoint's other name had filled.  An embedding that is handed on (`Vision(config, wte=self.embed_tokens)`, as in
Phi-3-vision) ends up random, and says no more than that a weight was newly initialised.  The model tells these releases
that the two names are tied.  5.2 finds it out itself.

Reference: https://github.com/huggingface/transformers/blob/v5.2.0/src/transformers/modeling_utils.py
"""

from __future__ import annotations

from collections.abc import Set
from textwrap import indent

from doctor.classes import Classes
from doctor.method_patch import MethodPatch
from doctor.patch import Example
from doctor.tied import HANDED_ON, shared_modules

HELPER, MOVES = "_doctor_shared_weights", "_move_missing_keys_from_meta_to_device"
METHOD = f"""def {MOVES}(self, missing_keys, *args, **kwargs):
    {HELPER}(self, missing_keys)
    super().{MOVES}(missing_keys, *args, **kwargs)
"""
ADDED = "\n" + indent(METHOD, "    ")
MODEL = """class M(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(8, 4)
        self.vision = Vision(config, wte=self.embed)
"""
BASE = "class Base(PreTrainedModel):\n    config_class = C\n"


class SharedModuleFilledAnew(MethodPatch):
    old, new = "transformers!=5.0.*,!=5.1.*", "transformers>=4.36"
    needles = HANDED_ON
    mends = ("shared-module-filled-anew",)
    added = METHOD
    helpers = {
        HELPER: '''
def _doctor_shared_weights(model, missing):
    """transformers 5.0 and 5.1 fill a module of two names anew, where the checkpoint has one of them."""
    names = {}
    for name, weight in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(weight), []).append(name)
    for group in names.values():
        lacking = len(set(group) & set(missing))
        if 0 < lacking < len(group) and model.all_tied_weights_keys.keys().isdisjoint(group):
            model.all_tied_weights_keys.update(dict.fromkeys(group[1:], group[0]))
'''
    }
    examples = [
        Example(MODEL, MODEL + ADDED),
        Example(
            BASE + "\n" + MODEL.replace("(PreTrainedModel)", "(Base)"),
            BASE + ADDED + "\n" + MODEL.replace("(PreTrainedModel)", "(Base)"),
        ),
        Example(
            MODEL.replace("Vision(config, wte=self.embed)", "Vision(config, self.embed)"),
            MODEL.replace("Vision(config, wte=self.embed)", "Vision(config, self.embed)") + ADDED,
        ),
        Example(MODEL + ADDED.replace("_doctor", "_my"), keeps="the model answers it itself"),
        Example(MODEL.replace("wte=self.embed", "wte=self.embed.weight.shape"), keeps="no module is handed on"),
        Example(MODEL.replace("nn.Embedding", "nn.LayerNorm"), keeps="neither head nor embedding"),
        Example(MODEL.replace("PreTrainedModel", "nn.Module"), keeps="not a model of transformers"),
    ]
    proof = """
import tempfile

import torch
from safetensors.torch import save_file
from scenery import TinyConfig
from torch import nn
from transformers import PreTrainedModel

class Vision(nn.Module):
    def __init__(self, config, wte):
        super().__init__()
        self.wte = wte

class M(PreTrainedModel):
    config_class = TinyConfig
    _auto_class = "AutoModel"

    def __init__(self, config):
        super().__init__(config)
        self.embed = nn.Embedding(8, 4)
        self.vision = Vision(config, wte=self.embed)
        self.post_init()

    def _init_weights(self, module):
        pass

with tempfile.TemporaryDirectory() as folder:
    TinyConfig(tie_word_embeddings=False).save_pretrained(folder)
    save_file({"embed.weight": torch.full((8, 4), 7.0)}, folder + "/model.safetensors", metadata={"format": "pt"})
    model, report = M.from_pretrained(folder, output_loading_info=True)
assert torch.equal(model.embed.weight, torch.full((8, 4), 7.0))
assert model.vision.wte is model.embed
assert not report["missing_keys"], report
"""

    def lacking(self, classes: Classes) -> Set[str]:
        if not shared_modules(self.file.text):
            return set()
        models = {name for name in classes.nodes if classes.is_model(name)}
        return {name for name in models if models.isdisjoint(classes.bases(name))}
