"""The padding token is the end-of-text token, and what pads is masked.

Why it matters: `DataCollatorForLanguageModeling` gives the label -100 to every token that equals the padding token.
Where that is the end token as well, no end token is ever learnt: the model answers, and does not stop.

What to do: pad with another token that the vocabulary already has (`<unk>`, a reserved one), or mask by the attention
mask and not by the id.

Reference: https://github.com/huggingface/transformers/issues/22794
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from doctor.chat.specials import special_tokens
from doctor.model import DataFacts, Facts, Finding, Location, ModelFacts, Remedy, Severity, Source, check

if TYPE_CHECKING:
    from doctor.code import Code

TEMPLATE = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"
RESERVED = ("<unk>", "<|finetune_right_pad_id|>", "<|endoftext|>", "<pad>", "[PAD]", "<|pad|>")


def _facts(pad: str | None, data: bool = False, **config: int) -> Facts:
    tokenizer = {"eos_token": "</s>", "unk_token": "<unk>", "pad_token": pad, "chat_template": TEMPLATE}
    model = ModelFacts("/models/mine", config, tokenizer, added_tokens=("<unk>", "<s>", "</s>"))
    return Facts(models=(model,), data=(DataFacts("/data/train.jsonl", rows=9, model="/models/mine"),) if data else ())


COLLATOR = "DataCollatorForLanguageModeling"
SET = "tokenizer.pad_token = tokenizer.eos_token\n"


def _script(text: str) -> Facts:
    return Facts(sources=(Source("train.py", "script", text),))


def assigned(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find scripts that pad with the end token and collate with a collator that masks padding by its id."""
    called = (call.func for call in code.every(ast.Call) if COLLATOR in code.text)
    if not any(COLLATOR in (getattr(func, "attr", ""), getattr(func, "id", "")) for func in called):
        return
    for node in code.nodes(ast.Assign):
        value = node.value
        for target in node.targets:
            if (
                isinstance(target, ast.Attribute)
                and isinstance(value, ast.Attribute)
                and (target.attr, value.attr) in (("pad_token", "eos_token"), ("pad_token_id", "eos_token_id"))
            ):
                yield Finding(
                    f"{ast.unparse(target)} becomes {ast.unparse(value)}, and {COLLATOR} masks every token that equals "
                    "it: the model does not learn to stop",
                    Remedy("advice", "pad with tokenizer.unk_token or a reserved token"),
                    code.location(node),
                )


@check(
    "chat",
    Severity.WARNING,
    read=assigned,
    needles=[b"pad_token"],
    passes=[
        _script(SET + "collator = DataCollatorForSeq2Seq(tokenizer)"),
        _script("tokenizer.pad_token = tokenizer.unk_token\nDataCollatorForLanguageModeling(tokenizer, mlm=False)"),
        _facts("<unk>"),
        _facts(None),
        _facts("</s>", eos_token_id=2, pad_token_id=2),
    ],
    fails=[
        _script(SET + "collator = DataCollatorForLanguageModeling(tokenizer, mlm=False)"),
        _facts("</s>"),
        _facts("</s>", eos_token_id=2),
        _facts("</s>", data=True, eos_token_id=2, pad_token_id=2),
    ],
)
def pad_is_eos_masked(facts: Facts) -> Iterator[Finding]:
    """Compare the two tokens of every model that was named; one whose authors chose it only where it is trained."""
    for model in facts.models:
        tokens = special_tokens(model)
        pad, eos = tokens.get("pad_token"), tokens.get("eos_token")
        if pad is None or pad != eos:
            continue
        trained = any(data.model == model.path for data in facts.data)
        if not trained and _chosen(model):
            continue
        other = next((token for token in RESERVED if token != eos and _has(model, token)), None)
        line = f'"pad_token": "{other}"'
        yield Finding(
            f"pad_token and eos_token are both {pad}: a collator that masks padding by its id masks every {eos}, and "
            "the model does not learn to stop",
            Remedy("config", f"write `{line}` into tokenizer_config.json", line)
            if other
            else Remedy("advice", "pad with a reserved token of the vocabulary, or mask by the attention mask"),
            Location(os.path.join(model.path, "tokenizer_config.json")),  # noqa: PTH118
        )


def _chosen(model: ModelFacts) -> bool:
    """Whether config.json says it too: the model came like this, nobody set it in the tokenizer."""
    pad, eos = model.config.get("pad_token_id"), model.config.get("eos_token_id")
    return pad is not None and pad in (eos if isinstance(eos, list) else [eos])


def _has(model: ModelFacts, token: str) -> bool:
    return token in model.added_tokens or token == special_tokens(model).get("unk_token")
