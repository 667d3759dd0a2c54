"""A configuration class counts on defaults that transformers 5 does not give it.

Up to 4.57 every configuration had `tie_word_embeddings=True`, `is_decoder=False`, `add_cross_attention=False`, token
ids of None and more, whatever config.json said, and 4.x leaves them out of config.json.  From 5.0 on it has what the
class and config.json set, no more: `AttributeError: 'XGLMConfig' object has no attribute 'add_cross_attention'`, or,
without any error, a head that is not tied to the embeddings and stays random (one line of the load report:
`lm_head.weight | MISSING`).  The class gets the old defaults as class attributes: what `__init__`, config.json or the
caller sets is found first on every release, and nothing more is written to config.json.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

ROOT = "PretrainedConfig"
"""The spelling of 4.x.  Classes of 5.x derive from `PreTrainedConfig` and count on no more than 5.x gives them."""
DEFAULTS = {
    "True": ("tie_word_embeddings",),
    "False": ("is_decoder", "add_cross_attention", "tie_encoder_decoder", "torchscript"),
    "None": (
        *("pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id"),
        *("cross_attention_hidden_size", "tokenizer_class"),
    ),
}
"""Value to the names that had it in PretrainedConfig of 4.x.  `pruned_heads={}` is left out: one dict for all."""
USE = "from transformers import PretrainedConfig\n\n"
HEAD = 'class C(PretrainedConfig):\n    model_type = "c"\n'
INIT = "\n    def __init__(self, size=1, **kwargs):\n        super().__init__(**kwargs)\n"
TIED = "    tie_word_embeddings = True\n"
FLAGS = "    is_decoder = add_cross_attention = tie_encoder_decoder = torchscript = False\n"
TOKENS = "    pad_token_id = bos_token_id = eos_token_id = sep_token_id = decoder_start_token_id = None\n"
OTHERS = "    cross_attention_hidden_size = tokenizer_class = None\n"
FIELDS = '    model_type = "c"\n    hidden_size: int = 1\n    tie_word_embeddings: bool = False\n'


class ConfigDefaultsMissing(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = (ROOT.encode(),)
    mends = ("attribute:add_cross_attention", "attribute:is_decoder", "attribute:tie_word_embeddings")
    examples = [
        Example(USE + HEAD + INIT, USE + HEAD + TIED + FLAGS + TOKENS + OTHERS + INIT),
        Example(
            USE + HEAD + INIT.replace("(**kwargs)", "(pad_token_id=0, bos_token_id=1, eos_token_id=2, **kwargs)"),
            USE
            + HEAD
            + TIED
            + FLAGS
            + "    sep_token_id = decoder_start_token_id = cross_attention_hidden_size = tokenizer_class = None\n"
            + INIT.replace("(**kwargs)", "(pad_token_id=0, bos_token_id=1, eos_token_id=2, **kwargs)"),
        ),
        Example(
            USE + HEAD + "    tie_word_embeddings = False\n" + INIT,
            USE + HEAD + "    tie_word_embeddings = False\n" + FLAGS + TOKENS + OTHERS + INIT,
        ),
        Example(
            USE + HEAD + INIT + "\nclass D(C):\n    pass\n",
            USE + HEAD + TIED + FLAGS + TOKENS + OTHERS + INIT + "\nclass D(C):\n    pass\n",
        ),
        Example(
            USE + "class C(PretrainedConfig): pass\n",
            USE + "class C(PretrainedConfig):\n    pass\n" + TIED + FLAGS + TOKENS + OTHERS,
        ),
        Example(USE + HEAD + TIED + FLAGS + TOKENS + OTHERS + INIT, keeps="the class has them"),
        Example(USE + "class C(PretrainedConfig):\n" + FIELDS, keeps="a dataclass of 5.4 or later says what it has"),
        Example((USE + HEAD + INIT).replace(ROOT, "PreTrainedConfig"), keeps="written for 5.x"),
        Example("from transformers import LlamaConfig\n\nclass C(LlamaConfig):\n    pass\n", keeps="LlamaConfig's"),
        Example(USE + "class M(nn.Module):\n    config_class = PretrainedConfig\n", keeps="not a configuration"),
    ]
    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    model_type = "c"

    def __init__(self, size=1, **kwargs):
        self.size = size
        super().__init__(**kwargs)

assert C.from_dict({"size": 2}).tie_word_embeddings is True
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        nodes = Classes(file.text).nodes
        self.lacking = {name: set(_lacking(node)) for name, node in nodes.items() if _is_root(node)}

    def reaches(self, name: str, text: str) -> bool:
        return bool(self.lacking.get(name))

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        lacking = set() if self.file.scope else self.lacking.get(updated_node.name.value, set())
        lines = [cst.parse_statement(line) for line in _lines(lacking - _assigned(body))]
        if not lines:
            return updated_node
        if isinstance(body, cst.SimpleStatementSuite):
            body = cst.IndentedBlock([cst.SimpleStatementLine(body.body)])
        place = next((i for i, s in enumerate(body.body) if not isinstance(s, cst.SimpleStatementLine)), len(body.body))
        statements = [*body.body[:place], *lines, *body.body[place:]]
        return updated_node.with_changes(body=body.with_changes(body=statements))


def _is_root(node: ast.ClassDef) -> bool:
    """Whether a class derives straight from PretrainedConfig and is not written as a dataclass."""
    fields = any(isinstance(part, ast.AnnAssign) for part in node.body)
    init = any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
    return any(ast.unparse(base).rpartition(".")[2] == ROOT for base in node.bases) and (init or not fields)


def _lacking(node: ast.ClassDef) -> Iterator[str]:
    """The old defaults that neither the body of a class nor its `__init__` sets."""
    present = {name for part in node.body for name in _bound(part)}
    for part in node.body:
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            present |= {name for inner in ast.walk(part) for name in _set_on_self(inner)}
    yield from (name for names in DEFAULTS.values() for name in names if name not in present)


def _bound(part: ast.stmt) -> Iterator[str]:
    if isinstance(part, ast.FunctionDef | ast.ClassDef):
        yield part.name
    elif isinstance(part, ast.Assign | ast.AnnAssign):
        targets = part.targets if isinstance(part, ast.Assign) else [part.target]
        yield from (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))


def _set_on_self(node: ast.AST) -> Iterator[str]:
    """`self.NAME = ...` and `super().__init__(NAME=...)`: what every release makes an attribute."""
    if isinstance(node, ast.Assign):
        yield from (t.attr for t in node.targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self")
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".__init__"):
        yield from (keyword.arg for keyword in node.keywords if keyword.arg)


def _assigned(body: cst.BaseSuite) -> set[str]:
    """What the body assigns by now: an earlier traversal may have put the defaults there."""
    lines = [line for line in body.body if isinstance(line, cst.SimpleStatementLine)]
    parts = [part for line in lines for part in line.body if isinstance(part, cst.Assign)]
    return {t.target.value for part in parts for t in part.targets if isinstance(t.target, cst.Name)}


def _lines(names: Iterable[str]) -> Iterator[str]:
    """One assignment for the names of one value, two where they are many."""
    wanted = set(names)
    for value, group in DEFAULTS.items():
        row = [name for name in group if name in wanted]
        for start in range(0, len(row), 5):
            yield " = ".join([*row[start : start + 5], value])
