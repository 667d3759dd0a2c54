"""A model takes over the `_tied_weights_keys` of a model inside it, as a list.

`self._tied_weights_keys = [f"language_model.{k}" for k in language_model._tied_weights_keys]` is how models with a
language model inside said it in transformers 4; 5.0 and later read a mapping: `AttributeError: 'list' object has no
attribute 'keys'`.  Where the inner model's is a mapping, so is the outer's.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

KEYS = m.AssignTarget(target=m.Attribute(value=m.Name("self"), attr=m.Name("_tied_weights_keys")))
LIST = m.Assign(
    targets=[KEYS],
    value=m.ListComp(
        elt=m.FormattedString(parts=[m.FormattedStringText(), m.FormattedStringExpression(expression=m.Name())]),
        for_in=m.CompFor(target=m.Name(), iter=m.Attribute(attr=m.Name("_tied_weights_keys")), ifs=[]),
    ),
)
SOURCE = "self._tied_weights_keys = "


class TiedWeightsKeysPrefixed(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"self._tied_weights_keys",)
    mends = ("attribute:_tied_weights_keys",)
    helpers = {
        "_doctor_prefixed_ties": '''
def _doctor_prefixed_ties(prefix, keys):
    """The `_tied_weights_keys` of a model inside another: a mapping where it is one, otherwise a list."""
    if isinstance(keys, dict):
        return {prefix + tied: prefix + source for tied, source in keys.items()}
    return [prefix + tied for tied in keys]
'''
    }
    examples = [
        Example(
            SOURCE + '[f"language_model.{k}" for k in language_model._tied_weights_keys]',
            SOURCE + '_doctor_prefixed_ties("language_model.", language_model._tied_weights_keys)',
        ),
        Example(
            SOURCE + "[f'model.{key}' for key in self.model._tied_weights_keys]",
            SOURCE + "_doctor_prefixed_ties('model.', self.model._tied_weights_keys)",
        ),
        Example(SOURCE + '{"lm_head.weight": "embed.weight"}', keeps="a mapping already"),
        Example('keys = [f"x.{k}" for k in model._tied_weights_keys]', keeps="a name of the file's own"),
    ]

    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class Inner(PreTrainedModel):
    _tied_weights_keys = {"head.weight": "embed.weight"}
    config_class = TinyConfig

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

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.inner = Inner(config)
        self._tied_weights_keys = [f"inner.{key}" for key in self.inner._tied_weights_keys]
        self.post_init()

    def _init_weights(self, module):
        pass

model = reloaded(M(TinyConfig(tie_word_embeddings=True)))
assert model.inner.head.weight is model.inner.embed.weight
"""

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        if not m.matches(updated_node, LIST):
            return updated_node
        listed = cst.ensure_type(updated_node.value, cst.ListComp)
        text = cst.ensure_type(listed.elt, cst.FormattedString)
        prefix = cst.ensure_type(text.parts[0], cst.FormattedStringText).value
        key = cst.ensure_type(text.parts[1], cst.FormattedStringExpression).expression
        if not key.deep_equals(listed.for_in.target):
            return updated_node
        arguments = [cst.Arg(cst.SimpleString(f"{text.quote}{prefix}{text.quote}")), cst.Arg(listed.for_in.iter)]
        return updated_node.with_changes(value=cst.Call(self.helper("_doctor_prefixed_ties"), arguments))
