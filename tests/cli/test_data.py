"""`doctor check` of data sets, as a stranger calls it: the faults that ruin a run, and their healthy counterparts."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from doctor.cli import main

ZEPHYR = "{% for m in messages %}{{ '<|' + m['role'] + '|>\n' + m['content'] + eos_token + '\n' }}{% endfor %}"
WORDS = tuple(f"word{number}" for number in range(40))


def words(count: int, seed: int) -> str:
    """Words that differ from row to row."""
    return " ".join(random.Random(seed).choices(WORDS, k=count))


def put_model(name: str, **tokenizer: Any) -> None:
    folder = Path(name)
    folder.mkdir(parents=True)
    special = ["<unk>", "<s>", "</s>"]
    made = Tokenizer(models.WordLevel({word: n for n, word in enumerate([*special, *WORDS])}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    made.add_special_tokens(special)
    made.save(str(folder / "tokenizer.json"))
    config = {"model_type": "llama", "hidden_size": 64, "num_attention_heads": 4, "eos_token_id": 2}
    (folder / "config.json").write_text(json.dumps(config))
    base = {
        "bos_token": "<s>",
        "eos_token": "</s>",
        "pad_token": "<unk>",
        "unk_token": "<unk>",
        "chat_template": ZEPHYR,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps({**base, **tokenizer}))


def put_data(name: str, rows: list[Any]) -> str:
    Path(name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return name


def ids(capsys: pytest.CaptureFixture[str], *arguments: str) -> set[str]:
    code = main(["check", "--format", "json", *arguments])
    report = json.loads(capsys.readouterr().out)
    assert code == int(report["summary"]["error"] > 0)
    return {finding["id"] for finding in report["findings"]}


def turns(shape: str, system: int, ask: int, tell: int, seed: int, end: str = "") -> dict[str, Any]:
    told = words(tell, seed + 500) + end
    if shape == "prompt-completion":
        return {"prompt": f"{words(system, 3)}\n{words(ask, seed)}", "completion": told}
    if shape == "alpaca":
        return {"system": words(system, 3), "instruction": words(ask, seed), "input": "", "output": told}
    said = [("system", words(system, 3)), ("user", words(ask, seed)), ("assistant", told)]
    if shape == "messages":
        return {"messages": [{"role": role, "content": content} for role, content in said]}
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    return {"conversations": [{"from": names[role], "value": content} for role, content in said]}


SHAPES = ["sharegpt", "messages", "alpaca", "prompt-completion"]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_system_prompt_that_fills_the_length(work: Path, capsys: pytest.CaptureFixture[str], shape: str) -> None:
    put_model("small")
    data = put_data("train.jsonl", [turns(shape, 300, 150, 60, n) for n in range(8)])
    found = {"answer-truncated", "no-label-left"}
    assert ids(capsys, "--data", data, "--model", "small", "--max-length", "400") == found
    assert ids(capsys, data, "small", "--max-length", "400") == found, "plain targets"
    assert ids(capsys, data, "--model", "small", "--max-length", "600") == set()


@pytest.mark.parametrize("shape", [*SHAPES, "text"])
def test_an_end_that_is_not_the_models(work: Path, capsys: pytest.CaptureFixture[str], shape: str) -> None:
    put_model("small")
    for end, found in (("<|endoftext|>", {"chat-separator-mismatch"}), ("", set())):
        rows = [turns(shape, 5, 10, 20, n, end) for n in range(8)] if shape != "text" else [
            {"text": f"<|user|>\n{words(9, n)}{end or '</s>'}\n<|assistant|>\n{words(20, n)}{end or '</s>'}\n"}
            for n in range(8)
        ]  # fmt: skip
        assert ids(capsys, put_data("train.jsonl", rows), "--model", "small") == found


def test_text_of_another_family(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model("small")
    text = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
    data = put_data("train.jsonl", [{"text": text.format(words(9, n), words(20, n + 60))} for n in range(8)])
    assert main(["check", data, "--model", "small"]) == 1
    printed = capsys.readouterr().out
    assert "give messages in place of ChatML text" in " ".join(printed.split())


def test_padding_with_the_end(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model("padded", pad_token="</s>")
    put_model("small")
    assert ids(capsys, "padded") == {"pad-is-eos-masked"}
    assert ids(capsys, "small") == set()


def test_labels(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = {"input_ids": [1, 5, 6, 2, 0], "attention_mask": [1, 1, 1, 1, 0], "labels": [1, 5, 6, 2, 0]}
    assert ids(capsys, put_data("a.jsonl", [row] * 3)) == {"padding-in-labels", "labels-unmasked"}
    assert ids(capsys, put_data("b.jsonl", [{**row, "labels": [-100] * 5}] * 3)) == {"no-label-left"}
    assert ids(capsys, put_data("c.jsonl", [{**row, "labels": [-100, -100, 6, 2, -100]}] * 3)) == set()


def test_bos_from_two_sides(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model("twice", add_bos_token=True, chat_template="{{ bos_token }}" + ZEPHYR)
    assert ids(capsys, "twice") == {"bos-doubled"}
    text = [{"text": f"<s><|user|>\n{words(9, n)}</s>\n<|assistant|>\n{words(9, n)}</s>\n"} for n in range(3)]
    assert main(["check", put_data("t.jsonl", text), "--model", "twice"]) == 1, "what could happen does happen"


def test_a_folder_of_data_and_what_is_no_data_in_it(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model("all/small")
    put_data("all/train.jsonl", [turns("messages", 300, 150, 60, n) for n in range(8)])
    put_data("all/log.jsonl", [{"step": 1, "loss": 2.0}])
    assert ids(capsys, "all", "--max-length", "400") == {"answer-truncated", "no-label-left"}
    assert ids(capsys, "--data", "all/log.jsonl", "--model", "all/small") == {"rows-unreadable"}, "named, and no data"


def test_which_model_is_not_guessed(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put_model("one")
    put_model("two")
    main(["check", put_data("t.jsonl", [turns("messages", 5, 9, 9, 1)]), "one", "two"])
    assert "name the model it is for with --model, one of one, two" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--data", "gone.jsonl"], "gone.jsonl does not exist: give a data file"),
        (["--data", "."], "holds no data: give a .jsonl"),
        (["--max-length", "many"], "'many' is no whole number above 0"),
    ],
)
def test_what_cannot_be_asked(work: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    (work / "tiny" / "config.json").unlink()
    assert main(["check", *arguments]) == 2
    assert says in capsys.readouterr().err
