"""A model's own generation code calls methods that `generate` does not have any more.

`_get_logits_warper` is gone since transformers 4.45, because `_get_logits_processor` makes the warpers of sampling too;
`_extract_past_from_model_output` answers a pair of name and cache since 4.44, and is gone since 4.49: `AttributeError:
'ChatGLMForConditionalGeneration' object has no attribute '_extract_past_from_model_output'`.  The file brings along
what they did.

Reference: https://github.com/huggingface/transformers/pull/33203
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, File, Patch

MODEL = m.OneOf(m.Name("self"), m.Call(func=m.Name("super")), m.Name("model"))
PAST = m.Call(func=m.Attribute(value=MODEL, attr=m.Name("_extract_past_from_model_output")))
WARPER = m.Call(func=m.Attribute(value=MODEL, attr=m.Name("_get_logits_warper")))
PAIR = m.Assign(targets=[m.AssignTarget(target=m.Tuple())], value=PAST)

MODEL_CLASS = "class M(PreTrainedModel):\n    def f(self, x):\n        return {0}\n"


class RemovedGenerationMethod(Patch):
    old, new = "transformers<4.44", "transformers>=4.36"
    needles = (b"._extract_past_from_model_output(", b"._get_logits_warper(")
    mends = ("attribute:_extract_past_from_model_output", "attribute:_get_logits_warper")
    helpers = {
        "_doctor_past": '''
def _doctor_past(outputs):
    """The name by which generate() hands a model's cache back, and the cache, out of the model's outputs."""
    for name in ("past_key_values", "mems", "past_buckets_states"):
        if name in outputs:
            return "past_key_values", outputs[name]
    return ("cache_params", outputs["cache_params"]) if "cache_params" in outputs else ("past_key_values", None)
''',
        "_doctor_logits_warper": '''
def _doctor_logits_warper(model, generation_config):
    """The warpers of sampling; none from 4.45 on, where they are among the processors."""
    import inspect

    from transformers import LogitsProcessorList

    warper = getattr(model, "_get_logits_warper", None)
    if warper is None:
        return LogitsProcessorList()
    device = {"device": model.device} if "device" in inspect.signature(warper).parameters else {}
    return warper(generation_config, **device)
''',
    }
    examples = [
        Example(
            MODEL_CLASS.format("self._extract_past_from_model_output(x, standardize_cache_format=True)"),
            MODEL_CLASS.format("_doctor_past(x)[1]"),
        ),
        Example(
            MODEL_CLASS.format("(name, cache) = super()._extract_past_from_model_output(x)").replace("return ", ""),
            MODEL_CLASS.format("(name, cache) = _doctor_past(x)").replace("return ", ""),
        ),
        Example(MODEL_CLASS.format("self._get_logits_warper(x)"), MODEL_CLASS.format("_doctor_logits_warper(self, x)")),
        Example("past = outputs.past_key_values", keeps="every release has it"),
        Example(
            "class M(PreTrainedModel):\n    def _get_logits_warper(self, c):\n        return []\n"
            "    def f(self, c):\n        return self._get_logits_warper(c)\n",
            keeps="the file's own method",
        ),
    ]

    proof = """
from scenery import Tiny, TinyConfig
from transformers import GenerationConfig
from transformers.modeling_outputs import CausalLMOutputWithPast

class M(Tiny):
    def past(self, outputs):
        return self._extract_past_from_model_output(outputs, standardize_cache_format=False)

    def warper(self):
        return self._get_logits_warper(GenerationConfig(do_sample=True, top_k=3))

model = M(TinyConfig())
assert model.past(CausalLMOutputWithPast(past_key_values=((1,),))) == ((1,),)
assert isinstance(model.warper(), list)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.pairs: set[cst.CSTNode] = set()

    def visit_Assign(self, node: cst.Assign) -> None:
        if m.matches(node, PAIR):
            self.pairs.add(node.value)

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        if m.matches(updated_node, PAST) and updated_node.args and self._is_the_librarys(updated_node):
            outputs = cst.Arg(updated_node.args[0].value)
            pair = cst.Call(self.helper("_doctor_past"), [outputs])
            if original_node in self.pairs:
                return pair
            return cst.Subscript(pair, [cst.SubscriptElement(cst.Index(cst.Integer("1")))])
        if m.matches(updated_node, WARPER) and updated_node.args and self._is_the_librarys(updated_node):
            receiver = cst.ensure_type(updated_node.func, cst.Attribute).value
            model = cst.Name("self") if isinstance(receiver, cst.Call) else receiver
            arguments = [cst.Arg(model), cst.Arg(updated_node.args[0].value)]
            return cst.Call(self.helper("_doctor_logits_warper"), arguments)
        return updated_node

    def _is_the_librarys(self, call: cst.Call) -> bool:
        name = cst.ensure_type(call.func, cst.Attribute).attr.value
        return f"def {name}(" not in self.file.text
