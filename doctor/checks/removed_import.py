"""The file imports a name that the transformers release no longer has.

Why it matters: the import fails before anything runs, with `ImportError: cannot import name ...`; for remote code
`from_pretrained` stops there.  Most such names are leftovers that the code never needs on the newer release.

What to do: `doctor fix` guards the imports the catalogue knows and gives a stand-in that does what the name did.
For others: guard the import with `try` / `except ImportError`, or take the class without remote code.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor import releases
from doctor.code import Code
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, Source, source_check

FROM = rb"from transformers([\w.]*) import +(\([^)]*\)|(?:\\\r?\n|[^\n])*)"
WHOLE = rb"import transformers\.([\w.]+)"


def _facts(text: str, version: str = "5.0.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("modeling_phi3.py", "remote-code", text),), packages=packages)


def _confirm(data: bytes) -> bool:
    """Whether an import statement takes anything that some release lacks; the file is not parsed for it."""
    for module, names in re.findall(FROM, data):
        origin = "transformers" + module.decode()
        found = re.sub(rb"#[^\n]*", b"", names)
        if any(releases.imported(origin, name.decode()) for name in re.findall(rb"(?<!as )\b[A-Za-z_]\w*", found)):
            return True
    return any(releases.imported("transformers." + module.decode(), "") for module in re.findall(WHOLE, data))


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"from transformers", b"import transformers."],
    confirm=_confirm,
    passes=[
        _facts("from transformers.cache_utils import Cache, DynamicCache"),
        _facts("try:\n    from transformers.cache_utils import SlidingWindowCache\nexcept ImportError:\n    pass"),
        _facts("from transformers.cache_utils import SlidingWindowCache", "5.23.0"),
        _facts("import transformers\nif transformers.__version__ < '5':\n    from transformers import HybridCache"),
        _facts("from mine.cache_utils import SlidingWindowCache"),
    ],
    fails=[
        _facts("from transformers.cache_utils import Cache, SlidingWindowCache"),
        _facts("from transformers.cache_utils import SlidingWindowCache", "4.47.1"),
        _facts("from transformers.onnx import PatchingSpec"),
        _facts("from transformers.utils.import_utils import (\n    is_torch_fx_available,\n)", "5.23.0"),
        _facts("import transformers.deepspeed"),
    ],
)
def removed_import(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find unguarded imports of names that the judged release, or a later one of the matrix, lacks."""
    for node, module, name, line in _imports(code):
        life = releases.imported(module, name)
        if life is None or code.ours(node) or code.guarded(node, "ImportError", "ModuleNotFoundError"):
            continue
        if (finding := _judge(life, module, name, facts, line)) and not code.tested(node):
            yield finding


def _imports(code: Code) -> Iterator[tuple[ast.AST, str, str, Location]]:
    for origin in code.nodes(ast.ImportFrom):
        if not origin.level and (origin.module or "").partition(".")[0] == "transformers":
            for alias in origin.names:
                yield origin, origin.module or "", alias.name, code.location(alias)
    for plain in code.nodes(ast.Import):
        for alias in plain.names:
            if alias.name.startswith("transformers."):
                yield plain, alias.name, "", code.location(alias)


def _judge(life: releases.Life, module: str, name: str, facts: Facts, where: Location) -> Finding | None:
    release = facts.transformers
    judged = releases.minor(release)
    full, construct = (f"{module}.{name}", f"import:{module}.{name}") if name else (module, f"import:{module}")
    if judged in life:
        lost = life.lost(judged)
        if lost is None:
            return None
        message = f"imports {full}: transformers {release} has it, {_text(lost)} does not"
        return Finding(message, _remedy(), where, construct, severity=Severity.WARNING)
    last = life.ended(judged)
    first = life.begins(judged)
    if last is not None:
        known = f": the last release with it is {_text(last)}"
    elif first is not None:
        known = f": it came with {_text(first)}"
    else:
        known = ""
    return Finding(f"imports {full}, which transformers {release} does not have{known}", _remedy(), where, construct)


def _remedy() -> Remedy:
    return Remedy("advice", "guard the import with `try` / `except ImportError`, or load the model without remote code")


def _text(release: releases.Minor) -> str:
    return f"{release[0]}.{release[1]}"
