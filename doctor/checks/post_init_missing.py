"""A model's `__init__` does not call `post_init`.

Why it matters: from transformers 5.0 on the loader needs what `post_init` sets up: `AttributeError:
'XForCausalLM' object has no attribute 'all_tied_weights_keys'`.

What to do: `doctor fix` adds `self.post_init()` as the last thing `__init__` does; the method is there since 4.12.

Reference: https://github.com/huggingface/transformers/issues/43883
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
CALLED = ("post_init", "init_weights")
GENERIC = "GenericFor"
"""The library's mixins of this name call it themselves."""
MODEL = "class M(PreTrainedModel):\n    def __init__(self, config):\n        super().__init__(config)\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"PreTrainedModel)", b"PreTrainedModel,"],
    passes=[
        remote_code(MODEL + "        self.post_init()"),
        remote_code(MODEL + "class N(M):\n    def __init__(self, config):\n        self.post_init()"),
        remote_code(MODEL + "        self.post_init()\nclass N(M):\n    def __init__(self, c): super().__init__(c)"),
        remote_code(MODEL.replace("PreTrainedModel", "nn.Module") + "class P(PreTrainedModel): pass"),
    ],
    fails=[
        remote_code(MODEL),
        remote_code(MODEL, "4.57.6"),
        remote_code("class P(PreTrainedModel): pass\n" + MODEL.replace("PreTrainedModel", "P")),
        remote_code(MODEL.replace("PreTrainedModel", "InnerPreTrainedModel")),
    ],
    kinds=["remote-code"],
)
def post_init_missing(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models that no other class of the file derives from, whose own `__init__` calls neither method."""
    judged, classes = verdict(WORKS, facts), code.classes
    if judged is None:
        return
    for name, node in classes.nodes.items():
        init = next((p for p in node.body if isinstance(p, ast.FunctionDef) and p.name == "__init__"), None)
        if init is None or not classes.is_model(name) or _calls(code, name):
            continue
        if not any(classes.derives(other, name) for other in classes.nodes):
            yield Finding(
                f"{name}.__init__ does not call post_init: {judged.when} '{name}' object has no attribute "
                "'all_tied_weights_keys'",
                Remedy("advice", "write `self.post_init()` at the end of `__init__`"),
                code.location(init),
                severity=judged.severity,
            )


def _calls(code: Code, name: str) -> bool:
    """Whether the `__init__` of a class, or of one that it derives from, calls one of the methods."""
    lineage = list(code.classes.lineage(name))
    inits = [init for owner in lineage if (init := code.classes.method(owner, "__init__"))]
    calls = (call.func for init in inits for call in code.within(init, ast.Call))
    called = any(isinstance(func, ast.Attribute) and func.attr in CALLED for func in calls)
    return called or any(owner.startswith(GENERIC) for owner in lineage)
