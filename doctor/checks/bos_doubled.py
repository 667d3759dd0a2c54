"""The beginning-of-text token comes twice: from the text and from the tokenizer.

Why it matters: a model that never saw two of them loses a little of everything it knows, without an error.  It happens
when text that a chat template rendered, BOS included, is tokenised as if it were plain text.

What to do: tokenise rendered text with `add_special_tokens=False`, or leave BOS out of the data.

Reference: https://huggingface.co/docs/transformers/chat_templating#applychattemplate
"""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from doctor.chat.specials import adds_bos, chat_template, special_tokens
from doctor.model import DataFacts, Facts, Finding, Location, ModelFacts, Remedy, Row, Seen, Severity, Source, check

if TYPE_CHECKING:
    from doctor.code import Code

ADDS = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}
WITH_BOS = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
WITHOUT = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"


def _facts(template: str, processor: Mapping[str, object], **seen: Seen) -> Facts:
    tokenizer = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": template}
    model = ModelFacts("/models/mine", {}, tokenizer, post_processor=processor, added_tokens=("<s>", "</s>"))
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    data = (DataFacts("/data/train.jsonl", "text", 40, named, "/models/mine"),) if seen else ()
    return Facts(models=(model,), data=data)


RENDERED = "text = tokenizer.apply_chat_template(messages, tokenize=False)\n"


def _script(text: str, template: str = WITH_BOS) -> Facts:
    return replace(_facts(template, ADDS), sources=(Source("train.py", "script", text),))


def tokenised(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find text that a template rendered and that is tokenised as if it were plain."""
    models = [model for model in facts.models if chat_template(model)]
    if len(models) != 1 or not _twice(models[0], facts):
        return
    rendered = [call for call in code.nodes(ast.Call) if _renders(call)]
    for call in code.nodes(ast.Call):
        what = call.args[0] if call.args else None
        if call in rendered or what is None or any(word.arg == "add_special_tokens" for word in call.keywords):
            continue
        source = what if what in rendered else _value(what, rendered, code)
        tokenizer = ast.unparse(call.func).removesuffix(".encode")
        if source is not None and ast.unparse(source.func) == f"{tokenizer}.apply_chat_template":
            yield Finding(
                f"text that the chat template rendered, {special_tokens(models[0])['bos_token']} included, is given to "
                f"{ast.unparse(call.func)}, which adds it again",
                Remedy("advice", "pass `add_special_tokens=False`", "add_special_tokens=False"),
                code.location(call),
            )


def _renders(call: ast.Call) -> bool:
    """Whether it is `x.apply_chat_template(..., tokenize=False)`."""
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr == "apply_chat_template"
        and any(
            word.arg == "tokenize" and isinstance(word.value, ast.Constant) and word.value.value is False
            for word in call.keywords
        )
    )


def _value(name: ast.expr, rendered: list[ast.Call], code: Code) -> ast.Call | None:
    """The rendering that a name of the same function holds."""
    if not isinstance(name, ast.Name):
        return None
    for node in code.nodes(ast.Assign):
        held = [target.id for target in node.targets if isinstance(target, ast.Name)]
        if name.id in held and code.function(node) is code.function(name):
            return next((call for call in rendered if call is node.value), None)
    return None


def _twice(model: ModelFacts, facts: Facts) -> bool:
    """Whether the template writes BOS and the tokenizer adds it."""
    bos, template = special_tokens(model).get("bos_token"), chat_template(model) or ""
    return bool(bos and ("bos_token" in template or bos in template) and adds_bos(model, facts.transformers))


@check(
    "chat",
    Severity.ERROR,
    read=tokenised,
    needles=[b"apply_chat_template("],
    passes=[
        _script(RENDERED + "ids = tokenizer(text)", WITHOUT),
        _facts(WITHOUT, ADDS),
        _facts(WITH_BOS, {}),
        _facts(WITHOUT, {}, cut=Seen(1)),
    ],
    fails=[
        _facts(WITHOUT, ADDS, bos_doubled=Seen(40, (Row(1, "<s>[INST] Hi"),))),
        _facts(WITH_BOS, ADDS),
        _script(RENDERED + "ids = tokenizer(text, return_tensors='pt')"),
        _script("ids = t.encode(t.apply_chat_template(m, tokenize=False))"),
    ],
)
def bos_doubled(facts: Facts) -> Iterator[Finding]:
    """Report text rows that begin with the token the tokenizer adds; of a model alone, that it could happen."""
    for data in facts.data:
        for _, seen in data.of("bos-doubled"):
            yield Finding(
                f"{data.share(seen)} begin with the BOS token, and the tokenizer of {data.reader} adds another",
                Remedy(
                    "advice",
                    "delete the BOS token at the beginning of the text, or tokenise with add_special_tokens=False",
                ),
                data.place(seen),
            )
    for model in facts.models:
        if _twice(model, facts):
            yield Finding(
                f"the chat template writes {special_tokens(model)['bos_token']}, and the tokenizer adds it too: "
                "rendered text gets both",
                Remedy("advice", "tokenise rendered text with `add_special_tokens=False`"),
                Location(os.path.join(model.path, "tokenizer_config.json")),  # noqa: PTH118
                severity=Severity.HINT,
            )
