"""Weights of remote code with two names: heads that nothing is tied to, modules that are handed on."""

from __future__ import annotations

import ast
import re

from doctor.classes import Classes
from doctor.remembered import remembered

TIES = re.compile(r"lm_head\.weight\s*=(?!=)|def (_?tie_weights|set_output_embeddings)\(|_tie_or_clone_weights")
"""How authors tie a head themselves."""
NEWER = re.compile(
    r"\b(auto_docstring|check_model_inputs|GradientCheckpointingLayer|masking_utils|TransformersKwargs)\b"
)
"""What only files use that were written for releases which find the head by its name."""

WEIGHTS = {f"{module}.{kind}" for module in ("nn", "torch.nn") for kind in ("Embedding", "Linear")}
"""What makes a module whose weight a checkpoint may know under one of its names."""
HANDED_ON = tuple(
    f"{before}self.{name}".encode() for before in ("=", ", ") for name in ("embed", "wte", "shared", "word_embeddings")
)
"""How a file looks that hands such a module on."""


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


@remembered(8)
def shared_modules(text: str) -> dict[str, ast.Assign]:
    """The classes of a file that hand an embedding or a linear layer on to another module, and where each does."""
    found: dict[str, ast.Assign] = {}
    for name, node in Classes(text).nodes.items():
        inits = (part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__")
        made = set[str]()
        for line in (line for init in inits for line in ast.walk(init) if isinstance(line, ast.Assign)):
            target, value = ast.unparse(line.targets[0]), line.value
            if not target.startswith("self.") or not isinstance(value, ast.Call):
                continue
            called = ast.unparse(value.func)
            if called in WEIGHTS:
                made.add(target)
            handed = (*value.args, *(one.value for one in value.keywords))
            if not called.startswith(("nn.", "torch.")) and any(ast.unparse(one) in made for one in handed):
                found.setdefault(name, line)
    return found
