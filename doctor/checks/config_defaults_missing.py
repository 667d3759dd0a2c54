"""A configuration class counts on defaults that transformers 5 does not give it.

Why it matters: up to 4.57 every configuration had `tie_word_embeddings=True`, `is_decoder=False`,
`add_cross_attention=False`, token ids of None and more, and 4.x leaves them out of config.json.  From 5.0 on it has
what the class and config.json set, no more: `AttributeError: 'XGLMConfig' object has no attribute
'add_cross_attention'`, or, without any error, a head that is not tied to the embeddings and stays random (one line of
the load report: `lm_head.weight | MISSING`).

What to do: `doctor fix` gives the class the old defaults as class attributes.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import Verdict, remote_code, verdict

WORKS = "transformers<5"
ROOT = "PretrainedConfig"
"""The spelling of 4.x.  Classes of 5.x derive from `PreTrainedConfig` and count on no more than 5.x gives them."""
TIED = "tie_word_embeddings"
DEFAULTS = (
    *(TIED, "is_decoder", "add_cross_attention", "tie_encoder_decoder", "torchscript"),
    *("pad_token_id", "bos_token_id", "eos_token_id", "sep_token_id", "decoder_start_token_id"),
    *("cross_attention_hidden_size", "tokenizer_class"),
)
USES = {TIED: r"_tied_weights_keys\s*=\s*[\[({]\s*[\"']", "pad_token_id": "warn_if_padding_and_no_attention_mask"}
"""How a file counts on a default without reading it off the configuration itself."""
CLASS = "class C(PretrainedConfig):\n    def __init__(self, size=1, **kwargs):\n        super().__init__(**kwargs)\n"
MODEL = "class M(PreTrainedModel):\n    def f(self):\n        return self.config.{}\n"


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[ROOT.encode()],
    passes=[
        remote_code(CLASS.replace(ROOT, "PreTrainedConfig")),
        remote_code(CLASS + MODEL.format("hidden_size")),
        remote_code(CLASS + MODEL.format("is_decoder"), is_decoder=False),
        remote_code(CLASS.replace("size=1", "is_decoder=False").replace("**kwargs)\n", "is_decoder=is_decoder)\n")
                    + MODEL.format("is_decoder")),
    ],
    fails=[
        remote_code(CLASS + MODEL.format("add_cross_attention")),
        remote_code(CLASS + MODEL.format("pad_token_id"), "4.57.6"),
        remote_code(CLASS + 'class M(PreTrainedModel):\n    _tied_weights_keys = ["lm_head.weight"]\n'),
    ],
    kinds=["remote-code"],
)  # fmt: skip
def config_defaults_missing(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find classes straight from PretrainedConfig without a default that a file beside them counts on."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    model = facts.model_of(code.source)
    for name, node in code.classes.nodes.items():
        if not _is_root(node):
            continue
        lacking = [
            default for default in DEFAULTS if default not in {*_present(node), *(model.config if model else ())}
        ]
        if counted := _counted_on(code, facts, lacking):
            yield _finding(code, node, name, counted, judged)


def _finding(code: Code, node: ast.ClassDef, name: str, counted: Mapping[str, str], judged: Verdict) -> Finding:
    first = next((default for default in counted if default != TIED), TIED)
    ends = (
        f"'{name}' object has no attribute '{first}'" if first != TIED else "a tied head stays random, without an error"
    )
    return Finding(
        f"{name} does not set {', '.join(counted)}, which {counted[first]} counts on; {judged.when} it has no default: "
        + ends,
        Remedy("advice", f"write `{first} = {'True' if first == TIED else '...'}` in the class, as 4.x had it"),
        code.location(node),
        severity=judged.severity,
    )


def _counted_on(code: Code, facts: Facts, lacking: list[str]) -> dict[str, str]:
    """The defaults that files beside the class count on, and which file; all of them where no model is beside it."""
    beside = [source for source in facts.beside(code.source) if source.text] or [code.source]
    if not any("PreTrainedModel" in (source.text or "") for source in beside):
        return dict.fromkeys(lacking, "a model")
    counted: dict[str, str] = {}
    for source in beside:
        for default in lacking:
            use = rf"config\.{default}\b(?!\s*=[^=])" + (f"|{USES[default]}" if default in USES else "")
            if default not in counted and re.search(use, source.text or ""):
                counted[default] = source.path.replace("\\", "/").rpartition("/")[2]
    return counted


def _is_root(node: ast.ClassDef) -> bool:
    """Whether a class derives straight from PretrainedConfig and is not written as a dataclass."""
    fields = any(isinstance(part, ast.AnnAssign) for part in node.body)
    init = any(isinstance(part, ast.FunctionDef) and part.name == "__init__" for part in node.body)
    return any(ast.unparse(base).rpartition(".")[2] == ROOT for base in node.bases) and (init or not fields)


def _present(node: ast.ClassDef) -> Iterator[Any]:
    """The names that the body of a class or its `__init__` sets."""
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            yield part.name
        elif isinstance(part, ast.Assign | ast.AnnAssign):
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            yield from (name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
        if isinstance(part, ast.FunctionDef) and part.name == "__init__":
            yield from (name for inner in ast.walk(part) for name in _set_on_self(inner))


def _set_on_self(node: ast.AST) -> Iterator[str]:
    """`self.NAME = ...` and `super().__init__(NAME=...)`: what every release makes an attribute."""
    if isinstance(node, ast.Assign):
        yield from (t.attr for t in node.targets if isinstance(t, ast.Attribute) and ast.unparse(t.value) == "self")
    elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".__init__"):
        yield from (keyword.arg for keyword in node.keywords if keyword.arg)
