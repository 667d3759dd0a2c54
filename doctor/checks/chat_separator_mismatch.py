"""The data ends turns with a string that is not the model's end of turn.

Why it matters: the model is asked to stop at its own end token, `</s>` say.  One that was trained on `<|endoftext|>`
in its place, or on ChatML where its template speaks otherwise, writes that string letter by letter and goes on: it
answers, then asks itself the next question.

What to do: keep messages in the data and let the model's chat template write the ends; or replace the string by the
model's own end token.

Reference: https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from doctor.chat.specials import chat_template, special_tokens
from doctor.model import DataFacts, Facts, Finding, ModelFacts, Remedy, Row, Seen, Severity, Source, check

if TYPE_CHECKING:
    from doctor.code import Code

ROWS = (Row(1, "How are you?<|endoftext|>"), Row(2, "Fine.<|endoftext|>"))


TEMPLATE = "{% for m in messages %}<|{{ m.role }}|>{{ m.content + eos_token }}{% endfor %}"


def _script(text: str, template: str | None = TEMPLATE) -> Facts:
    model = ModelFacts("/models/tinyllama", tokenizer={"eos_token": "</s>", "chat_template": template})
    return Facts(sources=(Source("train.py", "script", text),), models=(model,))


def _seen(kind: str, rows: int = 40) -> Facts:
    data = DataFacts("/data/train.jsonl", "text", 40, {kind: Seen(rows, ROWS)}, "/models/tinyllama")
    return Facts(data=(DataFacts(**{**vars(data), "end": "</s>", "ends": ("</s>",), "header": "<|assistant|>"}),))


HEADER = re.compile(
    r"<\|(?:user|assistant|system)\|>|<\|im_start\|>|\[/?INST\]|<start_of_turn>|<\|start_header_id\|>"
    r"|### ?(?:Instruction|Response|Assistant|Human|User)|\b(?:USER|ASSISTANT|User|Assistant|Human):"
)
"""What formatting code writes before a turn."""
NEEDLES = (
    b"<|user|>",
    b"<|assistant|>",
    b"<|im_start|>",
    b"<start_of_turn>",
    b"<|start_header_id|>",
    b"[/INST]",
    b"### Instruction",
    b"### Response",
    b"### Assistant",
    b"ASSISTANT:",
)


def formatting(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find strings that format a turn and end it otherwise than the one model that was named."""
    from doctor.chat.families import ENDS

    models = [model for model in facts.models if chat_template(model) or special_tokens(model).get("eos_token")]
    if len(models) != 1:
        return
    template, eos = chat_template(models[0]) or "", special_tokens(models[0]).get("eos_token", "")
    own = {eos, *(end for end in ENDS if end in template)} - {""}
    names = _constants(code)
    for node in (*code.nodes(ast.JoinedStr), *code.nodes(ast.BinOp), *code.nodes(ast.Constant)):
        if any(isinstance(parent, ast.JoinedStr | ast.BinOp) for parent in code.parents(node)):
            continue
        text = _text(node, names)
        found = [end for end in ENDS if end in text] if HEADER.search(text) else []
        if found and own and not own & set(found):
            end = max(found, key=len)
            yield Finding(
                f"the text of a turn ends with {end}; {models[0].path.rpartition('/')[2]} ends turns with "
                f"{' or '.join(sorted(own))}",
                Remedy("advice", "format with tokenizer.apply_chat_template, or write tokenizer.eos_token instead"),
                code.location(node),
            )


def _constants(code: Code) -> dict[str, str]:
    """Names that a script gives one text, or one of several."""
    found: dict[str, str] = {}
    for node in code.nodes(ast.Assign):
        if isinstance(node.value, ast.Constant | ast.IfExp | ast.Dict):
            text = _text(node.value, found)
            found |= {target.id: text for target in node.targets if isinstance(target, ast.Name)}
    return found


def _text(node: ast.AST, names: Mapping[str, str]) -> str:
    """What an expression writes, or may write; values that only the run knows are a null character."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else "\0"
    if isinstance(node, ast.JoinedStr):
        return "".join(_text(part, names) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return _text(node.value, names)
    if isinstance(node, ast.BinOp):
        return _text(node.left, names) + _text(node.right, names)
    if isinstance(node, ast.IfExp):
        return "\0".join((_text(node.body, names), _text(node.orelse, names)))
    if isinstance(node, ast.Dict):
        return "\0".join(_text(value, names) for value in node.values)
    if isinstance(node, ast.Subscript):
        return _text(node.value, names)
    return names.get(node.id, "\0") if isinstance(node, ast.Name) else "\0"


@check(
    "chat",
    Severity.ERROR,
    read=formatting,
    needles=NEEDLES,
    passes=[
        _script("text = f'<|user|>\\n{q}</s>\\n<|assistant|>\\n{a}</s>'"),
        _script("text = f'<|user|>\\n{q}{tokenizer.eos_token}'"),
        _script("stop = ['<|endoftext|>', '<|im_end|>']"),
        _script("who = '<|user|>' if mine else '<|assistant|>'\ntext = f'{who}\\n{turn[0]}</s>'"),
        _script("text = f'<|im_start|>user\\n{q}<|im_end|>'", "<|im_start|>{{ messages }}<|im_end|>"),
        Facts(data=(DataFacts("/data/train.jsonl", rows=40, model="/models/tinyllama", end="</s>"),)),
        _seen("ends-with:</s>"),
        _seen("ends-with:###", rows=2),
        Facts(data=(DataFacts("/data/train.jsonl", rows=40, seen={"ends-with:<|im_end|>": Seen(40)}),)),
    ],
    fails=[
        _seen("foreign-end:<|endoftext|>"),
        _seen("ends-with:<|endoftext|>"),
        _seen("ends-with:###"),
        _seen("other-format:ChatML"),
        _seen("missing-end"),
        _script("text = f'<|user|>\\n{q}<|endoftext|>\\n<|assistant|>\\n{a}<|endoftext|>'"),
        _script("who = '<|user|>' if mine else '<|assistant|>'\ntext += f'{who}\\n{turn[0]}<|endoftext|>\\n'"),
        _script("ROLES = {'human': '<|user|>'}\ntext = ROLES[turn['from']] + turn['value'] + '<|endoftext|>'"),
        _script("END = '<|endoftext|>'\ntext = '### Instruction:\\n' + q + END"),
    ],
)
def chat_separator_mismatch(facts: Facts) -> Iterator[Finding]:
    """Compare what ends turns in the data with what ends them in the template."""
    for data in facts.data:
        if data.model is None:
            continue
        families = dict(data.of("other-format"))
        yield from _ends(data, families)
        for family, seen in families.items():
            if any(found.rows >= seen.rows for _, found in data.of("foreign-end")):
                continue
            yield Finding(
                f"{data.share(seen)} are formatted as {family}; the template of {data.reader} never writes that: "
                f"it has {data.header!r} before an answer",
                Remedy("advice", f"give messages in place of text: the template of {data.reader} formats them itself"),
                data.place(seen),
                severity=Severity.WARNING,
            )
        for _, seen in data.of("missing-end"):
            yield Finding(
                f"in {data.share(seen)} an answer runs into the next question without {data.end}, which ends the turns "
                f"of {data.reader}",
                Remedy("advice", f"write `{data.end}` after every answer", data.end),
                data.place(seen),
            )


def _ends(data: DataFacts, families: Mapping[str, Seen]) -> Iterator[Finding]:
    for kind in ("foreign-end", "ends-with"):
        for token, seen in data.of(kind):
            # What many texts end with by nature says nothing while it is rare.
            if token in data.ends or (token == "###" and seen.rows * 2 < data.rows):
                continue
            own = data.end or next(iter(data.ends), "")
            family = next((name for name, found in families.items() if found.rows >= seen.rows), "")
            cure = (
                f"give messages in place of {family} text: the template of {data.reader} formats them itself"
                if family
                else f"replace `{token}` by `{own}` in the data"
                if kind == "foreign-end"
                else f"delete `{token}` at the ends of turns: the template writes `{own}`"
            )
            yield Finding(
                f"{data.share(seen)} end turns with {token}; {data.reader} ends them with {own or 'no token'}, and "
                f"would learn to write {token} as text, and not to stop",
                Remedy("advice", cure if own else f"delete `{token}`, and name an eos_token in tokenizer_config.json"),
                data.place(seen),
            )
