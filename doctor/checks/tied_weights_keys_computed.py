"""`_tied_weights_keys` is a list that is put together while the model is built.

Why it matters: transformers 5 reads a mapping from each tied weight to its source: `AttributeError: 'list' object has
no attribute 'keys'` in `post_init`, or when the model is saved.

What to do: `doctor fix` looks up, before `post_init`, what each name is tied to; older releases keep the list.

Reference: https://github.com/huggingface/transformers/issues/44861
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
TARGET, HELPER = "self._tied_weights_keys", "_doctor_tied_weights"
MODEL = "class M(PreTrainedModel):\n    def __init__(self, config):\n        self._tied_weights_keys = {}\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"self._tied_weights_keys"],
    passes=[
        remote_code(MODEL.format("{}")),
        remote_code(MODEL.format("[]")),
        remote_code(
            MODEL.format("self._tied_weights_keys.copy()") + "class N(M):\n    _tied_weights_keys = {'a': 'b'}\n"
        ),
        remote_code(MODEL.format("['a']") + f"        {TARGET} = {HELPER}(self)\n"),
    ],
    fails=[
        remote_code(MODEL.format("['lm_head.weight', *self.model._tied_weights_keys]")),
        remote_code(MODEL.format("self.model._tied_weights_keys"), "4.57.6"),
    ],
    kinds=["remote-code"],
)
def tied_weights_keys_computed(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find what `__init__` assigns to `self._tied_weights_keys`, where it is no mapping."""
    judged = verdict(WORKS, facts)
    if judged is None or HELPER in code.names or _written_for_5(code):
        return
    for assign in code.nodes(ast.Assign):
        empty = isinstance(assign.value, ast.List | ast.Tuple) and not assign.value.elts
        mapping = isinstance(assign.value, ast.Dict | ast.Constant)
        if TARGET in map(ast.unparse, assign.targets) and not empty and not mapping and not code.ours(assign):
            yield Finding(
                f"{TARGET} is {ast.unparse(assign.value)}; {judged.when} a mapping is read: AttributeError: 'list' "
                "object has no attribute 'keys'",
                Remedy("advice", "assign a mapping from each tied weight to its source"),
                code.location(assign),
                severity=judged.severity,
            )
            return


def _written_for_5(code: Code) -> bool:
    """Whether the classes of the file name their tied weights in mappings, of which a copy is one too."""
    assigned = [
        assign for node in code.classes.nodes.values() for assign in node.body if isinstance(assign, ast.Assign)
    ]
    named = [assign.value for assign in assigned if ast.unparse(assign.targets[0]) == "_tied_weights_keys"]
    return bool(named) and all(isinstance(value, ast.Dict) for value in named)
