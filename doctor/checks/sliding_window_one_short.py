"""A sliding window is handed to the library's mask functions, which count it differently since transformers 4.39.

Why it matters: up to 4.38 a token saw `sliding_window` tokens, itself included; since then it sees one more.  A model
of those days answers differently as soon as the text is longer than its window, without an error.

What to do: `doctor fix` hands the window over one shorter where config.json says that the model was made with such a
release.

Reference: https://github.com/huggingface/transformers/issues/29623
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, source_check, within
from doctor.spelling import remote_code

MASKS = ("_prepare_4d_causal_attention_mask", "_prepare_4d_causal_attention_mask_for_sdpa", "AttentionMaskConverter")
CALL = "mask = _prepare_4d_causal_attention_mask(mask, s, x, 0, sliding_window=config.sliding_window)"
OLD = {"transformers_version": "4.36.2", "sliding_window": 4096}


@source_check(
    "remote-code",
    Severity.WARNING,
    needles=[b"_prepare_4d_causal_attention_mask", b"AttentionMaskConverter("],
    confirm=lambda data: b".sliding_window" in data,
    passes=[
        remote_code(CALL, "5.23.0", transformers_version="4.40.0", sliding_window=4096),
        remote_code(CALL, "5.23.0", transformers_version="4.36.2", sliding_window=None),
        remote_code(CALL.replace("config.sliding_window", "_doctor_sliding_window(config)"), "5.23.0", **OLD),
    ],
    fails=[remote_code(CALL, "5.23.0", **OLD), remote_code(CALL, "4.47.1", **OLD), remote_code(CALL)],
    kinds=["remote-code"],
)
def sliding_window_one_short(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find calls that hand over the window of a configuration that an older release wrote, or that is not there."""
    model = facts.model_of(code.source)
    config = model.config if model else {}
    made = str(config.get("window_counted_by") or config.get("transformers_version") or "4.38")
    if config.get("sliding_window", 0) is None or not _older(made) or within("transformers<4.39", facts.transformers):
        return
    for call in code.nodes(ast.Call):
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        given = [k.value for k in call.keywords if k.arg == "sliding_window"]
        if name in MASKS and given and getattr(given[0], "attr", "") == "sliding_window":
            written = f"config.json was written by transformers {made}" if model else "where the model is older"
            yield Finding(
                f"{name} is handed {ast.unparse(given[0])}; since transformers 4.39 a token sees one token more than "
                f"that ({written}): other logits beyond the window, without an error",
                Remedy("advice", "hand over the window less one"),
                code.location(call),
            )


def _older(release: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(release) < Version("4.39")
    except InvalidVersion:
        return False
