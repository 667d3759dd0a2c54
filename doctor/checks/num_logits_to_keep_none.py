"""A slice negates `num_logits_to_keep`, which may be None.

Why it matters: transformers from 4.49 on does not hand this argument any more, and a file that passes its own default
on gets None: `TypeError: bad operand type for unary -: 'NoneType'`, at the first step of `generate`.

What to do: `doctor fix` writes `-(num_logits_to_keep or 0)`: None means all of them, as 0 does.

Reference: https://github.com/huggingface/transformers/pull/37149
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.49"
NAME = "num_logits_to_keep"
SLICE = f"return h[:, -{NAME}:]"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"-{NAME}".encode()],
    passes=[
        remote_code(f"def f(h, {NAME}=None): return h[:, -({NAME} or 0):]"),
        remote_code(f"def f(h, {NAME}=0): {SLICE}"),
    ],
    fails=[
        remote_code(f"def f(h, {NAME}=None): {SLICE}"),
        remote_code(f"def f(h, {NAME}=0): {SLICE}\ndef prepare({NAME}=None): return {NAME}", "4.47.1"),
    ],
    kinds=["remote-code"],
)
def num_logits_to_keep_none(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the negation, in a file where nothing says that the argument is a number."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    for node in code.nodes(ast.UnaryOp):
        if isinstance(node.op, ast.USub) and getattr(node.operand, "id", "") == NAME and _can_be_none(code):
            yield Finding(
                f"{ast.unparse(node)} negates what the file's own default makes None; {judged.when} generate hands "
                "no number in its place: bad operand type for unary -: 'NoneType'",
                Remedy("advice", f"write `-({NAME} or 0)`"),
                code.location(node),
                severity=judged.severity,
            )


def _can_be_none(code: Code) -> bool:
    """Whether a function of the file has None for its default, or none says what it is."""
    defaults = [default for function in code.nodes(ast.FunctionDef) for default in _defaults(function.args)]
    return not defaults or any(isinstance(d, ast.Constant) and d.value is None for d in defaults)


def _defaults(args: ast.arguments) -> Iterator[ast.expr]:
    positional = [*args.posonlyargs, *args.args]
    paired = zip(positional[len(positional) - len(args.defaults) :], args.defaults, strict=True)
    for argument, default in (*paired, *zip(args.kwonlyargs, args.kw_defaults, strict=True)):
        if argument.arg == NAME and default is not None:
            yield default
