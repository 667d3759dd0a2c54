"""`ROPE_INIT_FUNCTIONS` is asked for the plain RoPE.

transformers 5.0 moved it from the table onto each model's rotary class: `KeyError: 'default'` at
`ROPE_INIT_FUNCTIONS[self.rope_type]`, and the library's `_init_weights` asks the class for
`compute_default_rope_parameters`.  The rewritten look-up has the plain RoPE where the table has none, and the class
gets the method.  The scaled entries of 5.0 and 5.1 read a base of 10000.0 where a configuration class keeps
`rope_theta` to itself: wrong logits, no error.  They get the configuration's own.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/allenai/molmo2/issues/22
"""

from __future__ import annotations

import libcst as cst

from doctor.patch import Example, File, Patch
from doctor.rope_patch import VALUE, string

TABLE = "ROPE_INIT_FUNCTIONS"
METHOD = "compute_default_rope_parameters"
_CLASS = """class Rotary(nn.Module):
    def __init__(self, config):
        self.rope_init_fn = {0}
"""
_ADDED = f"\n    {METHOD} = staticmethod(_doctor_rope_plain)\n"


class RopeInitDefaultMissing(Patch):
    old, new = "transformers>=4.43,<5", "transformers>=4.43"
    needles = (b"ROPE_INIT_FUNCTIONS[",)
    mends = ("import:transformers.modeling_rope_utils._compute_default_rope_parameters",)
    helpers = {
        "_doctor_rope_value": VALUE,
        "_doctor_rope_plain": '''
def _doctor_rope_plain(config=None, device=None, seq_len=None, **rope_kwargs):
    """The inverse frequencies of plain RoPE and their scale, as ROPE_INIT_FUNCTIONS["default"] gave them."""
    base, dim = rope_kwargs.get("base"), rope_kwargs.get("dim")
    if not rope_kwargs:
        base = _doctor_rope_value(config, "rope_theta")
        head_dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        dim = int(head_dim * _doctor_rope_value(config, "partial_rotary_factor", 1.0))
    steps = torch.arange(0, dim, 2, dtype=torch.int64).float().to(device)
    return 1.0 / (base ** (steps / dim)), 1.0
''',
        "_doctor_rope_init": '''
def _doctor_rope_init(kind):
    """ROPE_INIT_FUNCTIONS[kind]; transformers 5 has no entry for "default"."""
    import functools

    plain = kind == "default" and kind not in ROPE_INIT_FUNCTIONS
    return _doctor_rope_plain if plain else functools.partial(_doctor_rope_scaled, ROPE_INIT_FUNCTIONS[kind])
''',
        "_doctor_rope_scaled": '''
def _doctor_rope_scaled(init, config=None, *args, **kwargs):
    """What an entry of ROPE_INIT_FUNCTIONS computes, from the configuration's own base."""
    held = getattr(config, "rope_parameters", None) or {}
    if held.get("rope_theta") == 10000.0:  # what transformers 5.0 and 5.1 fill in
        held["rope_theta"] = _doctor_rope_value(config, "rope_theta")
    return init(config, *args, **kwargs)
''',
    }
    examples = [
        Example(
            _CLASS.format("ROPE_INIT_FUNCTIONS[self.rope_type]"),
            _CLASS.format("_doctor_rope_init(self.rope_type)") + _ADDED,
        ),
        Example(
            _CLASS.format('ROPE_INIT_FUNCTIONS["default"]'), _CLASS.format('_doctor_rope_init("default")') + _ADDED
        ),
        Example("fn = ROPE_INIT_FUNCTIONS[config.rope_type]", "fn = _doctor_rope_init(config.rope_type)"),
        Example(
            "inv_freq, scale = ROPE_INIT_FUNCTIONS[kind](config, device)",
            "inv_freq, scale = _doctor_rope_init(kind)(config, device)",
        ),
        Example('ROPE_INIT_FUNCTIONS["mine"] = mine', keeps="a new entry"),
        Example('fn = ROPE_INIT_FUNCTIONS["yarn"]', keeps="it is in the table of every release"),
        Example(
            f"class Rotary(nn.Module):\n    def {METHOD}(self):\n        pass\n\n    def f(self, kind):\n"
            "        if kind != 'default':\n            return ROPE_INIT_FUNCTIONS[kind]",
            keeps="written for transformers 5",
        ),
    ]
    proof = """
import torch
from transformers import PretrainedConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

class C(PretrainedConfig):
    def __init__(self, rope_theta=5000.0, rope_scaling=None, **kwargs):
        self.hidden_size, self.num_attention_heads, self.max_position_embeddings = 64, 4, 32
        self.rope_theta, self.rope_scaling = rope_theta, rope_scaling
        super().__init__(**kwargs)

class Rotary:
    def __init__(self, config, kind):
        self.inv_freq, self.scale = ROPE_INIT_FUNCTIONS[kind](config, "cpu")

plain = 1.0 / 5000.0 ** (torch.arange(0, 16, 2) / 16)
rotary = Rotary(C(), "default")
assert torch.allclose(rotary.inv_freq, plain) and rotary.scale == 1.0
scaled = Rotary(C(rope_scaling={"rope_type": "linear", "factor": 2.0}), "linear")
assert torch.allclose(scaled.inv_freq, plain / 2), "another base than the configuration's"
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.stored: set[cst.CSTNode] = set()
        self.asking: set[str] = set()

    def visit_AssignTarget(self, node: cst.AssignTarget) -> None:
        self.stored.add(node.target)

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        inside = updated_node.slice[0].slice
        table = isinstance(updated_node.value, cst.Name) and updated_node.value.value == TABLE
        if not table or original_node in self.stored or not isinstance(inside, cst.Index) or METHOD in self.file.text:
            return updated_node
        if string(inside.value) not in (None, "default"):
            return updated_node
        if self.file.classes:
            self.asking.add(self.file.classes[0].name.value)
        self._plain()
        return cst.Call(self.helper("_doctor_rope_init"), [cst.Arg(inside.value)])

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.asking or not isinstance(body, cst.IndentedBlock):
            return updated_node
        method = cst.Call(cst.Name("staticmethod"), [cst.Arg(self._plain())])
        line = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name(METHOD))], method)])
        line = line.with_changes(leading_lines=[cst.EmptyLine(indent=False)])
        return updated_node.with_deep_changes(body, body=[*body.body, line])

    def _plain(self) -> cst.Name:
        self.helper("_doctor_rope_value")
        self.helper("_doctor_rope_scaled")
        return self.helper("_doctor_rope_plain")
