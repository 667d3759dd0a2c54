"""A rotary embedding of the library is made, or applied, as transformers 4.47 had it.

Why it matters: since 5.0 `LlamaRotaryEmbedding(config)` reads `config.rope_parameters`.  A remote configuration class
that keeps `rope_theta` to itself may have none (`AttributeError: 'MyConfig' object has no attribute
'rope_parameters'`).  `apply_rotary_pos_emb` takes what stands in the place of `position_ids` for the axis (`TypeError:
unsqueeze(): argument 'dim' must be int`).

What to do: `doctor fix` hands over the configuration's own numbers, and leaves `position_ids` out, which did nothing.

Reference: https://github.com/huggingface/transformers/pull/39847
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.borrowed import IMPORTED, lacking_rope, rotary
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, Source, source_check
from doctor.spelling import Verdict, remote_code, verdict

LLAMA = "from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding, apply_rotary_pos_emb\n"
OWN = """class C(PretrainedConfig):
    def __init__(self, rope_theta=1e4, rope_scaling=None, **kwargs):
        self.rope_theta = rope_theta
        {}super().__init__(**kwargs)
"""
SCALED = OWN.format("self.rope_scaling = rope_scaling\n        ")
MADE = LLAMA + "rotary = LlamaRotaryEmbedding(config)\n"
MISSING = AXIS = "transformers<5"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"RotaryEmbedding(", b"apply_rotary_pos_emb("],
    confirm=lambda data: IMPORTED.search(data),
    passes=[
        remote_code(MADE),
        remote_code(MADE + SCALED),
        remote_code(MADE + SCALED, "5.0.0"),
        remote_code(LLAMA + "q, k = apply_rotary_pos_emb(q, k, cos, sin)"),
        remote_code(LLAMA + "q, k = apply_rotary_pos_emb(q, k, cos, sin, 2)"),
        remote_code("from .rotary import apply_rotary_pos_emb\nq = apply_rotary_pos_emb(q, k, cos, sin, position_ids)"),
    ],
    fails=[
        remote_code(MADE + OWN.format("")),
        remote_code(MADE + OWN.format(""), "4.57.6"),
        remote_code(LLAMA + "q, k = apply_rotary_pos_emb(q, k, cos, sin, position_ids)"),
    ],
    kinds=["remote-code"],
)
def borrowed_rotary_embedding(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find rotary embeddings made of a configuration without `rope_parameters`, and positions where the axis goes."""
    names = rotary(code.text)
    calls = [call for call in code.nodes(ast.Call) if isinstance(call.func, ast.Name)] if names else []
    lost = _lost(facts.beside(code.source), facts) if calls else None
    for call in calls:
        name = names.get(ast.unparse(call.func))
        if name is None or code.ours(call):
            continue
        made = lost if _of_config(call) else None
        found = _applied(call, facts) if name == "apply_rotary_pos_emb" else made
        if found is not None:
            judged, message, remedy = found
            yield Finding(
                message.format(name, judged.when),
                Remedy("advice", remedy),
                code.location(call),
                severity=judged.severity,
            )


Found = tuple[Verdict, str, str]


def _applied(call: ast.Call, facts: Facts) -> Found | None:
    judged = verdict(AXIS, facts)
    place = call.args[4] if len(call.args) > 4 else None
    if judged is None or place is None or not re.fullmatch(r"None|\w*position\w*", ast.unparse(place)):
        return None
    message = f"{{}} is handed {ast.unparse(place)} in the place of position_ids: {{}} that place is the axis"
    return judged, message, "leave it out: nothing was done with it"


def _of_config(call: ast.Call) -> bool:
    first = call.args[:1] or [word.value for word in call.keywords if word.arg == "config"]
    return bool(first) and ast.unparse(first[0]).lower().endswith(("config", "cfg"))


def _lost(sources: tuple[Source, ...], facts: Facts) -> Found | None:
    """What the library makes of the remote configuration class in a folder."""
    judged = verdict(MISSING, facts)
    if judged is None or not any(lacking_rope(source.text or "") for source in sources):
        return None
    message = "{} reads rope_parameters, which {} the configuration class has not: AttributeError or TypeError"
    return judged, message, "keep `rope_parameters` in the configuration class"
