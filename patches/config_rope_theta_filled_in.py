"""A configuration keeps `rope_theta` to itself, and transformers 5.0 and 5.1 fill in another.

A remote configuration that assigns `self.rope_theta` and `self.rope_scaling` before `super().__init__()` gets
`rope_parameters` with a base of 10000.0 there, whatever its own is.  What the library makes of such a configuration, a
`LlamaRotaryEmbedding` or a `LlamaModel` that the remote code inherits, has the wrong base: wrong logits, no error.  The
rewritten class writes its own base over what was filled in.

Reference: https://github.com/huggingface/transformers/pull/42593
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.borrowed import keeping_theta
from doctor.patch import Example, File, Patch
from doctor.traversal import find

KEEPS = '''
def _doctor_keep_rope_theta(config):
    """Write the configuration's own RoPE base over the 10000.0 that transformers 5.0 and 5.1 fill in."""
    rope, theta = getattr(config, "rope_parameters", None), getattr(config, "rope_theta", None)
    if isinstance(rope, dict) and theta is not None and rope.get("rope_theta") == 10000.0:
        rope["rope_theta"] = theta
'''
CLASS = """class C(PretrainedConfig):
    def __init__(self, rope_theta=1e4, rope_scaling=None, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        super().__init__(**kwargs)
"""
APART = CLASS.replace(
    "self.rope_theta, self.rope_scaling = rope_theta, rope_scaling",
    "self.rope_theta = rope_theta\n        self.rope_scaling = rope_scaling",
)


class ConfigRopeThetaFilledIn(Patch):
    old, new = "transformers!=5.0.*,!=5.1.*", "transformers>=4.36"
    needles = (b"self.rope_theta",)
    mends = ("config-rope-theta-filled-in",)
    helpers = {"_doctor_keep_rope_theta": KEEPS}
    examples = [
        Example(CLASS, CLASS + "        _doctor_keep_rope_theta(self)\n"),
        Example(APART, APART + "        _doctor_keep_rope_theta(self)\n"),
        Example(CLASS.replace("(PretrainedConfig)", "(LlamaConfig)"), keeps="its base takes the number"),
        Example(CLASS.replace("class C(PretrainedConfig)", "class Rotary(nn.Module)"), keeps="no configuration"),
        Example(
            APART.replace("        self.rope_scaling = rope_scaling\n", ""),
            keeps="without a scaling nothing is filled in",
        ),
    ]
    proof = """
from transformers import PretrainedConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

class C(PretrainedConfig):
    def __init__(self, rope_theta=10000.0, rope_scaling=None, **kwargs):
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        self.hidden_size, self.num_attention_heads, self.max_position_embeddings = 8, 1, 64
        super().__init__(**kwargs)

assert C(rope_theta=500.0).rope_theta == 500.0
rope = getattr(C(rope_theta=500.0), "rope_parameters", None)
assert rope is None or rope["rope_theta"] == 500.0
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.configurations = {node.name for node in keeping_theta(file.text)}

    def reaches(self, name: str, text: str) -> bool:
        return name.removesuffix(".__init__") in self.configurations

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        owner, body = self.file.classes[-1].name.value if self.file.classes else "", updated_node.body
        if updated_node.name.value != "__init__" or owner not in self.configurations:
            return updated_node
        if not isinstance(body, cst.IndentedBlock) or find(body, m.Name("_doctor_keep_rope_theta")):
            return updated_node
        call = cst.Call(self.helper("_doctor_keep_rope_theta"), [cst.Arg(cst.Name("self"))])
        return updated_node.with_deep_changes(body, body=[*body.body, cst.SimpleStatementLine([cst.Expr(call)])])
