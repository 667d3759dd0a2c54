"""The beginning-of-text token comes twice: from the text and from the tokenizer.

Why it matters: a model that never saw two of them loses a little of everything it knows, without an error.  It happens
when text that a chat template rendered, BOS included, is tokenised as if it were plain text.

What to do: tokenise rendered text with `add_special_tokens=False`, or leave BOS out of the data.

Reference: https://huggingface.co/docs/transformers/chat_templating#applychattemplate
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from doctor.chat.specials import adds_bos, chat_template, special_tokens
from doctor.model import DataFacts, Facts, Finding, Location, ModelFacts, Remedy, Row, Seen, Severity, check

ADDS = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}]}
WITH_BOS = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
WITHOUT = "{% for m in messages %}{{ m['content'] + eos_token }}{% endfor %}"


def _facts(template: str, processor: Mapping[str, object], **seen: Seen) -> Facts:
    tokenizer = {"bos_token": "<s>", "eos_token": "</s>", "chat_template": template}
    model = ModelFacts("/models/mine", {}, tokenizer, post_processor=processor, added_tokens=("<s>", "</s>"))
    named = {name.replace("_", "-"): value for name, value in seen.items()}
    data = (DataFacts("/data/train.jsonl", "text", 40, named, "/models/mine"),) if seen else ()
    return Facts(models=(model,), data=data)


@check(
    "chat",
    Severity.ERROR,
    passes=[_facts(WITHOUT, ADDS), _facts(WITH_BOS, {}), _facts(WITHOUT, {}, cut=Seen(1))],
    fails=[_facts(WITHOUT, ADDS, bos_doubled=Seen(40, (Row(1, "<s>[INST] Hi"),))), _facts(WITH_BOS, ADDS)],
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
        bos, template = special_tokens(model).get("bos_token"), chat_template(model)
        if bos and template and ("bos_token" in template or bos in template) and adds_bos(model, facts.transformers):
            yield Finding(
                f"the chat template writes {bos}, and the tokenizer adds it too: rendered text gets both",
                Remedy("advice", "tokenise rendered text with `add_special_tokens=False`"),
                Location(os.path.join(model.path, "tokenizer_config.json")),  # noqa: PTH118
                severity=Severity.HINT,
            )
