"""Heads of remote code that nothing is tied to."""

from __future__ import annotations

import re

from doctor.classes import Classes
from doctor.remembered import remembered

TIES = re.compile(r"lm_head\.weight\s*=(?!=)|def (_?tie_weights|set_output_embeddings)\(|_tie_or_clone_weights")
"""How authors tie a head themselves."""
NEWER = re.compile(
    r"\b(auto_docstring|check_model_inputs|GradientCheckpointingLayer|masking_utils|TransformersKwargs)\b"
)
"""What only files use that were written for releases which find the head by its name."""


@remembered(8)
def unnamed_heads(text: str) -> frozenset[str]:
    """The models of a file that have an `lm_head`, do not name their output embeddings, and tie nothing themselves."""
    if "self.lm_head" not in text or TIES.search(text) or NEWER.search(text):
        return frozenset()
    classes = Classes(text)
    return frozenset(
        name
        for name in classes.nodes
        if classes.holds(name, "lm_head")
        and not classes.method(name, "get_output_embeddings")
        and {one for one in classes.lineage(name) if one not in classes.nodes} <= {"PreTrainedModel", "GenerationMixin"}
        and classes.derives(name, "PreTrainedModel")
    )
