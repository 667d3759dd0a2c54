"""A configuration leaves `use_cache` to its base class.

In transformers 4 whatever config.json says becomes an attribute of the configuration.  From 5.0 on `use_cache` is taken
out, as a setting of generation: `AttributeError: 'ChatGLMConfig' object has no attribute 'use_cache'` in `forward`.
The class sets it itself, from the same argument; True, as all classes of the library have it, where there is none.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast

import libcst as cst
import libcst.matchers as m

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

ROOTS = ("PretrainedConfig", "PreTrainedConfig")
NAME = "use_cache"
SUPER = m.SimpleStatementLine(
    body=[m.Expr(m.Call(func=m.Attribute(value=m.Call(func=m.Name("super")), attr=m.Name("__init__"))))]
)
CONFIG = """class C(PretrainedConfig):
    def __init__(self, vocab_size=8, {0}**kwargs):
        self.vocab_size = vocab_size
        {1}super().__init__({2}**kwargs)
"""


class UseCacheOnConfig(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(root.encode() for root in ROOTS)
    mends = ("attribute:use_cache",)
    examples = [
        Example(
            CONFIG.format("", "", ""),
            CONFIG.format("", 'self.use_cache = kwargs.pop("use_cache", True)\n        ', ""),
        ),
        Example(
            CONFIG.format("use_cache=False, ", "", "use_cache=use_cache, "),
            CONFIG.format("use_cache=False, ", "self.use_cache = use_cache\n        ", "use_cache=use_cache, "),
        ),
        Example(
            CONFIG.format("use_cache=True, ", "self.use_cache = use_cache\n        ", ""), keeps="the class sets it"
        ),
        Example(
            CONFIG.format("", "", "").replace("vocab_size", "image_size"), keeps="not a language model's configuration"
        ),
        Example(CONFIG.format("", "", "").replace("PretrainedConfig", "object"), keeps="not a configuration"),
        Example("class C(PretrainedConfig):\n    vocab_size: int = 8\n", keeps="a dataclass says what it has"),
    ]

    proof = """
from transformers import PretrainedConfig

class C(PretrainedConfig):
    model_type = "c"

    def __init__(self, vocab_size=8, **kwargs):
        self.vocab_size = vocab_size
        super().__init__(**kwargs)

assert C.from_dict({"use_cache": False}).use_cache is False
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.lines = {name: line for name, node in Classes(file.text).nodes.items() if (line := _line(node))}

    def reaches(self, name: str, text: str) -> bool:
        owner, _, method = name.partition(".")
        return owner in self.lines and method in ("", "__init__")

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> cst.FunctionDef:
        classes, body = self.file.classes, updated_node.body
        line = self.lines.get(classes[0].name.value) if len(self.file.scope) == 1 and classes else None
        if line is None or updated_node.name.value != "__init__" or not isinstance(body, cst.IndentedBlock):
            return updated_node
        place = next((i for i, statement in enumerate(body.body) if m.matches(statement, SUPER)), None)
        if place is None or f"self.{NAME}" in cst.Module([]).code_for_node(updated_node):
            return updated_node
        return updated_node.with_deep_changes(
            body, body=[*body.body[:place], cst.parse_statement(line), *body.body[place:]]
        )


def _line(node: ast.ClassDef) -> str | None:
    """What a configuration class lacks in its `__init__`."""
    init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
    if init is None or not any(ast.unparse(base).rpartition(".")[2] in ROOTS for base in node.bases):
        return None
    arguments = [argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)]
    bound = {getattr(target, "id", None) for part in node.body for target in getattr(part, "targets", ())}
    if NAME in bound or f"self.{NAME}" in ast.unparse(init):
        return None
    if NAME in arguments:
        return f"self.{NAME} = {NAME}"
    speaks = any("vocab_size" in argument for argument in arguments)
    return f'self.{NAME} = {init.args.kwarg.arg}.pop("{NAME}", True)' if speaks and init.args.kwarg else None
