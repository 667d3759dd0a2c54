"""A model ties its weights in a `tie_weights` of its own, written for transformers 4.

From 5.0 on the loader calls `tie_weights(missing_keys=..., recompute_mapping=False)`: `TypeError: tie_weights() got an
unexpected keyword argument 'recompute_mapping'`; and `_tie_or_clone_weights`, with which such a method ties, is gone.
The method takes what it is handed, and hands it on where it calls the library's; tying is one assignment, done by a
function that the file brings along where the release has none.  `_tie_weights`, which the loader of 4.x called on every
module, is called from `tie_weights`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch, with_method

OWN = m.Call(func=m.Attribute(value=m.Name("self"), attr=m.Name("_tie_or_clone_weights")), args=[m.Arg(), m.Arg()])
UP = m.Call(func=m.Attribute(value=m.Call(func=m.Name("super")), attr=m.Name("tie_weights")), args=[])
BEFORE = """class M(PreTrainedModel):
    def tie_weights(self):
        if self.config.tie_word_embeddings:
            {0}
"""
AFTER = BEFORE.replace("(self)", "(self, *args, **kwargs)")
HOOK = """class M(PreTrainedModel):
    def _tie_weights(self):
        self.head.weight = self.embed.weight
"""
CALLS = """def tie_weights(self, *args, **kwargs):
    super().tie_weights(*args, **kwargs)
    self._tie_weights()
"""


class TieWeightsOverride(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"def tie_weights(", b"def _tie_weights(", b"_tie_or_clone_weights(")
    mends = ("argument:tie_weights.recompute_mapping", "attribute:_tie_or_clone_weights")
    helpers = {
        "_doctor_tie_weights": '''
def _doctor_tie_weights(model, output_embeddings, input_embeddings):
    """What PreTrainedModel._tie_or_clone_weights did in transformers 4."""
    tie = getattr(model, "_tie_or_clone_weights", None)
    if tie is not None:
        return tie(output_embeddings, input_embeddings)
    weight = output_embeddings.weight = input_embeddings.weight
    bias = getattr(output_embeddings, "bias", None)
    if bias is not None and bias.shape[0] != weight.shape[0]:
        padding = bias.new_zeros(max(weight.shape[0] - bias.shape[0], 0))
        bias.data = torch.cat([bias.data[: weight.shape[0]], padding])
    if hasattr(output_embeddings, "out_features") and hasattr(input_embeddings, "num_embeddings"):
        output_embeddings.out_features = input_embeddings.num_embeddings
'''
    }
    examples = [
        Example(
            BEFORE.format("self.head.weight = self.embed.weight"), AFTER.format("self.head.weight = self.embed.weight")
        ),
        Example(
            BEFORE.format("self._tie_or_clone_weights(self.head, self.embed)"),
            AFTER.format("_doctor_tie_weights(self, self.head, self.embed)"),
        ),
        Example(BEFORE.format("super().tie_weights()"), AFTER.format("super().tie_weights(*args, **kwargs)")),
        Example(HOOK, HOOK + "\n" + "".join(f"    {line}\n" for line in CALLS.splitlines())),
        Example(AFTER.format("self.head.weight = self.embed.weight"), keeps="it takes what newer releases hand over"),
        Example(
            "class M(nn.Module):\n    def tie_weights(self):\n        pass\n", keeps="not a model: nobody else calls it"
        ),
        Example("model.tie_weights()\n", keeps="a call"),
    ]

    proof = """
import torch
from scenery import TinyConfig
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(8, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def tie_weights(self):
        self._tie_or_clone_weights(self.head, self.embed)

model = M(TinyConfig())
assert model.head.weight is model.embed.weight
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)

    def reaches(self, name: str, text: str) -> bool:
        return any(needle.decode() in text for needle in self.needles)

    def _in_model(self) -> bool:
        return bool(self.file.classes) and self.classes.is_model(self.file.classes[0].name.value)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        if m.matches(updated_node, OWN) and self._in_model():
            own = cst.Arg(cst.Name("self"), comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
            return updated_node.with_changes(func=self.helper("_doctor_tie_weights"), args=[own, *updated_node.args])
        function = self.file.function
        if m.matches(updated_node, UP) and function is not None and _is_closed(function) and self._in_model():
            return cst.ensure_type(cst.parse_expression("super().tie_weights(*args, **kwargs)"), cst.Call)
        return updated_node

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        if not _is_closed(original_node) or self.file.function is not None or not self._in_model():
            return updated_node
        more = cst.ensure_type(cst.parse_statement("def f(self, *args, **kwargs): pass"), cst.FunctionDef).params
        first = updated_node.params.params[0].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        return updated_node.with_changes(params=more.with_changes(params=[first]))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        name, body = updated_node.name.value, updated_node.body
        if self.file.scope or not self.classes.is_model(name) or not isinstance(body, cst.IndentedBlock):
            return updated_node
        there = {s.name.value for s in body.body if isinstance(s, cst.FunctionDef)}
        if "_tie_weights" not in there or "tie_weights" in there:
            return updated_node
        return with_method(updated_node, CALLS)


def _is_closed(function: cst.FunctionDef) -> bool:
    """Whether this is a `tie_weights` that takes no argument but `self`."""
    parameters = function.params
    bare = not isinstance(parameters.star_arg, cst.Param) and parameters.star_kwarg is None
    return (
        function.name.value == "tie_weights" and bare and len(parameters.params) == 1 and not parameters.kwonly_params
    )
