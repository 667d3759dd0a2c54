"""A model masks its sliding window itself, and is handed a cache that forgets what is outside it.

Why it matters: from transformers 4.56 on (5.0 apart) `generate` makes a cache of the window's size for every model
whose configuration has one.  The mask that the file computes is as long as the text: the wrong tokens are masked,
without an error, as soon as the text is longer than the window.

What to do: `doctor fix` makes the model take a cache that keeps everything, as before.  By hand: pass
`past_key_values=DynamicCache()` to `generate`.

Reference: https://github.com/huggingface/transformers/pull/40039
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.classes import Classes
from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check, within
from doctor.spelling import remote_code, verdict

WORKS = "transformers<4.56"
ROOT, MIXIN, PREPARE = "PreTrainedModel", "GenerationMixin", "prepare_inputs_for_generation"
NEWER = {"create_causal_mask", "create_sliding_window_causal_mask", "create_masks_for_generate"}
"""Functions of the library that know the cache; a file with one of them is written for it."""
MASK = "class P(PreTrainedModel):\n    def _mask(self, x):\n        return x > self.config.sliding_window\n"
HEAD = MASK + "class Head(P, GenerationMixin):\n    pass\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"sliding_window"],
    confirm=lambda data: MIXIN.encode() in data and b"mask" in data,
    passes=[
        remote_code(HEAD + "    def prepare_inputs_for_generation(self, ids): return {}"),
        remote_code(HEAD.replace("_mask", "_attend")),
        remote_code(HEAD, sliding_window=None),
        remote_code(HEAD + "    mask = create_sliding_window_causal_mask\n"),
    ],
    fails=[remote_code(HEAD), remote_code(HEAD, "4.47.1"), remote_code(HEAD, "4.57.6", sliding_window=4096)],
    kinds=["remote-code"],
)
def cache_forgets_window(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models that generate with the library's inputs in a file with a windowed mask of its own."""
    judged, classes, model = verdict(WORKS, facts), code.classes, facts.model_of(code.source)
    if judged is None or (model is not None and model.config.get("sliding_window", 0) is None):
        return
    if code.names & NEWER or not any(_masks(classes, name) for name in classes.nodes):
        return
    for name, node in classes.nodes.items():
        if MIXIN in classes.bases(name) and classes.derives(name, ROOT) and classes.method(name, PREPARE) is None:
            yield Finding(
                f"{name} generates with a mask of its own; {judged.when} generate hands it a cache that forgets what "
                "is outside the sliding window: wrong tokens are masked, without an error",
                Remedy("advice", "pass `past_key_values=DynamicCache()` to `generate`"),
                code.location(node),
                severity=Severity.WARNING if within("transformers==5.0.*", facts.transformers) else judged.severity,
            )


def _masks(classes: Classes, name: str) -> bool:
    """Whether a class makes its own causal mask, and knows of a sliding window."""
    made = [part for part in classes.nodes[name].body if isinstance(part, ast.FunctionDef) and "mask" in part.name]
    return any("sliding_window" in ast.unparse(part) for part in made)
