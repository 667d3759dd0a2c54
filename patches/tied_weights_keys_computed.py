"""`_tied_weights_keys` is put together while the model is built, or names what the file does not show.

transformers 5.0 reads a mapping from each tied weight to its source: `AttributeError: 'list' object has no attribute
'keys'` in `post_init`.  Before that call the names are now looked up in the model: whatever is one tensor with another
is tied to it, and the output embedding to the input embedding.  Older releases keep the list.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch
from doctor.traversal import find

NAME, HELPER = "_tied_weights_keys", "_doctor_tied_weights"
ON_SELF = f"self.{NAME}"
POST_INIT = m.SimpleStatementLine(
    body=[m.Expr(value=m.Call(func=m.Attribute(value=m.Name("self"), attr=m.Name("post_init"))))]
)
HEAD = """class M(PreTrainedModel):
    def __init__(self, config):
        super().__init__(config)
        self.model = Inner(config)
"""
KEYS = '        self._tied_weights_keys = ["lm_head.weight", *self.model._tied_weights_keys]\n'
AGAIN = "        self._tied_weights_keys = _doctor_tied_weights(self)\n"
CALL = "        self.post_init()\n"


class TiedWeightsKeysComputed(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (NAME.encode(),)
    mends = ("attribute:_tied_weights_keys",)
    helpers = {
        HELPER: '''
def _doctor_tied_weights(model):
    """The model's tied weights: the names, or for transformers 5 a mapping from each to what it is tied to."""
    names = model._tied_weights_keys
    if not hasattr(model, "get_expanded_tied_weights_keys") or names is None or isinstance(names, dict):
        return names
    tensors, first = dict(model.named_parameters(remove_duplicate=False)), {}
    for name, tensor in tensors.items():
        first.setdefault(id(tensor), name)
    embedding, output = model.get_input_embeddings(), model.get_output_embeddings()
    source = first.get(id(getattr(embedding, "weight", None)))
    tied = {}
    for name in names:
        tensor = tensors.get(name)
        of_output = tensor is not None and tensor is getattr(output, "weight", None)
        tied[name] = source if of_output and source else first.get(id(tensor))
    return {name: of for name, of in tied.items() if of not in (None, name)}
'''
    }
    examples = [
        Example(HEAD + KEYS + CALL, HEAD + KEYS + AGAIN + CALL),
        Example(
            HEAD.replace(":\n    def", ':\n    _tied_weights_keys = ["head.weight"]\n\n    def', 1) + CALL,
            HEAD.replace(":\n    def", ':\n    _tied_weights_keys = ["head.weight"]\n\n    def', 1) + AGAIN + CALL,
        ),
        Example(HEAD + KEYS, keeps="the model is not finished here"),
        Example(HEAD + "        self._tied_weights_keys = {}\n" + CALL, keeps="a mapping"),
    ]

    proof = """
import torch
from scenery import TinyConfig, reloaded
from transformers import PreTrainedModel

class M(PreTrainedModel):
    config_class = TinyConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(8, 4)
        self.first = torch.nn.Linear(4, 4, bias=False)
        self.second = self.first
        self.head = torch.nn.Linear(4, 8, bias=False)
        self._tied_weights_keys = [f"{name}.weight" for name in ("head", "second")]
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed

    def get_output_embeddings(self):
        return self.head

made = M(TinyConfig(tie_word_embeddings=True))
model = reloaded(made)
assert torch.equal(model.head.weight, model.embed.weight)
assert torch.equal(model.second.weight, made.first.weight)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        self.computing = {name for name, node in classes.nodes.items() if _computes(node, classes)}

    def reaches(self, name: str, text: str) -> bool:
        return name.partition(".")[0] in self.computing and name.partition(".")[2] in ("", "__init__")

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        body = updated_node.body
        if updated_node.name.value != "__init__" or len(self.file.scope) != 1 or not self.file.classes:
            return updated_node
        if self.file.classes[0].name.value not in self.computing or not isinstance(body, cst.IndentedBlock):
            return updated_node
        place = next((i for i, line in enumerate(body.body) if m.matches(line, POST_INIT)), None)
        if place is None or find(updated_node, m.Name(HELPER)):
            return updated_node
        made = cst.Call(self.helper(HELPER), [cst.Arg(cst.Name("self"))])
        target = cst.AssignTarget(cst.Attribute(cst.Name("self"), cst.Name(NAME)))
        above = body.body[place]
        line = cst.SimpleStatementLine([cst.Assign([target], made)], leading_lines=above.leading_lines)  # type: ignore[attr-defined]
        after = [above.with_changes(leading_lines=[]), *body.body[place + 1 :]]
        return updated_node.with_deep_changes(body, body=[*body.body[:place], line, *after])


def _computes(node: ast.ClassDef, classes: Classes) -> bool:
    """Whether the class assigns the names in `__init__`, or lists some of which the file does not show the source."""
    init = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
    if any(_assigns(inner, ON_SELF) for part in init for inner in ast.walk(part)):
        return True
    return any(_assigns(part, NAME) for part in node.body) and classes.input_embeddings(node.name) is None


def _assigns(node: ast.AST, target: str) -> bool:
    if not isinstance(node, ast.Assign) or isinstance(node.value, ast.Dict):
        return False
    empty = isinstance(node.value, ast.List | ast.Tuple) and not node.value.elts
    return not empty and any(ast.unparse(one) == target for one in node.targets)
