"""`_update_model_kwargs_for_generation` takes an attention mask that is there for a tensor.

transformers from 5.18 on drops a mask of ones and keeps None under its name: `AttributeError: 'NoneType' object has no
attribute 'new_ones'` after the first token.  The test asks for the mask itself, which older releases always hand over.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

UPDATE = "_update_model_kwargs_for_generation"
HELD = m.Comparison(
    left=m.SimpleString(m.MatchRegex("^[\"']attention_mask[\"']$")),
    comparisons=[m.ComparisonTarget(operator=m.In(), comparator=m.Name("model_kwargs"))],
)
HEAD = f"class M(P):\n    def {UPDATE}(self, outputs, model_kwargs, **kwargs):\n        if "
GROW = '        mask = model_kwargs["attention_mask"]\n            mask = mask.new_ones(mask.shape)\n'
ASKED = 'model_kwargs.get("attention_mask") is not None'


class GenerationMaskNone(Patch):
    old, new = "transformers<5.18", "transformers>=4.36"
    needles = (f"def {UPDATE}".encode(),)
    examples = [
        Example(HEAD + '"attention_mask" in model_kwargs:\n    ' + GROW, HEAD + ASKED + ":\n    " + GROW),
        Example(
            HEAD + 'not kwargs and "attention_mask" in model_kwargs:\n    ' + GROW,
            HEAD + "not kwargs and " + ASKED + ":\n    " + GROW,
        ),
        Example(
            HEAD + "'attention_mask' in model_kwargs:\n    " + GROW,
            HEAD + "model_kwargs.get('attention_mask') is not None:\n    " + GROW,
        ),
        Example(HEAD + ASKED + ":\n    " + GROW, keeps="asks for the mask"),
        Example(HEAD + '"attention_mask" not in model_kwargs:\n            return {}\n', keeps="nothing is taken"),
        Example("class M(P):\n    def f(self, model_kwargs):\n        return 'attention_mask' in model_kwargs\n"),
    ]
    proof = """
from scenery import Tiny

class M(Tiny):
    def forward(self, input_ids, attention_mask=None, **kwargs):
        return self.answer(input_ids)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

    def _update_model_kwargs_for_generation(self, outputs, model_kwargs, **kwargs):
        if "attention_mask" in model_kwargs:
            mask = model_kwargs["attention_mask"]
            model_kwargs["attention_mask"] = mask.new_ones((1, mask.shape[1] + 1))
        return model_kwargs

assert M(M.config_class()).says() == [3, 3, 3]
"""

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.Comparison:
        function = self.file.function
        if function is None or function.name.value != UPDATE or not m.matches(updated_node, HELD):
            return updated_node
        text = f"model_kwargs.get({cst.Module([]).code_for_node(updated_node.left)}) is not None"
        asked = cst.ensure_type(cst.parse_expression(text), cst.Comparison)
        return asked.with_changes(lpar=updated_node.lpar, rpar=updated_node.rpar)
