"""A `compute_loss` answers the mean of its batch, and transformers counts on a part of a larger mean.

Why it matters: from transformers 4.46 on a loss is a sum divided by `num_items_in_batch`, the labels of all batches of
an update.  A method that takes this number and does not use it answers a mean for each of them, and where the model's
`forward` takes `**kwargs` nobody divides their sum: with `gradient_accumulation_steps=4` the loss that is logged, and
every gradient, is four times too large, without an error.

What to do: set `self.model_accepts_loss_kwargs = False` in `__init__`, behind `super().__init__(...)`: the Trainer then
divides by the batches of an update (from 4.48 on).  Or divide the sum of the losses by `num_items_in_batch`.

Reference: https://github.com/huggingface/transformers/pull/34191
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check
from doctor.nodes import walk
from doctor.releases import minor
from doctor.script import script_of

ITEMS, SWITCH, SINCE = "num_items_in_batch", "model_accepts_loss_kwargs", (4, 46)
ACCUMULATES = re.compile(r"gradient_accumulation_steps[\"']?\s*[=:]\s*(?:[2-9]|\d\d)")
HEAD = "from transformers import Trainer\nclass Mine(Trainer):\n    def compute_loss(self, model, inputs, "
LOSS = "        return mean(model(**inputs))"
TAKES = HEAD + f"return_outputs=False, {ITEMS}=None):\n"


def _facts(text: str, version: str = "5.23.0") -> Facts:
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(Source("train.py", "script", text),), packages=packages)


@source_check(
    "script",
    Severity.WARNING,
    needles=[b"def compute_loss("],
    passes=[
        _facts(TAKES + f"        return total(model(**inputs)) / {ITEMS}"),
        _facts(TAKES + f"        self.{SWITCH} = False\n{LOSS}"),
        _facts(HEAD + "*args, **kwargs):\n        return super().compute_loss(model, inputs, *args, **kwargs)"),
        _facts(HEAD + f"return_outputs=False):\n{LOSS}"),
        _facts(TAKES + LOSS, "4.45.2"),
        _facts((TAKES + LOSS).replace("import Trainer", "import Cache").replace("Mine(Trainer)", "Mine(Loop)")),
    ],
    fails=[
        _facts(TAKES + LOSS),
        _facts(HEAD + f"return_outputs=False, **kwargs):\n{LOSS}", "4.47.1"),
        _facts(TAKES + LOSS + "\nargs = TrainingArguments('out', gradient_accumulation_steps=4)"),
        _facts(TAKES + "        return super().compute_loss(model, inputs, return_outputs)"),
    ],
    kinds=("script", "notebook"),
)
def loss_items_ignored(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find methods of a Trainer that take the number, by name or among others, and neither use it nor hand it on."""
    if minor(facts.transformers) < SINCE or SWITCH in code.text:
        return
    script = script_of(code.tree)
    for owner, defined in script.classes.items():
        callee = next((b for base in defined.bases if (b := script.base(base))), None)
        if callee is None or not callee.name.endswith("Trainer"):
            continue
        for function in defined.body:
            if isinstance(function, ast.FunctionDef) and function.name == "compute_loss" and _ignores(function):
                certain = ACCUMULATES.search(code.text)
                yield Finding(
                    f"{owner}.compute_loss takes {ITEMS} and does not use it: on transformers {facts.transformers} the "
                    "loss and the gradients are multiplied by gradient_accumulation_steps, for every model whose "
                    "`forward` takes `**kwargs`",
                    Remedy("advice", f"set `self.{SWITCH} = False` in `__init__`, behind `super().__init__(...)`"),
                    code.location(function),
                    severity=Severity.ERROR if certain else Severity.WARNING,
                )


def _ignores(function: ast.FunctionDef) -> bool:
    """Whether a method takes the number, and its body mentions neither it nor what else comes by keyword."""
    given = {a.arg for a in (*function.args.args, *function.args.kwonlyargs)} & {ITEMS}
    rest = {function.args.kwarg.arg} if function.args.kwarg else set()
    if function.decorator_list or not (given or rest):
        return False
    words = {getattr(node, "id", None) or getattr(node, "value", None) for part in function.body for node in walk(part)
             if isinstance(node, ast.Name | ast.Constant)}  # fmt: skip
    return words.isdisjoint({ITEMS, *rest})
