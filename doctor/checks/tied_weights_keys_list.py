"""The file names its tied weights in a list, and transformers 5 reads a mapping.

Why it matters: `AttributeError: 'list' object has no attribute 'keys'`, at load where the head is tied to the
embeddings, and at every `save_pretrained`: a run that trains for hours cannot save.

What to do: `doctor fix` writes the mapping, over which older releases iterate as they did over the list.  By hand:
`_tied_weights_keys = {"lm_head.weight": "model.embed_tokens.weight"}`.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check

NAME = "_tied_weights_keys"
LIST = rb"_tied_weights_keys\s*(?::[^=\n]+)?=\s*[\[(]"


def _facts(value: str, version: str = "5.23.0") -> Facts:
    text = f"class Head(PreTrainedModel):\n    _tied_weights_keys = {value}\n"
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling.py", "remote-code", text),), packages=packages)


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[NAME.encode()],
    confirm=lambda data: re.search(LIST, data),
    passes=[
        _facts('{"lm_head.weight": "model.embed_tokens.weight"}'),
        _facts("None"),
        _facts("[]"),
    ],
    fails=[
        _facts('["lm_head.weight"]'),
        _facts('("lm_head.weight", "model.embed_tokens.weight")'),
        _facts('["lm_head.weight"]', "4.47.1"),
    ],
    kinds=["remote-code"],
)
def tied_weights_keys_list(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find class attributes that hold a list or tuple of names."""
    release = facts.transformers
    broken = release.major >= 5
    reads = f"transformers {release}" if broken else "transformers 5"
    for assign, names in _lists(code):
        yield Finding(
            f"{NAME} is {ast.unparse(names)}; {reads} reads a mapping: AttributeError: 'list' object has no "
            "attribute 'keys'",
            Remedy("advice", 'write `{"lm_head.weight": "model.embed_tokens.weight"}`, with the file\'s own names'),
            code.location(assign),
            severity=Severity.ERROR if broken else Severity.WARNING,
        )


def _lists(code: Code) -> Iterator[tuple[ast.stmt, ast.List | ast.Tuple]]:
    """The assignments of such a list in the body of a class."""
    plain = [(assign, assign.targets[0], assign.value) for assign in code.nodes(ast.Assign)]
    annotated = [(assign, assign.target, assign.value) for assign in code.nodes(ast.AnnAssign)]
    for assign, target, value in (*plain, *annotated):
        named = isinstance(target, ast.Name) and target.id == NAME
        if (
            named
            and not _looked_up(code, assign)
            and isinstance(value, ast.List | ast.Tuple)
            and value.elts
            and code.class_of(assign)
        ):
            yield assign, value


def _looked_up(code: Code, assign: ast.stmt) -> bool:
    """Whether the class's `__init__` looks up what the names are tied to, as `doctor fix` writes it."""
    around = code.class_of(assign)
    init = code.classes.method(around.name, "__init__") if around else None
    return init is not None and "_doctor_tied_weights(" in ast.unparse(init)
