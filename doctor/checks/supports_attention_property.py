"""A model answers `_supports_sdpa` or `_supports_flash_attn_2` by asking the model inside it.

Why it matters: from transformers 4.54 on the question comes while the outer model is still empty: `AttributeError:
'Florence2ForConditionalGeneration' object has no attribute '_supports_sdpa'`.

What to do: `doctor fix` makes it answer True, as the class did before, until the inner model is there.

Reference: https://github.com/huggingface/transformers/issues/39974
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.54"
FLAGS = ("_supports_flash_attn", "_supports_flash_attn_2", "_supports_flex_attn", "_supports_sdpa")
MODEL = "class M(PreTrainedModel):\n    @property\n    def _supports_sdpa(self):\n        return "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"def {flag}(".encode() for flag in FLAGS],
    passes=[remote_code(MODEL + "True"), remote_code(MODEL + "getattr(self.llm, '_supports_sdpa', True)")],
    fails=[remote_code(MODEL + "self.llm._supports_sdpa"), remote_code(MODEL + "self.llm._supports_sdpa", "4.47.1")],
    kinds=["remote-code"],
)
def supports_attention_property(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find methods of these names that return the same of `self.<model>`."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for node in code.nodes(ast.Return):
        function = code.function(node)
        asked = ast.unparse(node.value).split(".") if isinstance(node.value, ast.Attribute) else []
        if function and function.name in FLAGS and len(asked) == 3 and asked[0] == "self" and asked[2] in FLAGS:
            yield Finding(
                f"{function.name} asks self.{asked[1]}; {judged.when} the question comes before that is there",
                Remedy("advice", f"answer `getattr(getattr(self, '{asked[1]}', None), '{asked[2]}', True)`"),
                code.location(node),
                severity=judged.severity,
            )
