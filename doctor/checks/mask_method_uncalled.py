"""A model that inherits the library's `forward` makes its mask in `_update_causal_mask`, which nobody calls.

Why it matters: up to transformers 4.52 the library's models asked that method for their mask; since 4.53 they do not.
A model that overrides it to look both ways, as models for embeddings do, looks back only: other numbers, no error.

What to do: `doctor fix` has the class ask its method and hand the mask over.

Reference: https://github.com/huggingface/transformers/pull/37866
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.borrowed import masking
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.53"
HEAD = "from transformers import MistralModel\n"
MODEL = """class Both(MistralModel):
    def _update_causal_mask(self, attention_mask, input_tensor, *more):
        return None
"""


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def _update_causal_mask("],
    passes=[
        remote_code(MODEL),
        remote_code(HEAD + MODEL + "    def forward(self, x):\n        return self._update_causal_mask(x, x)\n"),
    ],
    fails=[remote_code(HEAD + MODEL), remote_code(HEAD + MODEL, "4.57.6"), remote_code(HEAD + MODEL, "4.47.1")],
    kinds=["remote-code"],
)
def mask_method_uncalled(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find overrides of `_update_causal_mask` in classes whose `forward` is the library's."""
    judged = verdict(WORKS, facts)
    if judged is None:
        return
    for name in sorted(masking(code.text)):
        yield Finding(
            f"{name} makes its mask in _update_causal_mask: {judged.when} nobody calls it, the mask is the library's",
            Remedy("advice", "make the mask in `forward` and hand it over as `attention_mask`, in four dimensions"),
            code.location(code.classes.nodes[name]),
            severity=judged.severity,
        )
