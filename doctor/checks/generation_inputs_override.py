"""`prepare_inputs_for_generation` is written for what `generate` handed over in transformers 4.

Why it matters: transformers 5 drops an attention mask of ones and hands None (`'NoneType' object has no attribute
'shape'`), hands the whole sequence's `cache_position` (5.2, 5.3) or none (5.4), and the whole sequence's positions: an
override of 4.x passes them on beside the one new token.  Wrong positions are wrong tokens, without an error.

What to do: `doctor fix` hands the override what it was written for, and trims the positions that come out.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import OURS, Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import Verdict, remote_code, verdict

OVERRIDE = "prepare_inputs_for_generation"
NEWER = ("is_first_iteration", "next_sequence_length")
OLDER = {
    "attention_mask": ("transformers<5", "hands None for a mask of ones"),
    "cache_position": ("transformers<5.2", "hands none, or the whole sequence's"),
    "position_ids": ("transformers<5", "hands the whole sequence's"),
}
HANDED_ON = "transformers<5.4"
"""The releases whose own method takes a `cache_position`."""
HEAD = f"class M(P):\n    def {OVERRIDE}(self, ids, "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"def {OVERRIDE}".encode()],
    passes=[
        remote_code(HEAD + "is_first_iteration=False, position_ids=None): return {'position_ids': position_ids}"),
        remote_code(HEAD + "attention_mask=None): return {'input_ids': ids, 'attention_mask': attention_mask}"),
        remote_code(HEAD + f"position_ids=None): return super().{OVERRIDE}(ids, position_ids=position_ids)"),
        remote_code("class M(P):\n    @_doctor_generation_inputs\n" + HEAD[12:] + "cache_position=None): return {}"),
    ],
    fails=[
        remote_code(HEAD + "attention_mask=None): return {'n': attention_mask.shape[1]}"),
        remote_code(HEAD + "position_ids=None): return {'position_ids': position_ids}", "4.57.6"),
        remote_code(HEAD + "cache_position=None, **kw): return {'n': cache_position[0]}", "5.3.0"),
    ],
    kinds=["remote-code"],
)
def generation_inputs_override(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find overrides that make something of one of the older arguments and know none of the newer ones."""
    for function in code.nodes(ast.FunctionDef):
        around = next(code.parents(function)) if function.name == OVERRIDE else None
        if not isinstance(around, ast.ClassDef) or around.name.endswith("ForMaskedLM"):
            continue
        if any(OURS in ast.unparse(decorator) for decorator in function.decorator_list):
            continue
        if set(_words(function)) & {*NEWER}:
            continue
        for node in _uses(code, function):
            works, ends = OLDER[node.id]
            judged = verdict(HANDED_ON if _handed_on(code, node) else works, facts)
            if judged is not None:
                yield _finding(code, node, judged, ends)
                break


def _finding(code: Code, node: ast.Name, judged: Verdict, ends: str) -> Finding:
    return Finding(
        f"the override counts on the {node.id} of transformers 4; {judged.when} generate {ends}",
        Remedy("advice", "take `next_sequence_length`, and trim what is passed on to it"),
        code.location(node),
        severity=judged.severity,
    )


def _words(function: ast.FunctionDef) -> Iterator[str]:
    """The names, parameters, keywords and strings of a function."""
    for node in ast.walk(function):
        word = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "value", None)
        if isinstance(word, str):
            yield word


def _uses(code: Code, function: ast.FunctionDef) -> Iterator[ast.Name]:
    """Where the older arguments are used; not where mask or positions are only handed on to the library's own method.

    A mask may also be handed on in the answer, and be looked into where it is asked for.
    """
    for node in code.within(function, ast.Name):
        if node.id not in OLDER or (node.id != "cache_position" and _handed_on(code, node)):
            continue
        if node.id != "attention_mask" or (_looked_into(code, node) and not _asked(code, node)):
            yield node


def _handed_on(code: Code, node: ast.Name) -> bool:
    """Whether it is an argument of `super().prepare_inputs_for_generation(...)`."""
    parents = list(code.parents(node))[:2]
    calls = [parent for parent in parents if isinstance(parent, ast.Call)]
    return bool(calls) and isinstance(calls[0].func, ast.Attribute) and calls[0].func.attr == OVERRIDE


def _looked_into(code: Code, node: ast.Name) -> bool:
    """`attention_mask.shape`, `attention_mask[:, -1]`, `f(attention_mask)`."""
    parent = next(code.parents(node))
    return isinstance(parent, ast.Attribute | ast.Subscript | ast.Call)


def _asked(code: Code, node: ast.Name) -> bool:
    """Whether it stands under, or behind, a test that mentions it."""
    for parent in code.parents(node):
        tests = [parent.test] if isinstance(parent, ast.If | ast.IfExp) else []
        tests += parent.values[:1] if isinstance(parent, ast.BoolOp) else []
        if any(isinstance(part, ast.Name) and part.id == node.id for test in tests for part in ast.walk(test)):
            return True
    return False
