"""A package that the file can do without is demanded before the file is imported.

Why it matters: before remote code runs, transformers looks for every package it imports: `ImportError: This modeling
file requires the following packages that were not found in your environment: mamba_ssm`.  It skips `try` on every
release, `if is_..._available()` from 4.49 on, and an import inside a function on none.

What to do: `doctor fix` moves the import into `try`; where the package is missing, it raises as before.

Reference: https://github.com/huggingface/transformers/pull/35912
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, normalise, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers>=4.49"
PACKAGES = (
    *("apex", "bitsandbytes", "decord", "deepspeed", "flax", "jax", "librosa", "mambapy", "matplotlib", "moviepy"),
    *("tensorflow", "triton", "xformers"),
    *("causal_conv1d", "flash_attn", "mamba_ssm"),
)
AVAILABLE = r"is_\w+_available$"
IMPORTS = rb"\n[ \t]+(?:import|from)[ \t]+(?:" + "|".join(PACKAGES).encode() + rb")\b"
GUARDED = "if is_mamba_ssm_available():\n    from mamba_ssm.ops import scan\n"
LAZY = "def f():\n    import bitsandbytes as bnb\n    return bnb\n"


def _beside(text: str, *packages: str) -> Facts:
    facts = remote_code(text, "4.47.1")
    return Facts(sources=facts.sources, packages={**facts.packages, **{name: Package(name, "1") for name in packages}})


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"    import ", b"    from ", b"\timport ", *(f"\tfrom {name}".encode() for name in PACKAGES[-3:])],
    confirm=lambda data: re.search(IMPORTS, data),
    passes=[
        remote_code(GUARDED),
        remote_code(GUARDED.replace("mamba_ssm", "flash_attn_2").replace("flash_attn_2.ops", "flash_attn"), "4.47.1"),
        remote_code("try:\n    import triton\nexcept ImportError:\n    triton = None", "4.47.1"),
        remote_code("import bitsandbytes", "4.47.1"),
        _beside(GUARDED, "mamba-ssm"),
    ],
    fails=[
        remote_code(GUARDED, "4.47.1"),
        remote_code(LAZY),
        remote_code(LAZY.replace("bitsandbytes as bnb", "tensorflow as tf").replace("bnb", "tf")),
    ],
    kinds=["remote-code"],
)
def optional_import_demanded(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find imports under a condition, or in a function, of packages that are not installed."""
    nodes: list[ast.Import | ast.ImportFrom] = [*code.nodes(ast.Import), *code.nodes(ast.ImportFrom)]
    for node in nodes:
        missing = [name for name in _packages(node) if name in PACKAGES and normalise(name) not in facts.packages]
        if not missing or any(isinstance(parent, ast.Try) for parent in code.parents(node)):
            continue
        tests = [parent.test for parent in code.parents(node) if isinstance(parent, ast.If)]
        asked = any(_asks(test) for test in tests)
        known = asked and (
            verdict(WORKS, facts) is None or (_asks(tests[0], "flash_attn") and missing == ["flash_attn"])
        )
        if known or not (asked or code.function(node)):
            continue
        yield Finding(
            f"{ast.unparse(node)} is demanded before the file runs, and {missing[0]} is not installed: transformers "
            f'{facts.transformers} stops with "This modeling file requires the following packages"',
            Remedy("advice", "put the import into `try` / `except ImportError: raise`"),
            code.location(node),
        )


def _packages(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The packages that a statement imports; the file's own modules are none."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [] if node.level else [(node.module or "").partition(".")[0]]


def _asks(test: ast.expr, word: str = "") -> bool:
    """Whether a condition is one that newer releases know: `is_..._available()`."""
    calls = (getattr(node.func, "id", "") for node in ast.walk(test) if isinstance(node, ast.Call))
    return any(re.search(AVAILABLE, name) and word in name for name in calls)
