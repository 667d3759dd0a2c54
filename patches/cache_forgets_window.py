"""A model masks its sliding window itself, and leaves the inputs of generation to the library.

From transformers 4.56 on (5.0 apart) `generate` hands such a model a cache that forgets what is outside the window,
while the file's mask is as long as the text: a wrong mask, without an error, as soon as the text is longer than the
window.  The model now takes a cache that keeps everything, as it did.

Reference: https://github.com/huggingface/transformers/pull/40039
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, with_method

ROOT, MIXIN, PREPARE = "PreTrainedModel", "GenerationMixin", "prepare_inputs_for_generation"
HELPER = "_doctor_whole_cache"
METHOD = f"""def {PREPARE}(self, input_ids, past_key_values=None, **kwargs):
    past_key_values = {HELPER}(past_key_values)
    return super().{PREPARE}(input_ids, past_key_values=past_key_values, **kwargs)
"""
ADDED = """
    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, **kwargs):
        past_key_values = _doctor_whole_cache(past_key_values)
        return super().prepare_inputs_for_generation(input_ids, past_key_values=past_key_values, **kwargs)
"""
HEAD = """class Model(PreTrainedModel):
    def _update_causal_mask(self, mask, config):
        return mask > config.sliding_window

class Head(PreTrainedModel, GenerationMixin):
    def __init__(self, config):
        self.model = Model(config)
"""


class CacheForgetsWindow(Patch):
    old, new = "transformers!=4.56.*,!=4.57.*,<5.1", "transformers>=4.36"
    needles = (b"sliding_window",)
    helpers = {
        HELPER: '''
def _doctor_whole_cache(cache):
    """A cache that keeps everything, in place of an empty one that would forget what is outside the sliding window."""
    layers = getattr(cache, "layers", None) or ()
    if not any(getattr(layer, "is_sliding", False) for layer in layers) or cache.get_seq_length() > 0:
        return cache
    from transformers import DynamicCache

    return DynamicCache()
'''
    }
    examples = [
        Example(HEAD, HEAD + ADDED),
        Example(
            HEAD.replace("class Head(", "class Head(Loads, "), HEAD.replace("class Head(", "class Head(Loads, ") + ADDED
        ),
        Example(HEAD + ADDED.replace("_doctor_whole_cache", "mine"), keeps="the model prepares its inputs"),
        Example(HEAD.replace("_update_causal_mask", "attend"), keeps="no mask of the file's own"),
        Example(HEAD.replace(", GenerationMixin", ""), keeps="does not generate"),
        Example(HEAD.replace("sliding_window", "window"), keeps="no sliding window"),
    ]

    proof = """
import torch
from scenery import Tiny as PreTrainedModel, TinyConfig, states
from transformers import DynamicCache, GenerationMixin

class M(PreTrainedModel, GenerationMixin):
    _supports_cache_class = True

    def forward(self, input_ids, past_key_values=None, attention_mask=None, **kwargs):
        past_key_values = DynamicCache() if past_key_values is None else past_key_values
        keys, _ = past_key_values.update(states(input_ids.shape[1]), states(input_ids.shape[1]), 0)
        self._causal_mask(keys.shape[2], self.config.sliding_window)
        return self.answer(input_ids, past_key_values)

    def _causal_mask(self, length, sliding_window):
        self.lengths = [*getattr(self, "lengths", []), length]

model = M(TinyConfig(sliding_window=2))
model.says(prompt=4)
assert model.lengths == [4, 5, 6], "the cache forgot what the mask counts"
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        masks = any(_masks(classes, name) for name in classes.nodes)
        self.heads = {name for name in classes.nodes if masks and _generates(classes, name)}

    def reaches(self, name: str, text: str) -> bool:
        return name in self.heads

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.heads or not isinstance(body, cst.IndentedBlock):
            return updated_node
        if any(isinstance(part, cst.FunctionDef) and part.name.value == PREPARE for part in body.body):
            return updated_node
        self.helper(HELPER)
        return with_method(updated_node, METHOD)


def _masks(classes: Classes, name: str) -> bool:
    """Whether a class makes its own causal mask, and knows of a sliding window."""
    made = [part for part in classes.nodes[name].body if isinstance(part, ast.FunctionDef) and "mask" in part.name]
    return any("sliding_window" in ast.unparse(part) for part in made)


def _generates(classes: Classes, name: str) -> bool:
    """Whether a model generates with the library's inputs."""
    return MIXIN in classes.bases(name) and classes.derives(name, ROOT) and classes.method(name, PREPARE) is None
