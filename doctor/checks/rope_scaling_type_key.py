"""The file reads the RoPE scaling type under its old key only.

Why it matters: the key became `rope_type` in transformers 4.43, and transformers 5 makes `config.rope_scaling` an
alias of `rope_parameters`, a dict that is never None and has no `type` unless config.json wrote one.  Loading stops
with `KeyError: 'type'`, or a `.get("type")` answers None and the wrong branch is taken.

What to do: `doctor fix` makes the file read both keys and take `default` for no scaling.  Reading `rope_type` as
well is not enough: it only turns the KeyError into `Unknown RoPE scaling type default`.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, ModelFacts, Package, Remedy, Severity, Source, source_check
from doctor.scaling import Read, Scaling, scaling_of, written

KEY = rb"""["']type["']"""
OLD = {"transformers": Package("transformers", "4.47.1")}


def _facts(text: str, **config: object) -> Facts:
    source = Source("modeling_phi3.py", "remote-code", text, model="phi3")
    return Facts(sources=(source,), models=(ModelFacts("phi3", config),) if config else ())


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"rope_scaling"],
    confirm=lambda data: re.search(KEY, data),
    passes=[
        _facts('kind = config.rope_scaling.get("rope_type", config.rope_scaling.get("type"))'),
        _facts('if "type" in config.rope_scaling:\n    config.rope_scaling["rope_type"] = config.rope_scaling["type"]'),
        _facts('rope_scaling = _doctor_rope_scaling(config)\nkind = rope_scaling["type"]'),
        _facts('kind = config.position_scaling["type"]  # not rope_scaling'),
    ],
    fails=[
        _facts('kind = self.config.rope_scaling["type"]'),
        _facts("scaling = config.text_config.rope_scaling\nkind = scaling.get('type', None)"),
        _facts('if (rs := getattr(config, "rope_scaling", None)) and rs["type"] == "su": pass'),
        _facts('kind = config.rope_scaling["type"]', rope_scaling={"rope_type": "longrope"}),
    ],
)
def rope_scaling_type_key(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find reads of `type` beside which `rope_type` is never asked for."""
    scaling = scaling_of(code)
    for read in scaling.reads:
        if read.key == "type" and not scaling.paired(read) and not scaling.asked(read):
            yield _finding(code, facts, scaling, read)


def _finding(code: Code, facts: Facts, scaling: Scaling, read: Read) -> Finding:
    model = facts.model_of(code.source)
    rope = written(model.config) if model else {}
    text, release = ast.unparse(read.node), facts.transformers
    lookup = isinstance(read.node, ast.Subscript)
    ends = "KeyError: 'type'" if lookup else "the answer is None"
    if rope and "type" not in rope:
        keys = ", ".join(sorted(rope))
        return _broken(code, read, f"reads {text}, but config.json of the model has {keys} and no type: {ends}")
    if release.major < 5:
        message = f"reads {text}: right on transformers {release}, but from 5.0 the key is rope_type: {ends}"
    elif "type" in rope:
        message = f"reads {text}: transformers {release} writes rope_type, and has type only as config.json wrote it"
    elif scaling.in_config(read):
        message = f"reads {text}, but transformers {release} and what it saves say rope_type: {ends}"
    else:
        message = f"reads {text}, but transformers {release} makes it {{'rope_type': 'default', ...}}: {ends}"
    severe = release.major >= 5 and not scaling.in_config(read)
    return _broken(code, read, message, Severity.ERROR if severe else Severity.WARNING)


def _broken(code: Code, read: Read, message: str, severity: Severity = Severity.ERROR) -> Finding:
    remedy = Remedy("advice", 'read `rope_type` or `type`, and take "default" for no scaling')
    return Finding(message, remedy, code.location(read.node), severity=severity)
