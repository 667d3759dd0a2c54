"""A configuration leaves `use_cache` to its base class.

Why it matters: in transformers 4 whatever config.json says becomes an attribute.  From 5.0 on `use_cache` is taken out,
as a setting of generation: `AttributeError: 'ChatGLMConfig' object has no attribute 'use_cache'` in `forward`.

What to do: `doctor fix` lets the class set it, from the same argument.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
NAME = "use_cache"
ROOTS = ("PretrainedConfig", "PreTrainedConfig")
CLASS = "class C(PretrainedConfig):\n    def __init__(self, vocab_size=8, {0}**kwargs):\n        {1}"
SUPER = "super().__init__(**kwargs)"


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[root.encode() for root in ROOTS],
    confirm=lambda data: b"super().__init__(" in data,
    passes=[
        remote_code(CLASS.format("use_cache=True, ", "self.use_cache = use_cache\n        " + SUPER)),
        remote_code(CLASS.format("", SUPER).replace("vocab_size", "image_size")),
        remote_code(CLASS.format("", SUPER).replace("PretrainedConfig", "object")),
    ],
    fails=[
        remote_code(CLASS.format("", SUPER)),
        remote_code(CLASS.format("use_cache=True, ", SUPER), "4.57.6"),
    ],
    kinds=["remote-code"],
)
def use_cache_on_config(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find configurations of language models (they have a vocabulary) that do not set it."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for name, node in code.classes.nodes.items():
        init = next((part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"), None)
        if init is None or not any(ast.unparse(base).rpartition(".")[2] in ROOTS for base in node.bases):
            continue
        arguments = [argument.arg for argument in (*init.args.args, *init.args.kwonlyargs)]
        bound = {getattr(target, "id", None) for part in node.body for target in getattr(part, "targets", ())}
        speaks = NAME in arguments or (init.args.kwarg and any("vocab_size" in argument for argument in arguments))
        if speaks and _calls_super(init) and NAME not in bound and f"self.{NAME}" not in ast.unparse(init):
            yield Finding(
                f"{name} does not set {NAME}; {judged.when} what config.json says of it is not an attribute",
                Remedy("advice", f"set `self.{NAME}` in `__init__`"),
                code.location(init),
            )


def _calls_super(init: ast.FunctionDef) -> bool:
    """Whether the body of `__init__` calls the one of the base class."""
    calls = [line.value for line in init.body if isinstance(line, ast.Expr) and isinstance(line.value, ast.Call)]
    return any(ast.unparse(call.func) == "super().__init__" for call in calls)
