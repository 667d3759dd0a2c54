"""A model that generates does not inherit from `GenerationMixin`.

Why it matters: from transformers 4.52 on `PreTrainedModel` does not bring `generate` any more: `AttributeError:
'Phi3ForCausalLM' object has no attribute 'generate'`.  `AutoModelForCausalLM.from_pretrained` adds the mixin to the
class it loads; one that another model makes, as vision-language models do with their language model, goes without.

What to do: `doctor fix` adds the mixin behind the model's other bases, as every release wants it.

Reference: https://github.com/huggingface/transformers/pull/33150
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import Verdict, remote_code, verdict

WORKS = "transformers<4.52"
OVERRIDE = "prepare_inputs_for_generation"
ROOT, MIXIN = "PreTrainedModel", "GenerationMixin"
BODY = f"    def {OVERRIDE}(self, ids):\n        return {{}}\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[f"def {OVERRIDE}".encode()],
    confirm=lambda data: ROOT.encode() in data,
    passes=[
        remote_code("class M(PreTrainedModel, GenerationMixin):\n" + BODY),
        remote_code("class M(PreTrainedModel, WhisperGenerationMixin):\n" + BODY),
        remote_code("class M(Wrapper):\n" + BODY + "class P(PreTrainedModel): pass"),
    ],
    fails=[
        remote_code("class M(PreTrainedModel):\n" + BODY),
        remote_code("class P(PreTrainedModel): pass\nclass M(P):\n" + BODY, "4.47.1"),
    ],
    kinds=["remote-code"],
)
def generation_mixin_missing(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models that define `prepare_inputs_for_generation` and lack the mixin."""
    judged, classes = verdict(WORKS, facts), code.classes
    if judged is None:
        return
    for name, node in classes.nodes.items():
        own = any(getattr(part, "name", "") == OVERRIDE for part in node.body) and not name.endswith("ForMaskedLM")
        mixed = any(base.endswith(MIXIN) for base in classes.lineage(name))
        if own and classes.derives(name, ROOT) and not mixed:
            yield _finding(code, facts, name, judged)


def _finding(code: Code, facts: Facts, name: str, judged: Verdict) -> Finding:
    made = any(re.search(rf"(?<!class )\b{name}\(", source.text or "") for source in facts.beside(code.source))
    how = "is made by another model of the repository" if made else "generates only where an Auto class loads it"
    return Finding(
        f"{name} {how}: {judged.when} PreTrainedModel brings no generate: '{name}' object has no attribute 'generate'",
        Remedy("advice", f"write `class {name}({', '.join([*code.classes.bases(name), MIXIN])}):`"),
        code.location(code.classes.nodes[name]),
        severity=judged.severity if made else Severity.WARNING,
    )
