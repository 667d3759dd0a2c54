"""A model asks whether it was handed a configuration of its own class.

Why it matters: from transformers 5.8 on the remote code of a local folder is imported once for each class that
config.json names, so the configuration's class and the one that the model's file imports are two classes of one name:
`isinstance(config, self.config_class)` is False, and the model refuses its own configuration.

What to do: `doctor fix` compares the names as well.  A model that is loaded by its name on the Hub is not concerned.

Reference: https://github.com/huggingface/transformers/blob/main/src/transformers/dynamic_module_utils.py
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.8"
CONFIG = re.compile(r"(?:.*\.)?(?:\w*_)?config")
ROOTS = ("PretrainedConfig", "PreTrainedConfig")
IMPORT = "from .configuration_m import MConfig\n"


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"isinstance("],
    confirm=lambda data: b"config_class)" in data or re.search(rb"isinstance\([\w.]*config, \w*Config\)", data),
    passes=[
        remote_code("from transformers import GPT2Config\nx = isinstance(config, GPT2Config)"),
        remote_code(IMPORT + "x = isinstance(config, dict)"),
    ],
    fails=[
        remote_code("x = isinstance(config, self.config_class)"),
        remote_code(IMPORT + "x = isinstance(config.text_config, MConfig)"),
        remote_code("x = isinstance(config, self.config_class)", "5.3.0"),
    ],
    kinds=["remote-code"],
)
def config_class_compared(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find `isinstance` of a configuration with the model's own class, or one of another file of the repository."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for call in code.nodes(ast.Call):
        if getattr(call.func, "id", "") != "isinstance" or len(call.args) != 2 or code.ours(call):
            continue
        config, expected = map(ast.unparse, call.args)
        sibling = code.imports.get(expected, "").startswith(".") and "Config" in expected and expected not in ROOTS
        if CONFIG.fullmatch(config) and (sibling or expected in ("self.config_class", "cls.config_class")):
            yield Finding(
                f"{ast.unparse(call)} is False {judged.when}, where the model is loaded from a folder: the two classes "
                "are of one name and two imports",
                Remedy("advice", "compare `type(config).__name__` as well"),
                code.location(call),
            )
