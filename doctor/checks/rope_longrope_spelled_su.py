"""LongRoPE is compared with one of its two names, `su` and `longrope`, and config.json may have the other.

Why it matters: the first Phi-3 files and their config.json call the method `su` (4.41, 4.42), later ones `longrope`.
A file that knows one name stops with `ValueError: Unknown RoPE scaling type longrope` (or `su`) on a config.json that
has the other, on any release.

What to do: `doctor fix` lets every comparison take both names, in functions that do not tell them apart.

Reference: https://github.com/ShinoharaHare/LLM-Training/issues/2
Reference: https://github.com/Leeroo-AI/mergoo/issues/21
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.scaling import written
from doctor.spelling import remote_code

OTHER = {"su": "longrope", "longrope": "su"}
KIND = re.compile(r"type|rope|scal|kind|method", re.IGNORECASE)
NAMED = rb"""["'](?:su|longrope)["']"""
ASKED = 'def f(rope_type):\n    if rope_type == "{}": pass'


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"longrope", b"rope_type", b"scaling_type", b"rope_scaling"],
    confirm=lambda data: re.search(NAMED, data),
    passes=[
        remote_code('ok = rope_type in ("su", "longrope")'),
        remote_code('if language == "su": pass'),
        remote_code('def f(rope_type): return "longrope" if rope_type == "su" else rope_type'),
        remote_code(ASKED.format("longrope"), rope_scaling={"type": "longrope"}),
    ],
    fails=[
        remote_code(ASKED.format("su"), "4.47.1"),
        remote_code(ASKED.format("longrope"), rope_scaling={"type": "su"}),
        remote_code('ROPES = {"longrope": Long, "linear": Linear}'),
        remote_code('def f(rope_type):\n    match rope_type:\n        case "su": pass'),
    ],
    kinds=["remote-code"],
)
def rope_longrope_spelled_su(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the first comparison of each function that mentions one of the names only."""
    model = facts.model_of(code.source)
    has = written(model.config) if model else {}
    said = {has.get("type"), has.get("rope_type")} & {*OTHER}
    if model and not said:
        return
    for found in _asked(code).values():
        words = {word for word, _ in found}
        if len(words) > 1 or words == said or code.ours(found[0][1]):
            continue
        if (node := next((n for _, n in found if _compares(code, n)), None)) is not None:
            yield _finding(code, node, words.pop(), bool(said))


def _finding(code: Code, node: ast.Constant, word: str, clashes: bool) -> Finding:
    ends = "which config.json of the model has" if clashes else "which a config.json may have"
    rare = Severity.HINT if word == "longrope" else Severity.WARNING
    return Finding(
        f"knows the name {word} and not {OTHER[word]}, {ends}",
        Remedy("advice", f'compare with both: `in ("{word}", "{OTHER[word]}")`'),
        code.location(node),
        severity=Severity.ERROR if clashes else rare,
    )


def _asked(code: Code) -> dict[ast.AST, list[tuple[str, ast.Constant]]]:
    """The function around (or the file) of every literal that is one of the names."""
    found: dict[ast.AST, list[tuple[str, ast.Constant]]] = {}
    for node in code.nodes(ast.Constant):
        if isinstance(node.value, str) and node.value in OTHER:
            found.setdefault(code.function(node) or code.tree, []).append((node.value, node))
    return found


def _compares(code: Code, node: ast.Constant) -> bool:
    """Whether a literal is compared with what is called a type, is a case of one, or a key of a table of types."""
    for parent in code.parents(node):
        if isinstance(parent, ast.Compare):
            sides = [parent.left, *parent.comparators]
            return any(KIND.search(ast.unparse(side)) for side in sides if node not in list(ast.walk(side)))
        if isinstance(parent, ast.Dict):
            keys = [key.value for key in parent.keys if isinstance(key, ast.Constant)]
            return node in parent.keys and len(keys) > 1 and not {"type", "rope_type"} & {*keys}
        if isinstance(parent, ast.MatchValue):
            return True
        if not isinstance(parent, ast.List | ast.Tuple | ast.Set):
            return False
    return False
