"""A model that generates does not inherit from `GenerationMixin`.

From transformers 4.52 on `PreTrainedModel` does not bring `generate` any more: `AttributeError: 'Phi3ForCausalLM'
object has no attribute 'generate'`.  The mixin comes after the model's other bases, as every release wants it.

Reference: https://github.com/huggingface/transformers/pull/33150
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

ROOT, MIXIN = "PreTrainedModel", "GenerationMixin"
IMPORT = f"from transformers import {MIXIN}\n"
HEAD = "    def prepare_inputs_for_generation(self, input_ids, **kwargs):\n        return {}\n"
USE = "from transformers.modeling_utils import PreTrainedModel\n"


class GenerationMixinMissing(Patch):
    old, new = "transformers<4.52", "transformers>=4.36"
    needles = (b"def prepare_inputs_for_generation",)
    mends = ("attribute:generate",)
    examples = [
        Example(
            USE + "class M(PreTrainedModel):\n" + HEAD,
            USE + IMPORT + "class M(PreTrainedModel, GenerationMixin):\n" + HEAD,
        ),
        Example(
            USE + "class P(PreTrainedModel):\n    pass\n\nclass M(P):\n" + HEAD,
            USE + IMPORT + "class P(PreTrainedModel):\n    pass\n\nclass M(P, GenerationMixin):\n" + HEAD,
        ),
        Example(
            "from transformers import GenerationMixin, PreTrainedModel\nclass M(PreTrainedModel):\n" + HEAD,
            "from transformers import GenerationMixin, PreTrainedModel\nclass M(PreTrainedModel, GenerationMixin):\n"
            + HEAD,
        ),
        Example(USE + IMPORT + "class M(PreTrainedModel, GenerationMixin):\n" + HEAD, keeps="the mixin is inherited"),
        Example(USE + "class M(PreTrainedModel):\n    pass\n", keeps="does not generate"),
        Example("class M(Wrapper):\n" + HEAD, keeps="not a model of transformers, as far as the file tells"),
    ]
    proof = """
import torch
from scenery import Tiny, TinyConfig
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class, answer, says = TinyConfig, Tiny.answer, Tiny.says

    def __init__(self, config):
        super().__init__(config)
        self.bias, self.seen = torch.nn.Parameter(torch.eye(8)[3]), []
        self.post_init()

    def _init_weights(self, module):
        pass

    def forward(self, input_ids, attention_mask=None, **kwargs):
        return self.answer(input_ids)

    def prepare_inputs_for_generation(self, input_ids, **kwargs):
        return {"input_ids": input_ids}

assert M(TinyConfig()).says() == [3, 3, 3]
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)
        self.generating = [name for name, node in self.classes.nodes.items() if self._lacks(name)]

    def _lacks(self, name: str) -> bool:
        own = any(
            getattr(node, "name", "") == "prepare_inputs_for_generation" for node in self.classes.nodes[name].body
        )
        return own and self.classes.derives(name, ROOT) and not self.classes.derives(name, MIXIN)

    def visit_Module(self, node: cst.Module) -> None:
        lines = [line for line in node.body if isinstance(line, cst.SimpleStatementLine)]
        self.imported = any(_imports(line, MIXIN) for line in lines)

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        top = not self.file.scope
        if not top or updated_node.name.value not in self.generating:
            return updated_node
        if any(m.matches(base.value, m.Name(MIXIN)) for base in updated_node.bases):
            return updated_node
        return updated_node.with_changes(bases=[*updated_node.bases, cst.Arg(cst.Name(MIXIN))])

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.FlattenSentinel[cst.BaseStatement]:
        if not self.generating or self.imported or not _imports(updated_node, ROOT):
            return updated_node
        return cst.FlattenSentinel([updated_node, cst.parse_statement(IMPORT)])


def _imports(line: cst.SimpleStatementLine, name: str) -> bool:
    return any(
        isinstance(part, cst.ImportFrom)
        and not isinstance(part.names, cst.ImportStar)
        and any(m.matches(alias.name, m.Name(name)) for alias in part.names)
        for part in line.body
    )
