"""The file overrides a method of transformers without an argument that the release hands to it.

Why it matters: the library calls the override as it calls its own method: `TypeError: tie_weights() got an unexpected
keyword argument 'missing_keys'` at load, `_pad() got an unexpected keyword argument 'padding_side'` at the first
batch.  What is handed to which method is read from the releases' own files.

What to do: let the override take `**kwargs`, and hand them on to `super()`.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor import members, releases
from doctor.code import OURS, Code
from doctor.lineage import FAMILY, kind
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code

ELSEWHERE = ("prepare_inputs_for_generation", "_get_initial_cache_position")
"""Methods that have a check of their own."""
TIES = "class M(PreTrainedModel):\n    def tie_weights(self{}): pass\n"
PADS = "class T(PreTrainedTokenizer):\n    def _pad(self, encoded, max_length=None, padding_strategy=None, {}): pass\n"
OLD_PAD = PADS.format("pad_to_multiple_of=None, return_attention_mask=None")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"PreTrained", b"ProcessorMixin", b"BaseImageProcessor"],
    passes=[
        remote_code(TIES.format(", **kwargs")),
        remote_code(TIES.format("").replace("PreTrainedModel", "nn.Module")),
        remote_code(PADS.format("pad_to_multiple_of=None, padding_side=None, return_attention_mask=None")),
        remote_code(TIES.format("").replace("tie_weights", "tie_other_weights")),
    ],
    fails=[remote_code(TIES.format("")), remote_code(TIES.format(""), "4.47.1"), remote_code(OLD_PAD, "4.47.1")],
    kinds=["remote-code"],
)
def override_lacks_argument(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find overrides that take how an older release calls them, and not how the judged one does."""
    for name, node in code.classes.nodes.items():
        family = kind(code, name)
        for function in node.body if family else ():
            if not isinstance(function, ast.FunctionDef) or function.name in ELSEWHERE or _mended(function):
                continue
            rows = members.handed(FAMILY.get(str(family), str(family)), function.name)
            found = _judge(members.Parameters.of(function), rows, facts) if rows else None
            if found is not None:
                reason, severity = found
                yield Finding(
                    f"{name}.{function.name}() {reason}",
                    Remedy("advice", "take `**kwargs` as well, and hand them on to `super()`"),
                    code.location(function),
                    f"override:{function.name}",
                    severity=severity,
                )


def _mended(function: ast.FunctionDef) -> bool:
    return any(OURS in ast.unparse(decorator) for decorator in function.decorator_list)


def _judge(
    own: members.Parameters, rows: tuple[tuple[releases.Life, int, frozenset[str]], ...], facts: Facts
) -> tuple[str, Severity] | None:
    judged = releases.minor(facts.transformers)
    for release in members.judged_rows(judged):
        reason = next((own.refuses(count, names) for life, count, names in rows if release in life), None)
        known = any(life.ended(release) and own.refuses(count, names) is None for life, count, names in rows)
        if reason is not None and known:
            if release == judged:
                return f"{reason} on transformers {facts.transformers}", Severity.ERROR
            return f"{reason} from transformers {_since(own, rows, release)} on", Severity.WARNING
    return None


def _since(
    own: members.Parameters, rows: tuple[tuple[releases.Life, int, frozenset[str]], ...], release: releases.Minor
) -> str:
    """The first release of the span in which the override is handed what it does not take."""
    life = next(life for life, count, names in rows if release in life and own.refuses(count, names))
    first = next(first for first, last in life.spans if first <= release <= last)
    return f"{first[0]}.{first[1]}"
