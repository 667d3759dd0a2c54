"""Calls of remote code that the judged release refuses: by what functions and classes took, release by release."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor import members, releases
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity

ELSEWHERE = ("_unmask_unattended",)
"""Functions that have a check of their own."""
Call = tuple[int, frozenset[str]]


def refused(code: Code, facts: Facts) -> Iterator[Finding]:
    """Calls of what is imported from transformers that an older release took and the judged one does not."""
    imported = {name for name, origin in code.imports.items() if origin.partition(".")[0] == "transformers"}
    for call in code.every(ast.Call) if imported else ():
        name = code.qualified(call.func) if _root(call.func) in imported else None
        if name is None or name.endswith(ELSEWHERE):
            continue
        handed = _handed(call)
        judged = _judge(members.signature(name), handed, facts)
        if judged is not None and not (code.ours(call) or code.tested(call) or code.guarded(call, "TypeError")):
            message, severity, argument = judged
            remedy = Remedy("advice", "leave the argument out, or bring along the function as the older release has it")
            construct = f"argument:{name.rpartition('.')[2]}.{argument}"
            yield Finding(
                f"{ast.unparse(call.func)}() {message}", remedy, code.location(call), construct, severity=severity
            )


def _root(node: ast.expr) -> str:
    """The first part of a dotted name."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _handed(call: ast.Call) -> Call:
    """How many positional arguments, and which keywords; what is unpacked is not known."""
    plain = [argument for argument in call.args if not isinstance(argument, ast.Starred)]
    return len(plain), frozenset(keyword.arg for keyword in call.keywords if keyword.arg)


def _judge(
    rows: tuple[tuple[releases.Life, members.Parameters], ...], call: Call, facts: Facts
) -> tuple[str, Severity, str] | None:
    judged = releases.minor(facts.transformers)
    taken = [life for life, parameters in rows if parameters.refuses(*call) is None]
    refused = [(life, reason, p) for life, p in rows if (reason := p.refuses(*call)) is not None]
    for release in members.judged_rows(judged):
        found = next(((reason, p) for life, reason, p in refused if release in life), None)
        if found is None:
            continue
        reason, parameters = found
        last = max((end for life in taken if (end := life.ended(release)) is not None), default=None)
        if last is None:
            return None
        argument = min(call[1] - parameters.names, default=str(call[0]))
        version = str(facts.transformers) if release == judged else f"{release[0]}.{release[1]}"
        message = f"{reason} on transformers {version}: the last release that takes it is {last[0]}.{last[1]}"
        return message, Severity.ERROR if release == judged else Severity.WARNING, argument
    return None
