"""A model that keeps its states itself is handed other places by `generate` since transformers 5.2.

Why it matters: its `forward` takes `cache_position` and no cache (RecurrentGemma since 4.46).  From 5.4 on `generate`
counts the places off a cache, and there is none: every new token has place 0.  From 5.2 on the positions below padding
are 0, which were 1.  Other answers come, without an error.

What to do: `doctor fix` makes the model count both as transformers 4 did.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5.2"
HANDED = re.compile(rb"\b(past_key_values|cache_params) *[:=]")
"""How a file looks whose models are handed a cache."""
MODEL = """class M(PreTrainedModel, GenerationMixin):
    def forward(self, input_ids, position_ids=None, cache_position=None, use_cache=None, **kwargs):
        pass
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"cache_position"],
    confirm=lambda data: b"GenerationMixin" in data and not HANDED.search(data),
    passes=[
        remote_code(MODEL.replace("use_cache", "past_key_values")),
        remote_code(MODEL.replace(", GenerationMixin", "")),
        remote_code(MODEL + "    def prepare_inputs_for_generation(self, input_ids, **kwargs): pass"),
    ],
    fails=[remote_code(MODEL), remote_code(MODEL, "5.2.0"), remote_code(MODEL, "4.47.1")],
    kinds=["remote-code"],
)
def positions_of_own_states(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models whose forward takes cache_position, and no cache to count it off."""
    judged = verdict(WORKS, facts)
    for name, node in code.classes.nodes.items() if judged else ():
        if judged is not None and code.classes.places_own_states(name):
            yield Finding(
                f"{name}.forward takes cache_position and no cache; {judged.when} generate hands it other places: "
                "other answers, without an error",
                Remedy("advice", "override `prepare_inputs_for_generation`, and count `cache_position` there"),
                code.location(node),
                severity=judged.severity,
            )
