"""A model ties its head to its embeddings, and has no `_tied_weights_keys`.

Up to transformers 4.57 `get_output_embeddings` was enough: with `tie_word_embeddings`, the default of 4.x, the loader
tied what it returns to the input embeddings.  From 5.0 on only what `_tied_weights_keys` names is tied, and the head of
such a model stays random: wrong logits, and at most one line in the load report.  The class gets the mapping, with the
file's own names; older releases only iterate over it, and nothing is tied where the configuration does not want it.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

KEYS = "_tied_weights_keys"
HEAD = """class M(PreTrainedModel):
    config_class = C
"""
METHODS = """
    def get_input_embeddings(self):
        return self.model.embed_tokens

    def get_output_embeddings(self):
        return self.lm_head
"""
LINE = '    _tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}\n'


class TiedWeightsKeysMissing(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (b"def get_output_embeddings",)
    mends = ("tied-weights-keys-missing",)
    examples = [
        Example(HEAD + METHODS, HEAD + LINE + METHODS),
        Example(
            HEAD.replace("PreTrainedModel", "BertPreTrainedModel").replace("    config_class = C\n", "") + METHODS,
            HEAD.replace("PreTrainedModel", "BertPreTrainedModel").replace("    config_class = C\n", LINE) + METHODS,
        ),
        Example(
            '''class P(PreTrainedModel):
    base_model_prefix = "transformer"

class Inner(P):
    def get_input_embeddings(self):
        return self.wte

class Head(P):
    """Says the next word."""

    def __init__(self, config):
        self.transformer = Inner(config)

    def get_output_embeddings(self):
        return self.lm_head
''',
            '''class P(PreTrainedModel):
    base_model_prefix = "transformer"

class Inner(P):
    def get_input_embeddings(self):
        return self.wte

class Head(P):
    """Says the next word."""
    _tied_weights_keys = {"lm_head.weight": "transformer.wte.weight"}

    def __init__(self, config):
        self.transformer = Inner(config)

    def get_output_embeddings(self):
        return self.lm_head
''',
        ),
        Example(HEAD + LINE + METHODS, keeps="it says what is tied"),
        Example(HEAD + METHODS + "\n    def tie_weights(self):\n        pass\n", keeps="it ties by itself"),
        Example(HEAD + METHODS.replace("self.lm_head", "None"), keeps="it has no head"),
        Example(
            HEAD + METHODS.replace("self.model.embed_tokens", "self.model.layers[0]"),
            keeps="the file does not say where the embedding is",
        ),
        Example(
            HEAD + "\n    def __init__(self, c):\n        self.lm_head = nn.ModuleList([])\n" + METHODS,
            keeps="there are several heads",
        ),
        Example(HEAD.replace("PreTrainedModel", "nn.Module") + METHODS, keeps="not a model of transformers"),
    ]

    proof = """
import tempfile

import torch
from safetensors.torch import save_file
from scenery import TinyConfig
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(8, 4)
        self.head = torch.nn.Linear(4, 8, bias=False)
        self.post_init()

    def _init_weights(self, module):
        if hasattr(module, "weight"):
            torch.nn.init.constant_(module.weight, 7.0)

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.head

with tempfile.TemporaryDirectory() as folder:
    TinyConfig(tie_word_embeddings=True).save_pretrained(folder)
    save_file({"embed.weight": torch.ones(8, 4)}, folder + "/model.safetensors", metadata={"format": "pt"})
    model = M.from_pretrained(folder)
assert torch.equal(model.head.weight, torch.ones(8, 4))
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        self.pairs = {name: pair for name in classes.nodes if (pair := classes.untold_tie(name))}

    def reaches(self, name: str, text: str) -> bool:
        return name in self.pairs

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        pair, body = self.pairs.get(updated_node.name.value), updated_node.body
        if self.file.scope or pair is None or not isinstance(body, cst.IndentedBlock):
            return updated_node
        statements = list(body.body)
        if any(KEYS in cst.Module([]).code_for_node(s) for s in statements if isinstance(s, cst.SimpleStatementLine)):
            return updated_node
        place = next((i for i, s in enumerate(statements) if not isinstance(s, cst.SimpleStatementLine)), 0)
        line = cst.parse_statement(f'{KEYS} = {{"{pair[0]}.weight": "{pair[1]}.weight"}}')
        if place == 0 and isinstance(statements[0], cst.FunctionDef) and not statements[0].leading_lines:
            statements[0] = statements[0].with_changes(leading_lines=[cst.EmptyLine(indent=False)])
        return updated_node.with_deep_changes(body, body=[*statements[:place], line, *statements[place:]])
