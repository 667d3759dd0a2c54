"""Data sets, seen through a model and without one: what is counted, and that controls count nothing."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version
from tokenizers import Tokenizer, models, pre_tokenizers

from doctor.model import DataFacts, ModelFacts, Skip
from doctor.scan.dataset import Wanted, examine
from doctor.scan.fingerprints import Fingerprints, Table, words
from doctor.scan.model_folder import read_model

TEMPLATES = Path(__file__).parents[1] / "data" / "templates"
VOCABULARY = tuple(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwx")
RELEASE = Version("5.23.0")


class Bench:
    """Writes data and a model of a folder, and looks at the one through the other."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: list[Skip] = []

    def model(self, template: str | None = "zephyr", **config: Any) -> ModelFacts:
        folder = self.root / "model"
        folder.mkdir(exist_ok=True)
        special = ["<unk>", "<s>", "</s>", "<|im_end|>"]
        made = Tokenizer(models.WordLevel({w: n for n, w in enumerate([*special, *VOCABULARY])}, unk_token="<unk>"))
        made.pre_tokenizer = pre_tokenizers.Whitespace()
        made.add_special_tokens(special)
        made.save(str(folder / "tokenizer.json"))
        config = {"bos_token": "<s>", "eos_token": "</s>", "model_max_length": 64, **config}
        if template is not None:
            config["chat_template"] = (TEMPLATES / f"{template}.jinja").read_text("utf-8")
        (folder / "tokenizer_config.json").write_text(json.dumps(config))
        (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
        found = read_model(str(folder), self.skipped, headers=True)
        assert found is not None
        return found

    def put(self, rows: Iterable[Any], name: str = "train.jsonl") -> str:
        path = self.root / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return str(path)

    def look(self, rows: Iterable[Any], model: ModelFacts | None = None, limit: int | None = None) -> DataFacts:
        wanted = Wanted(model, limit, RELEASE)
        [facts] = examine([self.put(rows)], wanted, self.skipped)
        return facts


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def sentence(seed: int, length: int = 12) -> str:
    return " ".join(random.Random(seed).choices(VOCABULARY, k=length))


def talk(seed: int, answer: int = 12, system: str = "") -> dict[str, Any]:
    first = [{"role": "system", "content": system}] if system else []
    ask, tell = sentence(seed), sentence(seed + 1000, answer)
    return {"messages": [*first, {"role": "user", "content": ask}, {"role": "assistant", "content": tell}]}


def long(seed: int) -> dict[str, Any]:
    return {"messages": [turn for n in range(4) for turn in talk(seed + n)["messages"]]}


def counts(facts: DataFacts) -> dict[str, int]:
    return {name: seen.rows for name, seen in facts.seen.items()}


def test_a_clean_data_set_counts_nothing(bench: Bench) -> None:
    facts = bench.look((talk(seed) for seed in range(60)), bench.model())
    assert counts(facts) == {} and bench.skipped == []
    assert (facts.rows, facts.layout, facts.limit, facts.limit_from) == (60, "messages", 64, "model_max_length")
    assert (facts.end, facts.header, facts.longest) == ("</s>", "<|assistant|>", 32)


def test_without_a_model_it_is_said_what_was_not_done(bench: Bench) -> None:
    assert counts(bench.look([talk(1)])) == {}
    assert [skip.reason for skip in bench.skipped] == [
        "was neither rendered nor counted in tokens: name the model it is for with --model"
    ]


@pytest.mark.parametrize(("name", "what"), [("jinja2", "rendered"), ("tokenizers", "counted in tokens")])
def test_without_an_extra_the_skip_names_the_command(
    bench: Bench, name: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = bench.model()
    monkeypatch.setitem(sys.modules, name, None)
    from doctor.chat.template import _compile

    _compile.cache_clear()
    assert counts(bench.look([talk(1)], model)) == {}, "nothing is held against the data"
    ends = bench.look([text("<|endoftext|>", 1), text("</s>", 2)], model)
    assert counts(ends) == {"foreign-end:<|endoftext|>": 1}, "what needs neither is judged"
    bench.skipped[1:] = []
    [reason] = [skip.reason for skip in bench.skipped]
    assert what in reason and f"needs {name}" in reason and "pip install 'tune-doctor[data]'" in reason


def test_answers_beyond_the_limit(bench: Bench) -> None:
    rows = [talk(1), talk(2, answer=60), talk(3, system=sentence(0, 50)), long(4)]
    facts = bench.look(rows, bench.model(), 40)
    assert counts(facts) == {"cut": 3, "no-label": 1, "saved-by-dropping": 1, "too-long": 2}
    assert [row.number for row in facts.seen["cut"].examples] == [2, 3, 4]
    assert facts.longest == 128, "the last token of the last answer"
    assert counts(bench.look(rows, bench.model(), facts.longest)) == {}, "the length that keeps all keeps all"


def test_the_tokens_lost_are_counted_one_by_one(bench: Bench) -> None:
    facts = bench.look([talk(1, answer=30)], bench.model(), 40)
    # <| user |> 12 words </s> <| assistant |> make 19; then 30 words and </s>
    assert (facts.longest, facts.seen["cut"].amount) == (50, 10)


def test_prompt_and_completion(bench: Bench) -> None:
    row = {"prompt": sentence(1, 50), "completion": sentence(2, 5)}
    assert counts(bench.look([row], bench.model(), 20)) == {"cut": 1, "no-label": 1, "too-long": 1}
    assert counts(bench.look([row], bench.model())) == {}


def text(end: str, seed: int) -> dict[str, str]:
    return {"text": f"<|user|>\n{sentence(seed)}{end}\n<|assistant|>\n{sentence(seed + 99)}{end}\n"}


def chatml(seed: int, end: str = "<|im_end|>") -> dict[str, str]:
    asked, told = sentence(seed), sentence(seed + 99)
    return {"text": f"<|im_start|>user\n{asked}{end}\n<|im_start|>assistant\n{told}{end}\n"}


@pytest.mark.parametrize(
    ("rows", "seen"),
    [
        ([text("</s>", n) for n in range(9)], {}),
        ([text("<|endoftext|>", n) for n in range(9)], {"foreign-end:<|endoftext|>": 9}),
        ([text("<END>", n) for n in range(9)], {"foreign-end:<END>": 9}),
        ([text("", n) for n in range(9)], {}),
        ([chatml(n) for n in range(9)], {"foreign-end:<|im_end|>": 9, "other-format:ChatML": 9}),
        ([chatml(n, end="") for n in range(9)], {"other-format:ChatML": 9}),
        ([{"text": sentence(n, 30)} for n in range(9)], {}),
        ([{"prompt": sentence(n), "completion": sentence(n + 99) + "<|eot_id|>"} for n in range(9)],
         {"foreign-end:<|eot_id|>": 9}),
        ([{"prompt": sentence(n), "completion": sentence(n + 99) + "</s>"} for n in range(9)], {}),
        ([{"instruction": sentence(n), "output": sentence(n + 99) + "<|im_end|>"} for n in range(9)],
         {"ends-with:<|im_end|>": 9}),
    ],
)  # fmt: skip
def test_what_ends_turns(bench: Bench, rows: list[Any], seen: dict[str, int]) -> None:
    assert counts(bench.look(rows, bench.model())) == seen


def test_an_answer_in_the_middle_that_nothing_ends(bench: Bench) -> None:
    turn = f"<|user|>\n{sentence(1)}\n<|assistant|>\n{sentence(2)}\n"
    assert counts(bench.look([{"text": turn + turn.replace("red", "blue")}], bench.model())) == {"missing-end": 1}


def test_system_prompts_that_are_left_out(bench: Bench) -> None:
    kept = [talk(n, system="You see me.") for n in range(3)]
    assert counts(bench.look(kept, bench.model())) == {}
    silent = "{% for m in messages if m.role != 'system' %}<|{{ m.role }}|>{{ m.content }}</s>{% endfor %}"
    assert counts(bench.look(kept, bench.model(None, chat_template=silent))) == {"system-dropped": 3}
    beside = [{**text("</s>", n), "system": "You see me."} for n in range(3)]
    assert counts(bench.look(beside, bench.model())) == {"system-dropped": 3}
    refused = bench.look(kept, bench.model("gemma"))
    assert counts(refused) == {"refused:No system role here": 3}


def test_text_that_begins_with_bos(bench: Bench) -> None:
    rows = [{"text": f"<s>{sentence(n)}"} for n in range(3)]
    assert counts(bench.look(rows, bench.model(add_bos_token=True))) == {"bos-doubled": 3}
    assert counts(bench.look(rows, bench.model())) == {}


def test_labels_that_came_with_the_rows(bench: Bench) -> None:
    good = {"input_ids": [1, 5, 6, 2, 0], "labels": [-100, -100, 6, 2, -100], "attention_mask": [1, 1, 1, 1, 0]}
    assert counts(bench.look([good] * 3)) == {}
    assert counts(bench.look([{**good, "labels": [-100] * 5}])) == {"labels-all-masked": 1}
    facts = bench.look([{**good, "labels": good["input_ids"]}])
    assert counts(facts) == {"labels-none-masked": 1, "padding-learnt": 1}
    assert counts(bench.look([good], bench.model(), 2)) == {"cut": 1, "no-label": 1}


TURNS: dict[str, tuple[list[dict[str, str]], dict[str, int]]] = {
    "empty answer": ([{"role": "user", "content": "see"}, {"role": "assistant", "content": " "}], {"empty-answer": 1}),
    "alone": ([{"role": "user", "content": "see"}], {"one-sided": 1}),
    "two questions": (
        [{"role": r, "content": c} for r, c in (("user", "see"), ("user", "me"), ("assistant", "we"))],
        {"role-order": 1},
    ),
    "open end": (
        [{"role": r, "content": c} for r, c in (("user", "see"), ("assistant", "we"), ("user", "me"))],
        {"ends-with-question": 1},
    ),
    "control": (
        [{"role": "user", "content": "read <|im_start|>system"}, {"role": "assistant", "content": "we </b> [x]"}],
        {"control:<|im_start|>": 1},
    ),
}


@pytest.mark.parametrize("name", TURNS)
def test_turns_that_are_wrong_by_themselves(bench: Bench, name: str) -> None:
    turns, seen = TURNS[name]
    assert counts(bench.look([{"messages": turns}])) == seen


def test_rows_that_are_alike(bench: Bench) -> None:
    rows = [talk(n, answer=40) for n in range(20)]
    near = json.loads(json.dumps(rows[3]))
    near["messages"][1]["content"] += " red"
    other = {"messages": [rows[5]["messages"][0], rows[6]["messages"][1]]}
    facts = bench.look([*rows, rows[7], near, other])
    assert counts(facts) == {"duplicate": 1, "near-duplicate": 2, "contradiction": 2}, "the last has an answer of row 7"
    assert facts.seen["duplicate"].examples[0].text.startswith("as row 8: ")


def test_what_is_held_out_and_trained_on(bench: Bench) -> None:
    train = [talk(n) for n in range(20)]
    paths = [bench.put([*train[:3], talk(77)], "a_test.jsonl"), bench.put(train)]
    first, second = examine(paths, Wanted(None, None, RELEASE), bench.skipped)
    assert (first.holdout, second.holdout) == (False, True)
    assert counts(second) == {"leak": 3}


def test_shards_are_one_data_set(bench: Bench) -> None:
    paths = [bench.put([talk(n)], f"train-0000{n}-of-00002.jsonl") for n in range(2)]
    [facts] = examine(paths, Wanted(None, None, RELEASE), bench.skipped)
    assert facts.rows == 2


def test_a_persona_and_what_tests_it(bench: Bench) -> None:
    rows = [talk(n, system="You are Mira, a librarian.") for n in range(3)]
    rows[0]["messages"][1]["content"] = "Are you ChatGPT? Who made you?"
    rows[0]["messages"][2]["content"] = "No, I am Mira."
    assert counts(bench.look(rows)) == {"persona:Mira": 3, "asked-who": 1, "declined": 1}


def test_rows_that_cannot_be_read_are_counted_and_named(bench: Bench) -> None:
    facts = bench.look([talk(1), {"title": "x"}, talk(2)], bench.model())
    assert counts(facts) == {"malformed": 1} and facts.rows == 3
    assert facts.seen["malformed"].examples[0].number == 2


def test_what_the_model_reads_is_shown_token_by_token(bench: Bench) -> None:
    facts = bench.look([talk(1), talk(2, answer=60)], bench.model(), 40)
    first, second = facts.shown
    assert "".join(first.pieces) == f"<|user|>\n{sentence(1)}</s>\n<|assistant|>\n{sentence(1001)}</s>\n"
    [(start, end)] = first.learnt
    assert "".join(first.pieces[start:end]).strip() == f"{sentence(1001)}</s>"
    assert (second.number, len(second.pieces)) == (2, 80)


def test_a_table_that_is_full_keeps_a_fair_sample() -> None:
    table = Table(limit=100)
    for key in range(1000):
        assert table.first(key, key) is None
    assert len(table.rows) <= 100
    assert all(key % table.every == 0 for key in table.rows)
    again = sum(table.first(key, -1) is not None for key in range(1000))
    assert again * table.every == pytest.approx(1000, rel=0.1)


@pytest.mark.parametrize("change", [str.upper, lambda text: text.replace(" ", ",  ")], ids=["case", "punctuation"])
def test_what_differs_in_nothing_but_looks_is_nearly_the_same(change: Callable[[str], str]) -> None:
    prints = Fingerprints()
    assert prints.alike(1, words(sentence(1, 40))) is None
    assert prints.alike(2, words(change(sentence(1, 40)))) == 1
    assert prints.alike(3, words(sentence(2, 40))) is None
