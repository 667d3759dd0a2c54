"""A model answers `_supports_sdpa` or `_supports_flash_attn_2` by asking the model inside it.

From transformers 4.54 on the question comes while the outer model is still empty: `AttributeError:
'Florence2ForConditionalGeneration' object has no attribute '_supports_sdpa'`.  Before, the class was asked, where a
property counts as True; that is now the answer until the inner model is there.

Reference: https://github.com/huggingface/transformers/issues/39974
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

FLAGS = ("_supports_flash_attn", "_supports_flash_attn_2", "_supports_flex_attn", "_supports_sdpa")
INNER = m.Attribute(value=m.Name("self"))
ANSWER = m.Return(value=m.Attribute(value=INNER, attr=m.OneOf(*(m.Name(flag) for flag in FLAGS))))
MODEL = "class M(PreTrainedModel):\n    @property\n    def {0}(self):\n        {1}\n"


class SupportsAttentionProperty(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = tuple(f"def {flag}(".encode() for flag in FLAGS)
    examples = [
        Example(
            MODEL.format("_supports_sdpa", "return self.language_model._supports_sdpa"),
            MODEL.format(
                "_supports_sdpa", 'return getattr(getattr(self, "language_model", None), "_supports_sdpa", True)'
            ),
        ),
        Example(
            MODEL.format("_supports_flash_attn_2", "return self.llm._supports_flash_attn_2"),
            MODEL.format(
                "_supports_flash_attn_2", 'return getattr(getattr(self, "llm", None), "_supports_flash_attn_2", True)'
            ),
        ),
        Example(MODEL.format("_supports_sdpa", "return True"), keeps="asks nobody"),
        Example(MODEL.format("supports", "return self.language_model._supports_sdpa"), keeps="nobody else asks it"),
    ]

    proof = """
from scenery import Tiny, TinyConfig
from transformers import PreTrainedModel

class Inner(Tiny):
    _supports_sdpa = True

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.inner = Inner(config)
        self.post_init()

    def _init_weights(self, module):
        pass

    @property
    def _supports_sdpa(self):
        return self.inner._supports_sdpa

assert M(TinyConfig())._supports_sdpa is True
"""

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> cst.Return:
        function = self.file.function
        if function is None or function.name.value not in FLAGS or not m.matches(updated_node, ANSWER):
            return updated_node
        flag = cst.ensure_type(updated_node.value, cst.Attribute)
        inner = cst.ensure_type(flag.value, cst.Attribute).attr.value
        answer = f'getattr(getattr(self, "{inner}", None), "{flag.attr.value}", True)'
        return updated_node.with_changes(value=cst.parse_expression(answer))
