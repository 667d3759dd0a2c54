"""A model ties its head to its embeddings, and has no `_tied_weights_keys`.

Why it matters: up to transformers 4.57 `get_output_embeddings` was enough.  From 5.0 on only what `_tied_weights_keys`
names is tied, and the head of such a model stays random: wrong logits, and at most one line in the load report.

What to do: `doctor fix` gives the class the mapping, with the file's own names.  Nothing is tied where the
configuration does not want it.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
UNTIED = re.compile(r"tie_word_embeddings(?:: bool)? ?= ?False\b")
"""How the configuration class beside it says that nothing is tied by default."""
METHODS = (
    "    def get_input_embeddings(self):\n        return self.embed\n"
    "    def get_output_embeddings(self):\n        return self.head\n"
)
MODEL = "class M(PreTrainedModel):\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"def get_output_embeddings"],
    passes=[
        remote_code(MODEL + "    _tied_weights_keys = {'head.weight': 'embed.weight'}\n" + METHODS),
        remote_code(MODEL + METHODS.replace("self.head", "None")),
        remote_code(MODEL + METHODS + "    def tie_weights(self, **kwargs): pass"),
        remote_code(MODEL + METHODS, tie_word_embeddings=False),
    ],
    fails=[remote_code(MODEL + METHODS), remote_code(MODEL + METHODS, "4.57.6", vocab_size=8)],
    kinds=["remote-code"],
)
def tied_weights_keys_missing(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find models whose head and embedding are known, and whose config.json does not say that they are two."""
    judged = verdict(WORKS, facts)
    configs = [model.config for model in facts.models if model.path == code.source.model]
    if judged is None or any(config.get("tie_word_embeddings") is False for config in configs):
        return
    pairs = [(name, node, pair) for name, node in code.classes.nodes.items() if (pair := code.classes.untold_tie(name))]
    if pairs and not any(UNTIED.search(source.text or "") for source in facts.beside(code.source)):
        for name, node, pair in pairs:
            yield Finding(
                f"{name} does not say that {pair[0]} is tied to {pair[1]}: {judged.when} {pair[0]} stays random where "
                "the checkpoint does not hold it",
                Remedy("advice", f'write `_tied_weights_keys = {{"{pair[0]}.weight": "{pair[1]}.weight"}}`'),
                code.location(node),
                severity=judged.severity,
            )
