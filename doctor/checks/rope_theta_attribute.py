"""`config.rope_theta` is read, which newer releases keep in `config.rope_parameters`.

Why it matters: from transformers 5.0 on the library's own configurations have no such attribute (`AttributeError:
'LlamaConfig' object has no attribute 'rope_theta'`), and `getattr(config, "rope_theta", 10000)` answers its default
without a word; `partial_rotary_factor` went the same way.  On 4.x a config.json that 5.x wrote has only
`rope_parameters`, and the class's default stands in for it: wrong numbers, no error.

What to do: `doctor fix` looks in both places.

Reference: https://github.com/huggingface/transformers/pull/39847
Reference: https://github.com/huggingface/transformers/pull/42593
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.rope import NEWER, configish, is_config_class
from doctor.scaling import written
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
CONFIG = "class C(PretrainedConfig):\n    def __init__(self, rope_theta=1e4):\n        self.rope_theta = rope_theta\n"
MADE = ("Config", "from_pretrained", "from_dict")


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[name.encode() for name in NEWER],
    passes=[
        remote_code("base = self.rope_theta"),
        remote_code('base = config.rope_parameters["rope_theta"]'),
        remote_code("config.rope_theta = 5000.0"),
        remote_code(CONFIG + "base = config.rope_theta"),
        remote_code("config = MyConfig(rope_theta=config.rope_theta)"),
    ],
    fails=[
        remote_code("base = self.config.rope_theta"),
        remote_code('base = getattr(config, "rope_theta", 10000)', "4.57.6"),
        remote_code(CONFIG + "base = config.rope_theta", "4.47.1", rope_parameters={"rope_theta": 5e5}),
    ],
    kinds=["remote-code"],
)
def rope_theta_attribute(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find reads of the two numbers off a configuration that does not keep them itself."""
    kept: dict[str, bool] = {}
    model = facts.model_of(code.source)
    for node, owner, name in _reads(code):
        if not configish(ast.unparse(owner)) or _is_self(owner) or _copied(code, node) or code.ours(node):
            continue
        if name not in kept:
            kept[name] = any(re.search(_BOUND[name], source.text or "") for source in facts.beside(code.source))
        moved = bool(model) and name not in model.config and name in written(model.config)  # type: ignore[union-attr]
        if (found := _judge(ast.unparse(node), name, kept[name], moved, facts)) is not None:
            message, severity = found
            remedy = Remedy("advice", f'look for `rope_parameters["{name}"]` first')
            yield Finding(message, remedy, code.location(node), severity=severity)


_BOUND = {name: rf"self\.{name}\s*[:=]|(?m:^[ \t]+{name}\s*[:=](?!=))(?![^\n]*,\s*$)" for name in NEWER}
"""How a configuration class keeps a number: on self, or as an attribute of the class."""


def _judge(text: str, name: str, kept: bool, moved: bool, facts: Facts) -> tuple[str, Severity] | None:
    release, judged = facts.transformers, verdict(WORKS, facts)
    if kept and moved and release.major < 5:
        why = f"config.json of the model has {name} in rope_parameters only: transformers {release} takes the default"
        return f"reads {text}, but {why} of the class, without an error", Severity.ERROR
    if kept or judged is None:
        return None
    ends = "the default is taken, without an error" if text.startswith("getattr") else f"no attribute '{name}'"
    return f"reads {text}; {judged.when} it is in config.rope_parameters: {ends}", judged.severity


def _reads(code: Code) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """Every `config.NAME`, `getattr(config, "NAME")` and `hasattr(config, "NAME")`."""
    for read in code.nodes(ast.Attribute):
        if read.attr in NEWER and isinstance(read.ctx, ast.Load):
            yield read, read.value, read.attr
    for call in code.nodes(ast.Call):
        if getattr(call.func, "id", "") in ("getattr", "hasattr") and len(call.args) > 1:
            name = call.args[1].value if isinstance(call.args[1], ast.Constant) else None
            if name in NEWER:
                yield call, call.args[0], str(name)


def _is_self(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id == "self"


def _copied(code: Code, node: ast.expr) -> bool:
    """Whether one configuration is made from another."""
    around = code.class_of(node)
    if around is not None and is_config_class(around.name, [ast.unparse(base) for base in around.bases]):
        return True
    calls = (parent.func for parent in code.parents(node) if isinstance(parent, ast.Call))
    return any(ast.unparse(func).endswith(MADE) for func in calls)
