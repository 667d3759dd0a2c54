"""`_reorder_cache` takes a cache to be a tuple of layers.

Beam search calls it with a cache object: from transformers 5.0 on a layer is no longer a pair of tensors, and on
4.5x the cache comes back as a tuple that the next step does not take.  A cache that can reorder itself now does.

Reference: https://github.com/huggingface/transformers/pull/31898
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch
from doctor.traversal import find

LOOP = "    reordered = ()\n    for layer in past:\n        reordered += (layer,)\n    return reordered\n"
ASKED = 'if hasattr({0}, "reorder_cache"):\n    {0}.reorder_cache({1})\n    return {0}\n'


def _asked(past: str, beams: str, indent: str) -> str:
    return "".join(indent + line for line in ASKED.format(past, beams).splitlines(True))


class ReorderCacheOfTuples(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b"def _reorder_cache(",)
    examples = [
        Example(
            "@staticmethod\ndef _reorder_cache(past, beam_idx):\n" + LOOP,
            "@staticmethod\ndef _reorder_cache(past, beam_idx):\n" + _asked("past", "beam_idx", "    ") + LOOP,
        ),
        Example(
            'def _reorder_cache(self, past, idx):\n    """For beams."""\n' + LOOP,
            'def _reorder_cache(self, past, idx):\n    """For beams."""\n' + _asked("past", "idx", "    ") + LOOP,
        ),
        Example(
            "def _reorder_cache(past, beam_idx):\n    return tuple(map(f, past))\n",
            "def _reorder_cache(past, beam_idx):\n"
            + _asked("past", "beam_idx", "    ")
            + "    return tuple(map(f, past))\n",
        ),
        Example("def _reorder_cache(past, beam_idx):\n    past.reorder_cache(beam_idx)\n    return past\n"),
        Example("def reorder(past, beam_idx):\n    return past\n"),
        Example("def _reorder_cache(past, beam_idx):\n    raise NotImplementedError\n", keeps="no beams"),
    ]
    proof = """
from scenery import Tiny, states
from transformers import DynamicCache

class M(Tiny):
    _supports_cache_class = True

    def forward(self, input_ids, past_key_values=None, attention_mask=None, **kwargs):
        new = states(input_ids.shape[1]).expand(input_ids.shape[0], -1, -1, -1)
        past_key_values = DynamicCache() if past_key_values is None else past_key_values
        past_key_values.update(new, new, 0)
        return self.answer(input_ids, past_key_values)

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, **kwargs):
        past = 0 if past_key_values is None else past_key_values.get_seq_length()
        return {"input_ids": input_ids[:, past:], "past_key_values": past_key_values}

    @staticmethod
    def _reorder_cache(past, beam_idx):
        return tuple(tuple(state.index_select(0, beam_idx) for state in layer) for layer in past)

assert M(M.config_class()).says(num_beams=2) == [3, 3, 3]
"""

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        names = [parameter.name.value for parameter in updated_node.params.params if parameter.name.value != "self"]
        body = updated_node.body
        if updated_node.name.value != "_reorder_cache" or len(names) != 2 or not isinstance(body, cst.IndentedBlock):
            return updated_node
        if find(body, m.Attribute(attr=m.Name("reorder_cache"))) or not find(body, m.Return()):
            return updated_node
        place = int(updated_node.get_docstring() is not None)
        asked = cst.parse_statement(ASKED.format(*names))
        return updated_node.with_deep_changes(body, body=[*body.body[:place], asked, *body.body[place:]])
