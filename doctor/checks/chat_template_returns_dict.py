"""The script tokenises with a chat template and counts on the answer of the other major release.

Why it matters: `apply_chat_template` gave token ids in transformers 4 and gives a dictionary in 5, since `return_dict`
became True.  `inputs.shape` stops with an `AttributeError` without a word, often shown as `KeyError: 'shape'`; a list
of labels becomes a list of two keys.

What to do: say `return_dict=False` for ids or `return_dict=True` for the dictionary.  Every release takes both.

Reference: https://github.com/huggingface/transformers/issues/41626
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.chat_calls import chat_uses
from doctor.code import Code
from doctor.model import Facts, Finding, Package, Remedy, Severity, Source, source_check


def _facts(text: str, version: str = "5.23.0") -> Facts:
    return Facts(
        sources=(Source("chat.py", "script", text),), packages={"transformers": Package("transformers", version)}
    )


CALL = "ids = tokenizer.apply_chat_template(messages, return_tensors='pt')\n"


@source_check(
    "script",
    Severity.ERROR,
    needles=[b"apply_chat_template("],
    kinds=("script", "notebook"),
    passes=[
        _facts("text = tokenizer.apply_chat_template(messages, tokenize=False)\nprint(text[0])"),
        _facts("ids = tokenizer.apply_chat_template(messages, return_dict=False)\nprint(ids[0])"),
        _facts(CALL + "model.generate(**ids)"),
        _facts(CALL + "print(ids.shape)", "3.5.1"),
        _facts("text = processor.apply_chat_template(messages)\nprint(text[0])"),
    ],
    fails=[
        _facts(CALL + "model.generate(ids, max_new_tokens=4)"),
        _facts(CALL + "print(ids.shape)", "4.47.1"),
        _facts("n = len(tok.apply_chat_template(messages))"),
        _facts(CALL + "model.generate(**ids)", "4.47.1"),
    ],
)
def chat_template_returns_dict(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find calls whose answer is used as ids where it is a dictionary, or the reverse."""
    release = facts.transformers
    if release.major < 4:
        return
    for call, use in chat_uses(code.index).values():
        answer = "token ids" if release.major < 5 else "a dictionary"
        if code.ours(call) or (use == "mapping" and release.major >= 5):
            continue
        if use == "unknown":
            if release.major >= 5:
                message = f"apply_chat_template answers {answer} on transformers {release}, token ids on 4.x"
                text = "say `return_dict=False` where ids are meant, `return_dict=True` where the dictionary is"
                yield Finding(
                    message, Remedy("advice", text), code.location(call), "chat-template-use", severity=Severity.WARNING
                )
            continue
        meant = "token ids" if use == "ids" else "a dictionary"
        if answer == meant:
            message = f"the answer is used as {meant}: transformers {release} gives {answer}, 5.0 a dictionary"
            severity = Severity.WARNING
        else:
            message = f"the answer is used as {meant}, but transformers {release} gives {answer}"
            severity = Severity.ERROR
        remedy = Remedy("advice", f"say `return_dict={use == 'mapping'}`")
        yield Finding(message, remedy, code.location(call), severity=severity)
