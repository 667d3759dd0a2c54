"""A number is read out of a tensor while the model is built.

Why it matters: transformers 5 builds every model on the meta device, where tensors have no numbers: `RuntimeError:
Tensor.item() cannot be called on meta tensors`, at load.  Releases from 5.6 on make an exception for `torch.linspace`.

What to do: `doctor fix` computes what is read on the CPU.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code, Function
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
READS = ("item", "tolist", "numpy")
FACTORY = re.compile(r"torch\.(?:arange|cat|full|linspace|logspace|ones|stack|tensor|zeros)")
CLASS = "class Tower(nn.Module):\n    def {0}(self, rate):\n        {1}\n"
RATES = "rates = [x.item() for x in torch.linspace(0, rate, 4)]"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f".{name}()".encode() for name in READS],
    confirm=lambda data: bool(FACTORY.search(data.decode("utf-8", "replace"))),
    passes=[
        remote_code(CLASS.format("forward", RATES)),
        remote_code(CLASS.format("__init__", "with torch.device('cpu'):\n            " + RATES)),
        remote_code(CLASS.format("__init__", "self.rates = rate.tolist()")),
        remote_code(CLASS.format("__init__", RATES.replace("4)", "4, device='cpu')"))),
    ],
    fails=[
        remote_code(CLASS.format("__init__", RATES)),
        remote_code(CLASS.format("__init__", "steps = torch.arange(4)\n        self.n = steps.tolist()"), "4.57.6"),
    ],
    kinds=["remote-code"],
)
def number_read_while_built(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find assignments, in what `__init__` calls, that read what a factory of torch made."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    building = code.classes.called_by("__init__")
    made: dict[ast.AST, set[str]] = {}
    for line in (line for reading in _reading(code) for line in code.within(reading, ast.Assign)):
        function = code.function(line)
        if function is None or function.name not in building or code.class_of(line) is None or _on_cpu(code, line):
            continue
        made_here = [node for node in ast.walk(line.value) if isinstance(node, ast.Call)]
        calls = [node.func for node in made_here if not any(keyword.arg == "device" for keyword in node.keywords)]
        texts = [ast.unparse(call) for call in calls]
        if any(text.startswith(("nn.", "torch.nn.")) for text in texts):
            continue
        names = {node.id for node in ast.walk(line.value) if isinstance(node, ast.Name)}
        makes = any(FACTORY.fullmatch(text) for text in texts)
        known = made.setdefault(function, set())
        if any(isinstance(call, ast.Attribute) and call.attr in READS for call in calls) and (makes or names & known):
            yield Finding(
                f"{ast.unparse(line.targets[0])} is read out of a tensor that is made while the model is built; "
                f"{judged.when} that tensor has no numbers",
                Remedy("advice", 'put it under `with torch.device("cpu"):`'),
                code.location(line),
                severity=judged.severity,
            )
        elif makes:
            known |= {target.id for target in line.targets if isinstance(target, ast.Name)}


def _reading(code: Code) -> Iterator[Function]:
    """The functions that read a number out of something."""
    calls = (call for call in code.nodes(ast.Call) if isinstance(call.func, ast.Attribute) and call.func.attr in READS)
    yield from dict.fromkeys(function for call in calls if (function := code.function(call)))


def _on_cpu(code: Code, node: ast.AST) -> bool:
    blocks = (parent for parent in code.parents(node) if isinstance(parent, ast.With))
    return any("torch.device" in ast.unparse(item.context_expr) for block in blocks for item in block.items)
