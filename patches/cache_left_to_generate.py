"""A model that leaves its cache to `generate` gets none on transformers 5.0.

5.0 makes no cache where none was asked for by name, since the library's own models make theirs.  A file that does not
(Nemotron of 4.46) is then handed one token after the other, and nothing of what came before: other answers, without an
error.  The model has the cache made as every other release makes it.

Reference: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/generation/utils.py
"""

from __future__ import annotations

from collections.abc import Set
from textwrap import indent

from doctor.classes import Classes
from doctor.method_patch import MethodPatch
from doctor.patch import Example

HELPER, PREPARES = "_doctor_cache_made", "_prepare_cache_for_generation"
METHOD = f"""def {PREPARES}(self, generation_config, model_kwargs, *args, **kwargs):
    super().{PREPARES}(generation_config, model_kwargs, *args, **kwargs)
    {HELPER}(self, generation_config, model_kwargs)
"""
ADDED = "\n" + indent(METHOD, "    ")
MODEL = """from transformers.cache_utils import Cache

class M(PreTrainedModel, GenerationMixin):
    def forward(self, input_ids, past_key_values=None, cache_position=None, **kwargs):
        pass
"""


class CacheLeftToGenerate(MethodPatch):
    old, new = "transformers!=5.0.*", "transformers>=4.46"
    needles = (b"cache_utils import",)
    mends = ("cache-left-to-generate",)
    added = METHOD
    helpers = {
        HELPER: '''
def _doctor_cache_made(model, settings, handed):
    """generate() of transformers 5.0 leaves the cache to the model, which leaves it to generate()."""
    import transformers

    unasked = settings.use_cache is not False and settings.cache_implementation is None
    if transformers.__version__.startswith("5.0.") and unasked and model._supports_default_dynamic_cache():
        if handed.get("past_key_values") is None:
            handed["past_key_values"] = transformers.DynamicCache()
'''
    }
    examples = [
        Example(MODEL, MODEL + ADDED),
        Example(MODEL + ADDED.replace("_doctor", "_my"), keeps="the model prepares its cache itself"),
        Example(MODEL + "        past_key_values = DynamicCache()\n", keeps="it makes one"),
        Example(MODEL + "        key = past_key_values[0][0]\n", keeps="its cache is a tuple"),
        Example(MODEL.replace(", GenerationMixin", ""), keeps="it does not generate"),
        Example(MODEL.replace("past_key_values", "cache_params"), keeps="it has another kind of cache"),
    ]
    proof = """
import torch
from scenery import VOCABULARY, TinyConfig
from transformers import GenerationMixin, PreTrainedModel
from transformers.cache_utils import Cache
from transformers.modeling_outputs import CausalLMOutputWithPast

class M(PreTrainedModel, GenerationMixin):
    config_class = TinyConfig
    _supports_cache_class = True

    def __init__(self, config):
        super().__init__(config)
        self.bias = torch.nn.Parameter(torch.eye(VOCABULARY)[3])
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids, past_key_values=None, attention_mask=None, cache_position=None, **kwargs):
        seen.append(isinstance(past_key_values, Cache))
        logits = self.bias.expand(*input_ids.shape, -1)
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

seen = []
M(TinyConfig()).eval().generate(torch.tensor([[4, 5, 6]]), max_new_tokens=2, do_sample=False, use_cache=True)
assert seen == [True, True], seen
"""

    def lacking(self, classes: Classes) -> Set[str]:
        return {name for name in classes.nodes if classes.leaves_cache(name, self.file.text)}
