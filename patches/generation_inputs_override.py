"""`prepare_inputs_for_generation` is written for what `generate` handed over in transformers 4.

transformers hands the whole sequence's `cache_position` (5.2, 5.3) or none (from 5.4 on), from 5.2 on the whole
sequence's positions, which an override of 4.x passes on beside the one new token, drops for None (wrong positions,
without an error), or adds to in place (XGLM: every token two places further, without an error), and which are others
below padding than it would count (recurrent layers see those), and from 5.18 on None for an attention mask of ones
(`'NoneType' object has no attribute 'shape'`).
From 4.56 on, 5.0 excepted, it also hands a cache that forgets what is outside the sliding window, while such
files mask for a cache that keeps everything, and a cache as `cache_params`, where Mamba's files make their own:
`'DynamicCache' object has no attribute 'ssm_states'`.  The decorator gives the override what it was written for and
trims the positions that come out.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch
from doctor.traversal import find

OVERRIDE = "prepare_inputs_for_generation"
DECORATOR = "_doctor_generation_inputs"
NEWER = m.OneOf(
    m.Name("is_first_iteration"),
    m.Name("next_sequence_length"),
    m.Index(value=m.SimpleString(m.MatchRegex(".next_sequence_length."))),
)
OLDER = m.OneOf(m.Name("cache_position"), m.Name("attention_mask"), m.Name("position_ids"))


class GenerationInputsOverride(Patch):
    old, new = "transformers<5.1,!=4.56.*,!=4.57.*", "transformers>=4.36"
    needles = (b"def prepare_inputs_for_generation",)
    mends = ("argument:prepare_inputs_for_generation.cache_position",)
    helpers = {
        DECORATOR: '''
def _doctor_generation_inputs(prepare):
    """Hand an override of prepare_inputs_for_generation what generate() gave it in transformers 4."""
    import functools
    import inspect

    wanted = inspect.signature(prepare).parameters
    body = inspect.unwrap(prepare)
    code = getattr(body, "__code__", prepare.__code__)
    names = [name for name in code.co_names if name.endswith("Cache")]
    asked = {*wanted, *(text for text in code.co_consts if isinstance(text, str))}  # `kwargs.get("...")` too
    own = [kind for kind in map(globals().get, names) if getattr(kind, "__module__", None) == __name__]
    makes_own = any(not hasattr(kind, "_doctor_limit") for kind in own)
    hybrid = any(hasattr(kind, "_doctor_limit") for kind in own)
    fills = "masked_fill_" in getattr(body, "__code__", prepare.__code__).co_names
    takes_all = any(parameter.kind is parameter.VAR_KEYWORD for parameter in wanted.values())

    @functools.wraps(prepare)
    def prepared(self, input_ids, *args, **kwargs):
        kwargs.update(zip(list(wanted)[2:], args))
        cache, embeds, step = map(kwargs.get, ("past_key_values", "inputs_embeds", "next_sequence_length"))
        counts = type(cache).__module__ != __name__ or "get_seq_length" in vars(type(cache))
        past = cache.get_seq_length() if counts and hasattr(cache, "get_seq_length") else 0
        if type(kwargs.get("cache_params")).__name__ == "DynamicCache":  # the file makes a cache of its own
            kwargs["cache_params"] = None
        sliding = any(getattr(layer, "is_sliding", False) for layer in getattr(cache, "layers", ()))
        forgets = past == 0 and sliding and type(cache).__name__ in ("DynamicCache", "HybridCache", "StaticCache")
        none = cache is None and hybrid and kwargs.get("is_first_iteration") and kwargs.get("use_cache")
        if forgets or none:  # the file masks for a cache that keeps everything
            from transformers import DynamicCache

            kwargs["past_key_values"] = DynamicCache()
        if past == 0 and makes_own and type(cache).__name__ == "DynamicCache":
            kwargs["past_key_values"] = None
        if past == 0 and step and embeds is None:  # the file keeps its states elsewhere
            past = input_ids.shape[1] - step
        new = step or (input_ids if embeds is None or past else embeds).shape[1]
        if cache is not None and not hasattr(cache, "get_seq_length"):  # a tuple of layers: its shapes vary
            new, whole = step or 1, kwargs.get("position_ids")
            past = (input_ids if whole is None else whole).shape[-1] - new
        if "attention_mask" in asked and kwargs.get("attention_mask") is None:
            kwargs["attention_mask"] = input_ids.new_ones((input_ids.shape[0], past + new))
        if "cache_position" in wanted and kwargs.get("cache_position") is None:
            kwargs["cache_position"] = torch.arange(past, past + new, device=input_ids.device)
        elif "cache_position" in wanted and step:  # 5.2 and 5.3 hand the whole sequence's
            kwargs["cache_position"] = kwargs["cache_position"][-step:]
        handed = kwargs.get("position_ids") if {"is_first_iteration", "next_sequence_length"} & kwargs.keys() else None
        mask = kwargs.get("attention_mask")
        if fills and handed is not None and getattr(mask, "shape", None) == handed.shape:
            # The override would fill in 1 below padding, generate has 0: recurrent layers see what stands there.
            handed = kwargs["position_ids"] = handed.masked_fill(mask == 0, 1)
        if not takes_all:
            kwargs = {name: value for name, value in kwargs.items() if name in wanted}
        inputs = prepare(self, input_ids, **kwargs)
        for name in ("next_sequence_length", "is_first_iteration"):
            inputs.pop(name, None)
        ids = inputs.get("input_ids") if inputs.get("inputs_embeds") is None else inputs["inputs_embeds"]
        if "position_ids" in inputs and inputs["position_ids"] is None:  # made from the mask, but only when handed none
            inputs["position_ids"] = handed
        positions = inputs.get("position_ids")
        if ids is not None and positions is not None and positions.shape[-1] != ids.shape[1]:
            if positions.shape[-1] < ids.shape[1]:  # 5.2 hands one position, also where the override drops the cache
                positions = (kwargs["attention_mask"].long().cumsum(-1) - 1).clamp(min=0)
            positions = positions[..., -ids.shape[1] :]
        if positions is not None:  # a copy: some files add to them in place, and generate goes on counting from its own
            inputs["position_ids"] = positions.clone()
        places = inputs.get("cache_position")  # some count them off the positions they were handed
        if ids is not None and places is not None and places.shape[0] != ids.shape[1]:
            if inputs.get("past_key_values") is None:  # the whole text is handed in, or states are kept elsewhere
                past = max(input_ids.shape[1] - ids.shape[1], 0)
            inputs["cache_position"] = torch.arange(past, past + ids.shape[1], device=ids.device)
        return inputs

    return prepared
'''
    }
    examples = [
        Example(
            "class M(P):\n    def prepare_inputs_for_generation(self, input_ids, attention_mask=None):\n"
            "        return {'n': attention_mask.shape[1], 'attention_mask': attention_mask}\n",
            "class M(P):\n    @_doctor_generation_inputs\n"
            "    def prepare_inputs_for_generation(self, input_ids, attention_mask=None):\n"
            "        return {'n': attention_mask.shape[1], 'attention_mask': attention_mask}\n",
        ),
        Example(
            "class M(P):\n    # why\n    def prepare_inputs_for_generation(self, ids, cache_position=None, **kw):\n"
            "        return super().prepare_inputs_for_generation(ids, cache_position=cache_position, **kw)\n",
            "class M(P):\n    # why\n    @_doctor_generation_inputs\n"
            "    def prepare_inputs_for_generation(self, ids, cache_position=None, **kw):\n"
            "        return super().prepare_inputs_for_generation(ids, cache_position=cache_position, **kw)\n",
        ),
        Example(
            "class M(P):\n    @torch.no_grad()\n    def prepare_inputs_for_generation(self, ids, position_ids=None):\n"
            "        return {'input_ids': ids, 'position_ids': position_ids}\n",
            "class M(P):\n    @_doctor_generation_inputs\n    @torch.no_grad()\n"
            "    def prepare_inputs_for_generation(self, ids, position_ids=None):\n"
            "        return {'input_ids': ids, 'position_ids': position_ids}\n",
        ),
        Example(
            "class M(P):\n    def prepare_inputs_for_generation(self, ids, is_first_iteration=False, **kw):\n"
            "        return super().prepare_inputs_for_generation(ids, **kw)\n",
            keeps="written for transformers 5",
        ),
        Example(
            "class M(P):\n    def prepare_inputs_for_generation(self, ids, **kw):\n        return {'input_ids': ids}\n",
            keeps="asks for nothing that changed",
        ),
        Example("def prepare_inputs_for_generation(ids, attention_mask):\n    return ids\n", keeps="not a method"),
    ]
    proof = """
import torch
from scenery import Tiny, TinyConfig, states
from transformers import DynamicCache

class M(Tiny):
    _supports_cache_class = True

    def forward(self, input_ids, past_key_values=None, attention_mask=None, position_ids=None, **kwargs):
        past_key_values = DynamicCache() if past_key_values is None else past_key_values
        keys, _ = past_key_values.update(states(input_ids.shape[1]), states(input_ids.shape[1]), 0)
        assert keys.shape[2] == attention_mask.shape[1], "the cache forgot what the mask counts"
        assert position_ids.shape == input_ids.shape, "positions of other tokens"
        self.places = [*getattr(self, "places", []), position_ids.tolist()]
        position_ids += 2  # in place, as XGLM does
        return self.answer(input_ids, past_key_values)

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, attention_mask=None, position_ids=None, **kwargs
    ):
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        if position_ids is None:
            position_ids = (attention_mask.long().cumsum(-1) - 1)[:, past:]
        inputs = {"attention_mask": attention_mask, "position_ids": position_ids}
        return {"input_ids": input_ids[:, past:], "past_key_values": past_key_values, **inputs}

model = M(TinyConfig(sliding_window=2))
model.says(prompt=4)
assert model.seen == [4, 1, 1]
assert model.places == [[[0, 1, 2, 3]], [[4]], [[5]]], "generate counts from positions that the file added to"
"""

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        if updated_node.name.value != OVERRIDE or not self.file.classes or self.file.function is not None:
            return updated_node
        if find(updated_node, NEWER) or not find(updated_node, OLDER):
            return updated_node
        if any(m.matches(decorator.decorator, m.Name(DECORATOR)) for decorator in updated_node.decorators):
            return updated_node
        decorator = cst.Decorator(self.helper(DECORATOR))
        if not updated_node.decorators:
            # Comments above the method stay above its first decorator.
            return updated_node.with_changes(decorators=[decorator])
        return updated_node.with_changes(decorators=[decorator, *updated_node.decorators])
