"""A package that the file can do without is demanded before the file is imported.

Before remote code runs, transformers looks for every package it imports: `ImportError: This modeling file requires the
following packages that were not found in your environment: mamba_ssm`.  It skips `try` on every release, `if
is_..._available()` only from 4.52 on, and an import inside a function on none.  Such an import moves into `try`; where
the package is missing, it raises as before.

Reference: https://github.com/huggingface/transformers/pull/35912
"""

from __future__ import annotations

import libcst as cst
import libcst.matchers as m

from doctor.import_patch import ImportPatch
from doctor.patch import Example, File
from doctor.traversal import find

PACKAGES = (
    *("apex", "bitsandbytes", "causal_conv1d", "decord", "deepspeed", "flash_attn", "flax", "jax", "librosa"),
    *("mamba_ssm", "mambapy", "matplotlib", "moviepy", "tensorflow", "transformers_stream_generator", "triton"),
    "xformers",
)
WHY = "  # a `try`, because releases before 4.52 look for every other import"
AVAILABLE = m.Call(func=m.Name(m.MatchRegex(r"is_\w+_available")))
FLASH = m.Call(func=m.Name(m.MatchRegex(r"is_flash_attn_\w*available")))
"""The one condition that 4.41 to 4.51 know."""
GUARDED = "if is_mambapy_available():\n    {}else:\n    pscan = None\n"


class OptionalImportDemanded(ImportPatch):
    old, new = "transformers>=4.52", "transformers>=4.36"
    needles = tuple(name.encode() for name in PACKAGES)
    examples = [
        Example(
            GUARDED.format("from mambapy.pscan import pscan\n"),
            GUARDED.format(
                f"try:\n        from mambapy.pscan import pscan\n    except ImportError:\n        raise{WHY}\n"
            ),
        ),
        Example(
            "def f():\n    import bitsandbytes as bnb\n    return bnb\n",
            f"def f():\n    try:\n        import bitsandbytes as bnb\n    except ImportError:\n        raise{WHY}\n"
            "    return bnb\n",
        ),
        Example(
            "if is_mamba_ssm_available():\n    from mamba_ssm.ops.a import (\n        b,\n        c,\n    )\n",
            "if is_mamba_ssm_available():\n    try:\n"
            "        from mamba_ssm.ops.a import (\n            b,\n            c,\n        )\n"
            f"    except ImportError:\n        raise{WHY}\n",
        ),
        Example("import bitsandbytes as bnb\n", keeps="the file cannot be imported without it"),
        Example(
            "if is_flash_attn_2_available():\n    from flash_attn import flash_attn_func\n",
            keeps="every release knows this condition",
        ),
        Example("try:\n    import triton\nexcept ImportError:\n    triton = None\n", keeps="in a `try` already"),
        Example("def f():\n    from .triton import kernel\n", keeps="the file's own module"),
    ]
    proof = """
from transformers.dynamic_module_utils import check_imports

def is_mambapy_available():
    return False

if is_mambapy_available():
    from mambapy.pscan import pscan

check_imports(__file__)
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.conditions: list[cst.If] = []

    def visit_If(self, node: cst.If) -> None:
        self.conditions.append(node)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> cst.If:
        self.conditions.pop()
        return updated_node

    def leave_SimpleStatementLine(
        self, original_node: cst.SimpleStatementLine, updated_node: cst.SimpleStatementLine
    ) -> cst.SimpleStatementLine | cst.Try:
        packages = {package for part in updated_node.body for package in _packages(part)}
        if self.tries or not packages & {*PACKAGES} or not self._is_optional(packages):
            return updated_node
        text = f"try:\n    pass\nexcept ImportError:\n    raise{WHY}\n"
        guard = cst.ensure_type(cst.parse_statement(text), cst.Try)
        block = guard.body.with_changes(body=[updated_node.with_changes(leading_lines=[])])
        return guard.with_changes(body=block, leading_lines=updated_node.leading_lines)

    def _is_optional(self, packages: set[str]) -> bool:
        tests = [node.test for node in self.conditions]
        if tests and packages == {"flash_attn"} and m.matches(tests[-1], FLASH):
            return False
        return self.file.function is not None or any(find(test, AVAILABLE) for test in tests)


def _packages(part: cst.BaseSmallStatement) -> set[str]:
    """The packages that a statement imports; the file's own modules are none."""
    if isinstance(part, cst.Import):
        return {_first(alias.name) for alias in part.names}
    if isinstance(part, cst.ImportFrom) and not part.relative and part.module is not None:
        return {_first(part.module)}
    return set()


def _first(name: cst.Attribute | cst.Name) -> str:
    return cst.Module([]).code_for_node(name).partition(".")[0].strip()
