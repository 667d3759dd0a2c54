"""The soft cap of the attention is handed to SDPA, which newer releases refuse.

Files of Gemma2 from 4.48 on hand `softcap` to whichever attention is chosen.  SDPA, their default, left it out without
a word; from transformers 5.21 on it stops: `ValueError: sdpa attention does not support softcap`.  SDPA is now handed
none, so that the numbers stay those of the release that the file was written for; all others are handed the cap.

Reference: https://github.com/huggingface/transformers/blob/main/src/transformers/integrations/sdpa_attention.py
"""

from __future__ import annotations

import re

import libcst as cst

from doctor.patch import Example, Patch

HELPER = "_doctor_softcap"
CHOICE = r"\b{0}\b[^=\n]*=\s*ALL_ATTENTION_FUNCTIONS\b"
BEFORE = """class Attention(nn.Module):
    def forward(self, q, k, v, mask):
        attend = eager_attention_forward
        if self.config._attn_implementation != "eager":
            attend = ALL_ATTENTION_FUNCTIONS[self.config._attn_implementation]
        return attend(self, q, k, v, mask, softcap=self.cap)

class P(PreTrainedModel):
    _supports_sdpa = True
"""


class SoftcapHandedToSdpa(Patch):
    old, new = "transformers>=4.48,<5.21", "transformers>=4.48"
    needles = (b"softcap=",)
    helpers = {
        HELPER: '''
def _doctor_softcap(attend, softcap):
    """The soft cap for an attention function, None for SDPA: it never used one, and newer releases refuse it."""
    return None if getattr(attend, "__name__", "") == "sdpa_attention_forward" else softcap
'''
    }
    examples = [
        Example(BEFORE, BEFORE.replace("softcap=self.cap", "softcap=_doctor_softcap(attend, self.cap)")),
        Example(BEFORE.replace("_supports_sdpa = True", "_supports_sdpa = False"), keeps="SDPA is never chosen"),
        Example(BEFORE.replace("ALL_ATTENTION_FUNCTIONS", "MINE"), keeps="the file's own attention"),
        Example(BEFORE.replace("return attend(", "return flash("), keeps="flash attention takes it"),
    ]

    proof = """
from scenery import Tiny, TinyConfig, states
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

class M(Tiny):
    _supports_sdpa = True

    def attend(self, hidden):
        interface = ALL_ATTENTION_FUNCTIONS["sdpa"]
        return interface(self, hidden, hidden, hidden, None, softcap=50.0)[0]

assert M(TinyConfig()).attend(states(3)).shape == (1, 3, 1, 4)
"""

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        called = updated_node.func
        if not isinstance(called, cst.Name) or not self._chosen(called.value):
            return updated_node
        args = [self._capped(called, arg) for arg in updated_node.args]
        return updated_node.with_changes(args=args) if args != [*updated_node.args] else updated_node

    def _chosen(self, name: str) -> bool:
        """Whether a name of the file is an attention function of the library's choice, SDPA among them."""
        text = self.file.text
        return "_supports_sdpa = True" in text and re.search(CHOICE.format(name), text) is not None

    def _capped(self, attend: cst.Name, arg: cst.Arg) -> cst.Arg:
        done = isinstance(arg.value, cst.Call) and isinstance(arg.value.func, cst.Name)
        if arg.keyword is None or arg.keyword.value != "softcap" or done:
            return arg
        return arg.with_changes(value=cst.Call(self.helper(HELPER), [cst.Arg(attend), cst.Arg(arg.value)]))
