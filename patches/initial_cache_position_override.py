"""`_get_initial_cache_position` is overridden with the arguments it had up to transformers 4.51.

`generate` handed `(input_ids, model_kwargs)`; from 4.52 to 5.3 it hands `(seq_length, device, model_kwargs)`:
`TypeError: GPTBigCodeForCausalLM._get_initial_cache_position() takes 3 positional arguments but 4 were given`; from 5.4
on it does not ask.  The decorator takes both; the ids it makes have the length and the device, which are all that such
an override asks of them.

Reference: https://github.com/huggingface/transformers/blob/v4.52.0/src/transformers/generation/utils.py
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch, Refusal
from doctor.traversal import find

OVERRIDE = "_get_initial_cache_position"
DECORATOR = "_doctor_initial_cache_position"
HEAD = "class M(P):\n    def _get_initial_cache_position(self, "


class InitialCachePositionOverride(Patch):
    old = "transformers!=4.52.*,!=4.53.*,!=4.54.*,!=4.55.*,!=4.56.*,!=4.57.*,!=5.0.*,!=5.1.*,!=5.2.*,!=5.3.*"
    new = "transformers>=4.36"
    needles = (b"def _get_initial_cache_position",)
    helpers = {
        DECORATOR: '''
def _doctor_initial_cache_position(initial):
    """Hand an override of _get_initial_cache_position what generate() gave it up to transformers 4.51."""

    def called(self, first, *rest):
        if len(rest) == 2:
            device, model_kwargs = rest
            return initial(self, torch.ones((1, first), dtype=torch.long, device=device), model_kwargs)
        return initial(self, first, *rest)

    return called
'''
    }
    examples = [
        Example(
            HEAD + "input_ids, model_kwargs):\n        n = input_ids.shape[1]\n        return model_kwargs\n",
            "class M(P):\n    @_doctor_initial_cache_position\n"
            + HEAD.partition("\n")[2]
            + "input_ids, model_kwargs):\n        n = input_ids.shape[1]\n        return model_kwargs\n",
        ),
        Example(
            HEAD + "ids, kwargs):\n        return kwargs\n",
            "class M(P):\n    @_doctor_initial_cache_position\n"
            + HEAD.partition("\n")[2]
            + "ids, kwargs):\n        return kwargs\n",
        ),
        Example(
            "class M(P):\n    # why\n"
            + HEAD.partition("\n")[2]
            + "ids, kwargs):\n        return g(ids.device, kwargs)\n",
            "class M(P):\n    # why\n    @_doctor_initial_cache_position\n"
            + HEAD.partition("\n")[2]
            + "ids, kwargs):\n        return g(ids.device, kwargs)\n",
        ),
        Example(HEAD + "seq_length, device, model_kwargs):\n        return model_kwargs\n", keeps="the newer form"),
        Example(HEAD + "*args):\n        return super()._get_initial_cache_position(*args)\n", keeps="takes both"),
    ]
    proof = """
import torch
from scenery import Tiny

class M(Tiny):
    def forward(self, input_ids, attention_mask=None, **kwargs):
        return self.answer(input_ids)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def _get_initial_cache_position(self, input_ids, model_kwargs):
        model_kwargs["cache_position"] = torch.arange(input_ids.shape[1], device=input_ids.device)
        return model_kwargs

assert M(M.config_class()).says() == [3, 3, 3]
"""

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        parameters = updated_node.params.params
        if updated_node.name.value != OVERRIDE or not self.file.classes or len(parameters) != 3:
            return updated_node
        if updated_node.params.star_arg is not cst.MaybeSentinel.DEFAULT or updated_node.decorators:
            return updated_node
        ids = parameters[1].name.value
        shape = m.Attribute(value=m.Name(ids), attr=m.OneOf(m.Name("shape"), m.Name("device"), m.Name("size")))
        if len(find(updated_node.body, m.Name(ids))) != len(find(updated_node.body, shape)):
            raise Refusal(
                f"{OVERRIDE} asks more of {ids} than its length and device, which is all that is handed to it"
            )
        return updated_node.with_changes(decorators=[cst.Decorator(self.helper(DECORATOR))])
