"""`prepare_inputs_for_generation` drops the cache, to compute the whole sequence anew.

Phi-3 does so where the context outgrows its short rope factors.  transformers from 5.0 on still cuts the input to
the one new token, by `cache_position` or `next_sequence_length`, and the model then sees a sequence of one: other
tokens, without an error.  Both are set back to the whole sequence along with the cache.  Files of 4.48 to 4.57 leave
`cache_position` at the newest token on those releases too, where a padded prompt is then masked as if every token saw
the later ones.  The rewritten file answers as it does without a cache, so padded answers may differ from there on.

Reference: https://github.com/huggingface/transformers/pull/33129
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch
from doctor.traversal import find

OVERRIDE = "prepare_inputs_for_generation"
DROPPED = m.SimpleStatementLine(
    body=[m.Assign(targets=[m.AssignTarget(target=m.Name("past_key_values"))], value=m.Name("None"))]
)
DONE = m.OneOf(m.SimpleString(m.MatchRegex(".next_sequence_length.")), m.AssignTarget(target=m.Name("cache_position")))
HEAD = "class M(P):\n    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, "
WHOLE = "torch.arange(input_ids.shape[1], device=input_ids.device)"


class GenerationDropsCache(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"past_key_values = None",)
    examples = [
        Example(
            HEAD + "cache_position=None, **kwargs):\n        if too_long:\n            past_key_values = None\n",
            HEAD + "cache_position=None, **kwargs):\n        if too_long:\n            past_key_values = None\n"
            f"            cache_position = {WHOLE}\n            kwargs.pop('next_sequence_length', None)\n",
        ),
        Example(
            HEAD + "**kw):\n        past_key_values = None  # anew\n        return super().f(**kw)\n",
            HEAD + "**kw):\n        past_key_values = None  # anew\n        kw.pop('next_sequence_length', None)\n"
            "        return super().f(**kw)\n",
        ),
        Example(
            HEAD + "cache_position=None):\n        past_key_values = None\n",
            HEAD + f"cache_position=None):\n        past_key_values = None\n        cache_position = {WHOLE}\n",
        ),
        Example(
            HEAD + "**kwargs):\n        past_key_values = None\n        kwargs['next_sequence_length'] = None\n",
            keeps="written for transformers 5",
        ),
        Example("class M(P):\n    def forward(self, x):\n        past_key_values = None\n", keeps="not generation"),
    ]
    proof = """
from scenery import Tiny, states, torch

class M(Tiny):
    def forward(self, input_ids, past_key_values=None, attention_mask=None, **kwargs):
        past_key_values.update(states(input_ids.shape[1]), states(input_ids.shape[1]), 0)
        return self.answer(input_ids, past_key_values)

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, cache_position=None, **kwargs):
        if input_ids.shape[1] == 4:
            past_key_values = None
        inputs = super().prepare_inputs_for_generation(
            input_ids, past_key_values=past_key_values, cache_position=cache_position, **kwargs
        )
        return {**inputs, "past_key_values": past_key_values or self.fresh()}

    def fresh(self):
        from transformers import DynamicCache

        return DynamicCache()

model = M(M.config_class())
model.says()
assert model.seen == [2, 1, 4], model.seen
"""

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
        function = self.file.function
        if function is None or function.name.value != OVERRIDE or not m.matches(updated_node, DROPPED):
            return updated_node
        if find(function, DONE):
            return updated_node
        added = []
        if any(parameter.name.value == "cache_position" for parameter in function.params.params):
            added.append(cst.parse_statement(f"cache_position = {WHOLE}"))
        if function.params.star_kwarg is not None:
            kwargs = function.params.star_kwarg.name.value
            added.append(cst.parse_statement(f"{kwargs}.pop('next_sequence_length', None)"))
        return cst.FlattenSentinel([updated_node, *added]) if added else updated_node
