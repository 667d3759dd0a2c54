"""A model that leaves its cache to `generate` gets none on transformers 5.0.

Why it matters: 5.0 makes no cache where none was asked for by name.  A file that makes none itself (Nemotron of 4.46)
is handed one token after the other, and nothing of what came before: other answers, without an error.

What to do: `doctor fix` has the cache made as every other release makes it.  Or use transformers 5.1 or later.

Reference: https://github.com/huggingface/transformers/blob/v5.0.0/src/transformers/generation/utils.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.classes import MAKES_CACHE
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers!=5.0.*"
MODEL = """from transformers.cache_utils import Cache

class M(PreTrainedModel, GenerationMixin):
    def forward(self, input_ids, past_key_values=None, cache_position=None, **kwargs):
        pass
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"cache_utils import"],
    confirm=lambda data: b"GenerationMixin" in data and not MAKES_CACHE.search(data.decode("latin-1")),
    passes=[
        remote_code(MODEL),
        remote_code(MODEL, "5.1.0"),
        remote_code(MODEL + "        past_key_values = DynamicCache()\n", "5.0.0"),
        remote_code(MODEL.replace(", GenerationMixin", ""), "5.0.0"),
    ],
    fails=[remote_code(MODEL, "5.0.0"), remote_code(MODEL, "4.57.6")],
    kinds=["remote-code"],
)
def cache_left_to_generate(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models that take a cache and generate, in files that make none."""
    judged = verdict(WORKS, facts)
    if judged is None:
        return
    when = judged.when.replace("from transformers 5.0 on", "on transformers 5.0")
    for name, node in code.classes.nodes.items():
        if code.classes.leaves_cache(name, code.text):
            yield Finding(
                f"{name} makes no cache; {when} generate makes none either: every token is computed without those "
                "before it, without an error",
                Remedy("advice", "make a `DynamicCache` where `past_key_values` is None"),
                code.location(node),
                severity=judged.severity,
            )
