"""A configuration refuses keyword arguments that it does not know, among them the library's own.

Why it matters: what config.json holds comes back as keyword arguments, and each release writes keys of its own there:
`ValueError: Found unknown kwargs={'dtype': 'float32'}` when a model that was saved is loaded again.

What to do: `doctor fix` leaves out, before the question is asked, the keys that every configuration of the installed
release has.

Reference: https://github.com/huggingface/transformers/blob/v4.57.6/src/transformers/configuration_utils.py
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.56"
CONFIG = "class C(PretrainedConfig):\n    def __init__(self, **kwargs):\n        super().__init__(**kwargs)\n"
POPS = "for key in ('dtype', 'transformers_version'): kwargs.pop(key, None)"
REFUSES = CONFIG + "        if len(kwargs) != 0:\n            raise ValueError(f'unknown {kwargs=}')\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"**kwargs"],
    confirm=lambda data: b"raise " in data and b"Config)" in data,
    passes=[
        remote_code(REFUSES.replace("len(kwargs) != 0", "'size' in kwargs")),
        remote_code(REFUSES.replace("PretrainedConfig", "Base")),
        remote_code(REFUSES.replace("        if", "        kwargs = _doctor_unknown(kwargs)\n        if")),
        remote_code(REFUSES.replace("        if", f"        {POPS}\n        if")),
    ],
    fails=[
        remote_code(REFUSES),
        remote_code(REFUSES.replace("len(kwargs) != 0", "kwargs"), "4.57.6"),
        remote_code(REFUSES, "4.47.1"),
    ],
    kinds=["remote-code"],
)
def config_refuses_known_keys(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find `if kwargs: raise ...` in the `__init__` of a configuration."""
    judged, classes = verdict(WORKS, facts), code.classes
    for name in classes.nodes if judged else ():
        init = classes.method(name, "__init__")
        if init is None or init.args.kwarg is None or not any(base.endswith("Config") for base in classes.bases(name)):
            continue
        if all(repr(key) in ast.unparse(init) for key in ("dtype", "transformers_version")):
            continue  # it knows the library's keys by name
        asked = next((part for part in init.body if _refuses(part, init.args.kwarg.arg)), None)
        if asked is not None and "_doctor_unknown(" not in ast.unparse(init) and judged:
            yield Finding(
                f"{name} raises for any keyword argument it does not know; {judged.when} config.json brings the "
                "library's own: ValueError when a saved model is loaded",
                Remedy("advice", "leave out the keys of `PretrainedConfig().to_dict()` before asking"),
                code.location(asked),
                severity=judged.severity,
            )


def _refuses(node: ast.stmt, rest: str) -> bool:
    if not isinstance(node, ast.If) or not any(isinstance(part, ast.Raise) for part in node.body):
        return False
    test = node.test.left if isinstance(node.test, ast.Compare) else node.test
    return ast.unparse(test) in (rest, f"len({rest})")
