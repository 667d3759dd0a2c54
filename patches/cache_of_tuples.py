"""A model keeps its cache as a tuple of layers, and is handed a `DynamicCache`.

`generate` asks `_supports_default_dynamic_cache` whether it may make the cache itself.  Up to transformers 4.53 the
answer was no for a model that does not set `_supports_cache_class`; from 4.54 on it is yes, and
`past_key_values[0][0].shape` stops with `AttributeError: 'NoneType' object has no attribute 'shape'` (4.54 to 4.57) or
`TypeError: 'DynamicCache' object is not subscriptable` (5.0 on).  The model now answers no, so that it begins without
a cache and is handed its own tuples back.  `GenerationMixin.prepare_inputs_for_generation`, which handed no
`cache_position` to such a model up to 4.53, does from then on (`TypeError: GPT2LMHeadModel.forward() got an unexpected
keyword argument 'cache_position'`): where the model relies on it, `cache_position` is taken out again.

Reference: https://github.com/huggingface/transformers/pull/39106
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.classes import Classes
from doctor.parsing import nodes
from doctor.patch import OURS, Example, File, Patch, parsed

ROOT = "PreTrainedModel"
PAST = ("past_key_values", "past_key_value", "layer_past")
# fmt: off
ELSEWHERE = frozenset({
    "Cache", "DynamicCache", "EncoderDecoderCache", "_supports_cache_class", "_supports_default_dynamic_cache",
    "get_seq_length", "get_usable_length", "from_legacy_cache", "to_legacy_cache",
    "AutoModel", "AutoModelForCausalLM", "mems",
})
# fmt: on
"""A file with one of these names takes cache objects, or leaves the cache to a model of the library."""
NAMED: tuple[type[ast.AST], ...] = (ast.Name, ast.Attribute, ast.FunctionDef, ast.ClassDef, ast.alias)
METHOD = """@classmethod
def _supports_default_dynamic_cache(cls):
    return False
"""
INPUTS = """def prepare_inputs_for_generation(self, input_ids, inputs_embeds=None, **kwargs):
    inputs = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)
    inputs.pop("cache_position", None)
    return inputs
"""
ANSWER = "\n    @classmethod\n    def _supports_default_dynamic_cache(cls):\n        return False\n"
BASE = "class P(PreTrainedModel):\n    config_class = C\n"
FORWARD = "\nclass M(P):\n    def forward(self, ids, past_key_values=None):\n        "
LENGTH = "n = past_key_values[0][0].shape[2]\n"


class CacheOfTuples(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b"past_key_values",)
    examples = [
        Example(BASE + FORWARD + LENGTH, BASE + ANSWER + FORWARD + LENGTH),
        Example(
            BASE + FORWARD + "for block, past in zip(self.h, past_key_values):\n            block(past)\n",
            BASE + ANSWER + FORWARD + "for block, past in zip(self.h, past_key_values):\n            block(past)\n",
        ),
        Example(
            "class M(modeling_utils.PreTrainedModel):\n    def forward(self, past_key_values=None):\n"
            "        past = past_key_values[i] if past_key_values is not None else None\n",
            "class M(modeling_utils.PreTrainedModel):\n    def forward(self, past_key_values=None):\n"
            "        past = past_key_values[i] if past_key_values is not None else None\n" + ANSWER,
        ),
        Example(
            BASE + FORWARD.replace("(P)", "(P, GenerationMixin)") + LENGTH,
            BASE
            + ANSWER
            + FORWARD.replace("(P)", "(P, GenerationMixin)")
            + LENGTH
            + "\n    def prepare_inputs_for_generation(self, input_ids, inputs_embeds=None, **kwargs):\n"
            "        inputs = super().prepare_inputs_for_generation(input_ids, inputs_embeds=inputs_embeds, **kwargs)\n"
            '        inputs.pop("cache_position", None)\n        return inputs\n',
        ),
        Example(
            BASE + FORWARD + "if isinstance(past_key_values, Cache):\n            return 1\n        " + LENGTH,
            keeps="takes both",
        ),
        Example(
            BASE + FORWARD.replace("=None", ": Optional[Cache] = None") + LENGTH,
            BASE + ANSWER + FORWARD.replace("=None", ": Optional[Cache] = None") + LENGTH,
        ),
        Example(BASE + FORWARD + "past_key_values.update(k, v, 0)\n", keeps="a cache object"),
        Example("class M(P):\n    def forward(self, past_key_values):\n        " + LENGTH, keeps="a base elsewhere"),
        Example(
            BASE + FORWARD + "self.lm = AutoModelForCausalLM.from_config(c)\n        " + LENGTH,
            keeps="the library's model keeps the cache",
        ),
    ]
    proof = """
from scenery import Tiny, states
from transformers import GenerationMixin, PreTrainedModel

class OwnInputs(Tiny, PreTrainedModel):
    def forward(self, input_ids, past_key_values=None, attention_mask=None, position_ids=None, use_cache=None,
                inputs_embeds=None, return_dict=None):
        past = 0 if past_key_values is None else past_key_values[0][0].shape[2]
        layer = states(past + input_ids.shape[1]), states(past + input_ids.shape[1])
        return self.answer(input_ids, (layer,))

    def prepare_inputs_for_generation(self, input_ids, past_key_values=None, **kwargs):
        new = input_ids if past_key_values is None else input_ids[:, -1:]
        return {"input_ids": new, "past_key_values": past_key_values}

class MixinsInputs(Tiny, PreTrainedModel, GenerationMixin):
    def forward(self, input_ids, past_key_values=None, attention_mask=None, position_ids=None, use_cache=None,
                inputs_embeds=None, return_dict=None):
        return OwnInputs.forward(self, input_ids, past_key_values)

for kind in (OwnInputs, MixinsInputs):
    model = kind(kind.config_class())
    assert model.says() == [3, 3, 3]
    assert model.seen == [2, 1, 1], model.seen
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        tuples = _keeps_tuples(file.text)
        self.roots = [name for name in classes.nodes if tuples and ROOT in classes.bases(name)]
        models = [name for name in classes.nodes if tuples and classes.derives(name, ROOT)]
        self.relying = [name for name in models if _relies_on_mixin(classes, name)]

    def reaches(self, name: str, text: str) -> bool:
        return name in self.roots or name in self.relying

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        name, body = updated_node.name.value, updated_node.body
        if self.file.scope or not isinstance(body, cst.IndentedBlock):
            return updated_node
        there = {statement.name.value for statement in body.body if isinstance(statement, cst.FunctionDef)}
        wanted = [METHOD] * (name in self.roots) + [INPUTS] * (name in self.relying)
        methods = [cst.ensure_type(cst.parse_statement(text), cst.FunctionDef) for text in wanted]
        blank = [cst.EmptyLine(indent=False)]
        added = [method.with_changes(leading_lines=blank) for method in methods if method.name.value not in there]
        return updated_node.with_deep_changes(body, body=[*body.body, *added]) if added else updated_node


def _relies_on_mixin(classes: Classes, name: str) -> bool:
    """Whether a class generates with the mixin's inputs, and its `forward` takes no `cache_position`."""
    forward = classes.method(name, "forward")
    if "GenerationMixin" not in classes.bases(name) or classes.method(name, "prepare_inputs_for_generation"):
        return False
    taken = [*forward.args.args, *forward.args.kwonlyargs] if forward else []
    open_ended = forward is None or forward.args.kwarg is not None
    return not open_ended and all(argument.arg != "cache_position" for argument in taken)


def _keeps_tuples(text: str) -> bool:
    """Whether the file takes layers out of a cache by place, and nothing in it takes cache objects."""
    tops = [top for top in parsed(text).body if getattr(top, "name", "").startswith(OURS)]
    ours = [range(top.lineno, (top.end_lineno or 0) + 1) for top in tops]

    def theirs(node: ast.AST) -> bool:
        return not any(getattr(node, "lineno", 0) in lines for lines in ours)

    if not any(_takes_layer(node) for kind in (ast.Subscript, ast.Call) for node in nodes(text, kind) if theirs(node)):
        return False
    named = [node for kind in NAMED for node in nodes(text, kind) if theirs(node)]
    names = {getattr(node, "id", getattr(node, "attr", getattr(node, "name", None))): node for node in named}
    if names.keys() & ELSEWHERE == {"Cache"}:  # what is annotated as one may be a tuple
        annotations = _annotations(text)
        return all(node in annotations for node in named if getattr(node, "id", getattr(node, "attr", "")) == "Cache")
    return not names.keys() & ELSEWHERE


def _annotations(text: str) -> set[ast.AST]:
    """What stands in the annotations of a file."""
    roots = [
        node.annotation
        for kind in (ast.arg, ast.AnnAssign)
        for node in ast.walk(parsed(text))
        if isinstance(node, kind)
    ]
    roots += [node.returns for node in ast.walk(parsed(text)) if isinstance(node, ast.FunctionDef)]
    return {part for root in roots if root is not None for part in ast.walk(root)}


def _takes_layer(node: ast.AST) -> bool:
    """`past_key_values[i]`, `zip(layers, past_key_values)`."""
    if isinstance(node, ast.Subscript):
        return isinstance(node.ctx, ast.Load) and getattr(node.value, "id", None) in PAST
    if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "zip":
        return any(getattr(argument, "id", None) in PAST for argument in node.args)
    return False
