"""`_tied_weights_keys` is a list of names.

transformers 5.0 wants to know what each is tied to and reads a mapping: `AttributeError: 'list' object has no
attribute 'keys'` at load where the embeddings are tied, and at every `save_pretrained`.  The mapping names the
weight of the file's own `get_input_embeddings`; older releases only iterate over it, which gives the same names.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, Patch

LIST = m.Assign(
    targets=[m.AssignTarget(target=m.Name("_tied_weights_keys"))],
    value=m.OneOf(m.List(elements=[m.AtLeastN(n=1)]), m.Tuple(elements=[m.AtLeastN(n=1)])),
)
EMBEDDING = """
    def get_input_embeddings(self):
        return self.model.embed_tokens
"""


class TiedWeightsKeysList(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"_tied_weights_keys",)
    mends = ("attribute:_tied_weights_keys",)
    examples = [
        Example(
            'class M(P):\n    _tied_weights_keys = ["lm_head.weight"]\n' + EMBEDDING,
            'class M(P):\n    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}\n' + EMBEDDING,
        ),
        Example(
            'class M(P):\n    _tied_weights_keys = ("model.embed_tokens.weight", "lm_head.weight")\n' + EMBEDDING,
            'class M(P):\n    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}\n' + EMBEDDING,
        ),
        Example(
            """class Base(PreTrainedModel):
    base_model_prefix = "transformer"

class Inner(Base):
    def get_input_embeddings(self):
        return self.wte

class Head(Base):
    _tied_weights_keys = ["lm_head.weight"]

    def __init__(self, config):
        self.transformer = Inner(config)
""",
            """class Base(PreTrainedModel):
    base_model_prefix = "transformer"

class Inner(Base):
    def get_input_embeddings(self):
        return self.wte

class Head(Base):
    _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}

    def __init__(self, config):
        self.transformer = Inner(config)
""",
        ),
        Example(
            """class Inner(PreTrainedModel):
    def __init__(self, config):
        self.shared = nn.Embedding(8, 4)
        self.encoder = Encoder(config)

    def get_input_embeddings(self):
        return self.shared

class Outer(PreTrainedModel):
    _tied_weights_keys = ["encoder.embed.weight", "head.weight"]

    def __init__(self, config):
        inner = Inner(config)
        self.model = inner
        self.head = nn.Linear(4, 8)
""",
            """class Inner(PreTrainedModel):
    def __init__(self, config):
        self.shared = nn.Embedding(8, 4)
        self.encoder = Encoder(config)

    def get_input_embeddings(self):
        return self.shared

class Outer(PreTrainedModel):
    _tied_weights_keys = {"model.encoder.embed.weight": "model.shared.weight", "head.weight": "model.shared.weight"}

    def __init__(self, config):
        inner = Inner(config)
        self.model = inner
        self.head = nn.Linear(4, 8)
""",
        ),
        Example(
            'class M(P):\n    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}\n',
            keeps="a mapping already",
        ),
        Example("class M(P):\n    _tied_weights_keys = []\n", keeps="nothing is tied"),
        Example(
            'class M(P):\n    _tied_weights_keys = ["lm_head.weight"]\n',
            keeps="the file does not say where the embedding is",
        ),
    ]
    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig
    _tied_weights_keys = ["head.weight"]

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(8, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.head

model = reloaded(M(TinyConfig(tie_word_embeddings=True)))
assert torch.equal(model.head.weight, model.embed.weight)
"""

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> cst.Assign:
        if not m.matches(updated_node, LIST) or not self.file.classes or self.file.function is not None:
            return updated_node
        names = ast.literal_eval(cst.Module([]).code_for_node(updated_node.value))
        owner, classes = self.file.classes[-1].name.value, Classes(self.file.text)
        path = classes.input_embeddings(owner)
        tied = [name for name in names if name != f"{path}.weight"]
        if path is None or not tied or not all(name.endswith("weight") for name in tied):
            return updated_node
        tied = [classes.located(owner, name) for name in tied]
        pairs = ", ".join(f'"{name}": "{path}.weight"' for name in tied)
        return updated_node.with_changes(value=cst.parse_expression(f"{{{pairs}}}"))
