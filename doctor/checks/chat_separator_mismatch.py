"""The data ends turns with a string that is not the model's end of turn.

Why it matters: the model is asked to stop at its own end token, `</s>` say.  One that was trained on `<|endoftext|>`
in its place, or on ChatML where its template speaks otherwise, writes that string letter by letter and goes on: it
answers, then asks itself the next question.

What to do: keep messages in the data and let the model's chat template write the ends; or replace the string by the
model's own end token.

Reference: https://huggingface.co/docs/transformers/chat_templating
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from doctor.model import DataFacts, Facts, Finding, Remedy, Row, Seen, Severity, check

ROWS = (Row(1, "How are you?<|endoftext|>"), Row(2, "Fine.<|endoftext|>"))


def _seen(kind: str, rows: int = 40) -> Facts:
    data = DataFacts("/data/train.jsonl", "text", 40, {kind: Seen(rows, ROWS)}, "/models/tinyllama")
    return Facts(data=(DataFacts(**{**vars(data), "end": "</s>", "ends": ("</s>",), "header": "<|assistant|>"}),))


@check(
    "chat",
    Severity.ERROR,
    passes=[
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
