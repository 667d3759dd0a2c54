"""A model's `__init__` does not call `post_init`.

From transformers 5.0 on the loader needs what `post_init` sets up: `AttributeError: 'XForCausalLM' object has no
attribute 'all_tied_weights_keys'`.  The call is there since 4.12 and is the last thing `__init__` does.

Reference: https://github.com/huggingface/transformers/issues/43883
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.traversal import find

CALLS = m.Call(
    func=m.Attribute(
        value=m.OneOf(m.Name("self"), m.Call(func=m.Name("super"))),
        attr=m.OneOf(m.Name("post_init"), m.Name("init_weights")),
    )
)


class PostInitMissing(Patch):
    old, new = "transformers<5", "transformers>=4.12"
    needles = (b"PreTrainedModel)", b"PreTrainedModel,")
    mends = ("attribute:all_tied_weights_keys",)
    examples = [
        Example(
            "class M(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n"
            "        self.head = Head(config)\n",
            "class M(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n"
            "        self.head = Head(config)\n        self.post_init()\n",
        ),
        Example(
            "class P(PreTrainedModel):\n    pass\n\nclass M(P):\n    def __init__(self, config):\n"
            "        super().__init__(config)\n",
            "class P(PreTrainedModel):\n    pass\n\nclass M(P):\n    def __init__(self, config):\n"
            "        super().__init__(config)\n        self.post_init()\n",
        ),
        Example(
            "class M(modeling_utils.PreTrainedModel):\n    def __init__(self, config, n=2):\n"
            "        super(M, self).__init__(config)\n        self.n = n\n",
            "class M(modeling_utils.PreTrainedModel):\n    def __init__(self, config, n=2):\n"
            "        super(M, self).__init__(config)\n        self.n = n\n        self.post_init()\n",
        ),
        Example(
            "from .modeling_inner import InnerPreTrainedModel\n\nclass M(InnerPreTrainedModel):\n"
            "    def __init__(self, config):\n        super().__init__(config)\n        self.head = Head(config)\n",
            "from .modeling_inner import InnerPreTrainedModel\n\nclass M(InnerPreTrainedModel):\n"
            "    def __init__(self, config):\n        super().__init__(config)\n        self.head = Head(config)\n"
            "        self.post_init()\n",
        ),
        Example(
            "class M(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n"
            "        self.post_init()\n",
            keeps="it is called",
        ),
        Example(
            "class P(PreTrainedModel):\n    def __init__(self, *inputs, **kwargs):\n"
            "        super().__init__(*inputs, **kwargs)\n\nclass M(P):\n    def __init__(self, config):\n"
            "        super().__init__(config)\n        self.post_init()\n",
            keeps="a base class: the model proper calls it",
        ),
        Example("class M(nn.Module):\n    def __init__(self):\n        super().__init__()\n", keeps="not a model"),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.head = torch.nn.Linear(4, 4)

    def _init_weights(self, module):
        pass

model = M(TinyConfig())
assert torch.equal(reloaded(model).head.weight, model.head.weight)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        self.lacking = {name for name, node in classes.nodes.items() if _lacks(node) and classes.is_model(name)}
        self.lacking -= {base for name in classes.nodes for base in classes.lineage(name) if base != name}

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        return method in ("", "__init__") and owner in self.lacking

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        if updated_node.name.value != "__init__" or len(self.file.scope) != 1 or not self.file.classes:
            return updated_node
        if self.file.classes[-1].name.value not in self.lacking or find(updated_node, CALLS):
            return updated_node
        if not isinstance(updated_node.body, cst.IndentedBlock):
            return updated_node
        call = cst.parse_statement("self.post_init()")
        return updated_node.with_deep_changes(updated_node.body, body=[*updated_node.body.body, call])


def _lacks(node: ast.ClassDef) -> bool:
    """Whether a class has an `__init__` that calls neither method."""
    inits = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    called = {inner.attr for init in inits for inner in ast.walk(init) if isinstance(inner, ast.Attribute)}
    return bool(inits) and not called & {"post_init", "init_weights"}
