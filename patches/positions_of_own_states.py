"""A model that keeps its states itself is handed other places by `generate` since transformers 5.2.

Its `forward` takes `cache_position` and no cache (RecurrentGemma since 4.46).  From 5.4 on `generate` counts the places
off a cache, and there is none: every new token has place 0, and other answers come, without an error.  From 5.2 on the
positions below padding are 0, which were 1 before: recurrent layers see what stands there.  The model counts both as
transformers 4 did.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from collections.abc import Set
from textwrap import indent

from doctor.classes import Classes
from doctor.method_patch import MethodPatch
from doctor.patch import Example

HELPER, PREPARES = "_doctor_own_places", "prepare_inputs_for_generation"
METHOD = f"""def {PREPARES}(self, input_ids, inputs_embeds=None, **kwargs):
    inputs = super().{PREPARES}(input_ids, inputs_embeds=inputs_embeds, **kwargs)
    return {HELPER}(input_ids, kwargs.get("attention_mask"), inputs)
"""
ADDED = "\n" + indent(METHOD, "    ")
MODEL = """class M(PreTrainedModel, GenerationMixin):
    def forward(self, input_ids, position_ids=None, cache_position=None, use_cache=None, **kwargs):
        pass
"""


class PositionsOfOwnStates(MethodPatch):
    old, new = "transformers>=4.46,<5.2", "transformers>=4.46"
    needles = (b"cache_position",)
    mends = ("positions-of-own-states",)
    added = METHOD
    helpers = {
        HELPER: '''
def _doctor_own_places(input_ids, mask, inputs):
    """Count the places of a model that keeps its states itself, as generate() of transformers 4 did."""
    embeds, positions = inputs.get("inputs_embeds"), inputs.get("position_ids")
    new = (inputs["input_ids"] if embeds is None else embeds).shape[1]
    padded = getattr(mask, "ndim", 0) == 2
    whole = mask.shape[1] if padded else max(input_ids.shape[1], new)
    inputs["cache_position"] = torch.arange(whole - new, whole, device=input_ids.device)
    if padded and positions is not None and positions.shape[-1] <= whole:
        inputs["position_ids"] = positions.masked_fill(mask[:, whole - positions.shape[-1] :] == 0, 1)
    return inputs
'''
    }
    examples = [
        Example(MODEL, MODEL + ADDED),
        Example(MODEL + ADDED.replace("_doctor", "_my"), keeps="the model prepares its inputs itself"),
        Example(MODEL.replace("use_cache", "past_key_values"), keeps="it is handed a cache"),
        Example(MODEL.replace("cache_position=None, ", "") + "# cache_position\n", keeps="it takes no places"),
        Example(MODEL.replace(", GenerationMixin", ""), keeps="it does not generate"),
    ]
    proof = """
import torch
from scenery import VOCABULARY, TinyConfig
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

class M(PreTrainedModel, GenerationMixin):
    config_class = TinyConfig
    is_remote_code = classmethod(lambda cls: True)
    _is_stateful = _supports_cache_class = True

    def __init__(self, config):
        super().__init__(config)
        self.bias = torch.nn.Parameter(torch.eye(VOCABULARY)[3])
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(
        self, input_ids, position_ids=None, cache_position=None, attention_mask=None, use_cache=None, **kwargs
    ):
        places.append(cache_position.tolist())
        positions.append(position_ids.tolist())
        return CausalLMOutput(logits=self.bias.expand(*input_ids.shape, -1))

places, positions = [], []
ids = torch.tensor([[0, 0, 4], [4, 5, 6]])
M(TinyConfig()).eval().generate(ids, attention_mask=(ids != 0).long(), max_new_tokens=2, do_sample=False)
assert places[0] == [0, 1, 2] and places[1][-1] == 3, places
assert positions[0] == [[1, 1, 0], [0, 1, 2]], positions
"""

    def lacking(self, classes: Classes) -> Set[str]:
        return {name for name in classes.nodes if classes.places_own_states(name)}
