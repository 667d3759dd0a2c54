"""A model class says `_supports_flash_attn_2` and not `_supports_flash_attn`.

transformers 4.54 renamed the flag; releases from 5.4 on read the new name alone and refuse: `ValueError:
Phi3ForCausalLM does not support Flash Attention 2 yet`.  Both names are set, to the same value.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch


def _sets(name: str) -> m.SimpleStatementLine:
    return m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(target=m.Name(name))])])


class SupportsFlashAttn2(Patch):
    old, new = "transformers<5.4", "transformers>=4.36"
    needles = (b"_supports_flash_attn_2",)
    mends = ("attribute:_supports_flash_attn_2",)
    examples = [
        Example(
            "class P(PreTrainedModel):\n    _supports_flash_attn_2 = True\n    _supports_sdpa = False\n",
            "class P(PreTrainedModel):\n    _supports_flash_attn_2 = True\n    _supports_flash_attn = True\n"
            "    _supports_sdpa = False\n",
        ),
        Example(
            "class P(PreTrainedModel):\n    _supports_flash_attn_2 = False\n",
            "class P(PreTrainedModel):\n    _supports_flash_attn_2 = False\n    _supports_flash_attn = False\n",
        ),
        Example(
            "class P(Base):\n    # fast\n    _supports_flash_attn_2 = FLASH  # on Ampere\n    x = 1\n",
            "class P(Base):\n    # fast\n    _supports_flash_attn_2 = FLASH  # on Ampere\n"
            "    _supports_flash_attn = FLASH\n    x = 1\n",
        ),
        Example(
            "class P(PreTrainedModel):\n    _supports_flash_attn_2 = True\n    _supports_flash_attn = True\n",
            keeps="both names are there",
        ),
        Example("class P(PreTrainedModel):\n    _supports_flash_attn = True\n", keeps="the new name"),
        Example("print(P._supports_flash_attn_2)\n", keeps="a reading"),
    ]
    proof = """
from scenery import Tiny

class M(Tiny):
    _supports_flash_attn_2 = True

try:
    model = M._from_config(M.config_class(), attn_implementation="flash_attention_2")
except ImportError:
    pass  # flash_attn is not installed here, which is asked last
"""

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = list(updated_node.body.body)
        if any(m.matches(line, _sets("_supports_flash_attn")) for line in body):
            return updated_node
        place = next((i for i, line in enumerate(body) if m.matches(line, _sets("_supports_flash_attn_2"))), None)
        if place is None:
            return updated_node
        flag = cst.ensure_type(cst.ensure_type(body[place], cst.SimpleStatementLine).body[0], cst.Assign)
        both = cst.SimpleStatementLine([cst.Assign([cst.AssignTarget(cst.Name("_supports_flash_attn"))], flag.value)])
        body.insert(place + 1, both)
        return updated_node.with_deep_changes(updated_node.body, body=body)
