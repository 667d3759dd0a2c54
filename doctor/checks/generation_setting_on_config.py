"""A generation setting is read from a model's configuration.

Why it matters: up to transformers 4.57 every configuration had `max_length`, `num_beams`, `forced_bos_token_id` and the
like; from 5.0 on they are in the generation configuration alone: `AttributeError: 'ChatGLMConfig' object has no
attribute 'max_length'`.

What to do: `doctor fix` gives the reading the old default.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check
from doctor.spelling import remote_code, verdict

WORKS = "transformers<5"
# fmt: off
SETTINGS = frozenset({
    "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
    "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
    "length_penalty", "max_length", "min_length", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_return_sequences", "output_scores", "remove_invalid_values", "repetition_penalty", "return_dict_in_generate",
    "suppress_tokens", "typical_p",
})
# fmt: on
READ = re.compile(
    rb"\.(?:(?<=config\.)|(?<=configuration\.)|(?<=self\.))(?:" + "|".join(sorted(SETTINGS)).encode() + rb")\b"
)
"""It begins with the dot, which is soon found; the receiver is looked at then."""
ROOTS = ("PretrainedConfig", "PreTrainedConfig")
CLASS = "class C(PretrainedConfig):\n    def __init__(self, max_length=4, **kwargs):\n        "


@source_check(
    "remote-code",
    Severity.ERROR,
    needles=[b"config.", b"configuration.", *map(str.encode, ROOTS)],
    confirm=lambda data: bool(READ.search(data)),
    passes=[
        remote_code("n = self.generation_config.max_length"),
        remote_code("config.max_length = 3"),
        remote_code("n = getattr(config, 'max_length', 20)"),
        remote_code("n = config.max_length if hasattr(config, 'max_length') else 20"),
        remote_code(CLASS + "self.max_length = max_length\n        print(self.max_length)"),
    ],
    fails=[
        remote_code("n = config.max_length"),
        remote_code("n = self.config.num_beams", "4.57.6"),
        remote_code(CLASS + "if self.forced_bos_token_id is None: pass"),
    ],
    kinds=["remote-code"],
)
def generation_setting_on_config(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find readings on `config`, and on `self` in a configuration class, of what no class of the file sets."""
    if (judged := verdict(WORKS, facts)) is None:
        return
    given = {name for node in code.classes.nodes.values() if _is_config(node) for name in _set(node)}
    beside = "".join(s.text or "" for s in facts.beside(code.source) if "/configuration" in f"/{s.path}")
    for node in code.nodes(ast.Attribute):
        if node.attr not in SETTINGS or node.attr in given or not isinstance(node.ctx, ast.Load):
            continue
        receiver = ast.unparse(node.value)
        around = code.class_of(node)
        own = receiver == "self" and around is not None and _is_config(around)
        if not own and receiver.rpartition(".")[2] not in ("config", "configuration"):
            continue
        if f"self.{node.attr} = {node.attr}\n" in beside or f"\n    {node.attr}: " in beside:
            continue
        if not code.tested(node, node.attr) and not code.guarded(node, "AttributeError"):
            yield Finding(
                f"{receiver}.{node.attr} is a setting of generation, and {judged.when} no configuration has it",
                Remedy("advice", f'read `getattr({receiver}, "{node.attr}", ...)`'),
                code.location(node),
                severity=judged.severity,
            )


def _is_config(node: ast.ClassDef) -> bool:
    return any(ast.unparse(base).rpartition(".")[2] in ROOTS for base in node.bases)


def _set(node: ast.ClassDef) -> set[str]:
    """The names that a class gives its instances: `NAME = ...`, `self.NAME = NAME`, `... = kwargs.pop("NAME")`."""
    names = set[str]()
    for part in ast.walk(node):
        if isinstance(part, ast.Assign | ast.AnnAssign) and part.value is not None:
            targets = part.targets if isinstance(part, ast.Assign) else [part.target]
            mentioned = {getattr(n, "id", getattr(n, "value", None)) for n in ast.walk(part.value)}
            found = {getattr(target, "attr", getattr(target, "id", "")) for target in targets}
            names |= found if part in node.body else {name for name in found if name in mentioned}
    return names
