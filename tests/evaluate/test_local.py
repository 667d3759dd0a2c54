"""Weights in a folder, answered for by transformers: adapters, merged, whatever the batch, cut off and resumed."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from doctor.cli import main

pytestmark = [
    pytest.mark.live,
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing.*:FutureWarning"),  # peft's, on 5.23
]
COUNT = 10
Evaluate = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def weights(tiny: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, an adapter to it, and a run of `doctor train` around the adapter."""
    folder = tmp_path_factory.mktemp("weights")
    for name in ("model", "run"):
        (folder / name).mkdir()
    tiny.model(folder / "model")
    tiny.adapter(folder / "adapter", folder / "model")
    tiny.adapter(folder / "run/adapter", folder / "model")
    tiny.tokenizer(folder / "run/adapter")
    run = {"model": str(folder / "model"), "method": "lora", "quant": "nf4", "dtype": "auto", "attention": "sdpa"}
    run |= {"trust_remote_code": False, "revision": None}
    (folder / "run/config.yaml").write_text(json.dumps(run), "utf-8")
    (folder / "strange").mkdir()
    (folder / "strange/config.yaml").write_text("epochs: 3", "utf-8")
    return folder


@pytest.fixture
def evaluate(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Evaluate:
    """Runs an evaluation of one of the folders; the report with the exit code and what was said on stderr."""
    monkeypatch.chdir(tmp_path)
    rows = [{"id": f"q{n}", "question": "word " * n + "?", "reference": f"A word, {n} times."} for n in range(COUNT)]
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")

    def run(
        model: str, output: str = "run", scorers: Any = ("facts",), generate: Any = (), **more: Any
    ) -> dict[str, Any]:
        settings = {"max_new_tokens": 16, "batch": 4, **dict(generate)}
        whole = {
            "model": str(weights / model),
            "samples": "q.jsonl",
            "scorers": list(scorers),
            "output": output,
            **more,
        }
        Path("e.yaml").write_text(json.dumps({**whole, "generate": settings}), "utf-8")
        code = main(["evaluate", "e.yaml", "--format", "json"])
        heard = capfd.readouterr()
        told = json.loads(heard.out) if heard.out else {}
        return {**told, "code": code, "err": heard.err}

    return run


def answers(told: dict[str, Any]) -> list[str]:
    return [one["answer"] for one in told["samples"]]


def test_answers_are_the_same_whatever_the_batch(evaluate: Evaluate) -> None:
    single, batched = evaluate("model", "one", generate={"batch": 1}), evaluate("model", "many", generate={"batch": 8})
    assert answers(single) == answers(batched)
    assert len(set(answers(single))) == COUNT, "answers that are all alike would show nothing"
    assert single["settings"]["batches"] == "1 at a time"
    assert batched["settings"]["batches"] == "8 at a time, padded on the left"
    assert [one["prompt"] for one in single["samples"]] == [one["prompt"] for one in batched["samples"]]


def test_what_is_drawn_is_the_same_whatever_the_batch(evaluate: Evaluate) -> None:
    drawn = {"temperature": 1.0, "seed": [0, 1]}
    single = evaluate("model", "one", generate={"batch": 1, **drawn})
    batched = evaluate("model", "many", generate={"batch": 8, **drawn})
    assert answers(single) == answers(batched)
    assert len(set(answers(single))) == 2 * COUNT
    greedy = evaluate("model", "greedy")
    assert answers(greedy) != answers(single)[::2]


def test_a_model_that_takes_padding_for_text_is_given_none(evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import LlamaForCausalLM

    forward = LlamaForCausalLM.forward

    @functools.wraps(forward)
    def deaf(*arguments: Any, attention_mask: Any = None, position_ids: Any = None, **more: Any) -> Any:
        return forward(*arguments, **more)

    monkeypatch.setattr(LlamaForCausalLM, "forward", deaf)
    single, batched = evaluate("model", "one", generate={"batch": 1}), evaluate("model", "many", generate={"batch": 8})
    assert batched["settings"]["batches"].endswith("this model takes padding for text")
    assert answers(single) == answers(batched)


def test_an_adapter_its_run_and_both_in_one(evaluate: Evaluate) -> None:
    plain, adapter = evaluate("model", "plain"), evaluate("adapter", "adapter")
    run, merged = evaluate("run", "run"), evaluate("adapter", "merged", load={"merge": True})
    assert answers(adapter) == answers(run) == answers(merged)
    assert answers(plain) != answers(adapter)
    assert run["settings"]["backend"].startswith("transformers ")


def test_four_bits(evaluate: Evaluate) -> None:
    import transformers
    from packaging.version import Version

    told = evaluate("adapter", load={"quant": "nf4-double", "device": "cpu"})
    if Version(transformers.__version__) < Version("4.50"):
        assert told["code"] == 2
        assert "quantises on a GPU only" in told["err"]
        return
    assert told["settings"]["backend"].endswith("(cpu, float32, nf4-double)")
    assert answers(told) != answers(evaluate("adapter", "whole"))
    assert evaluate("adapter", load={"quant": "nf4", "merge": True})["code"] == 2


def test_what_ends_an_answer_is_told(evaluate: Evaluate) -> None:
    told = evaluate("model", generate={"temperature": 4.0, "max_new_tokens": 60, "seed": [0, 1, 2]})
    ends = {finish: [one for one in told["samples"] if one["finish"] == finish] for finish in ("stop", "length")}
    assert len(ends["stop"]) + len(ends["length"]) == 3 * COUNT
    assert ends["stop"] and ends["length"]
    assert all(one["tokens"] == 60 for one in ends["length"])
    assert all(one["tokens"] <= 60 for one in ends["stop"])
    assert not any(end in one["answer"] for one in ends["stop"] for end in ("<|im_end|>", "<|endoftext|>"))


def test_the_template_s_end_of_turn_ends_an_answer(weights: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from doctor.evaluate.generation import stop_ids

    model = AutoModelForCausalLM.from_pretrained(weights / "model")
    tokenizer = AutoTokenizer.from_pretrained(weights / "model")
    assert stop_ids(model, tokenizer, "<|im_end|>") == {0, 2}
    assert stop_ids(model, tokenizer, "") == {0}


def test_a_run_that_was_cut_off_goes_on(evaluate: Evaluate) -> None:
    first = evaluate("model")
    ledger = Path("run/answers.jsonl")
    lines = ledger.read_text("utf-8").splitlines(keepends=True)
    ledger.write_text("".join(lines[:3]) + lines[3][:20], "utf-8")
    again = evaluate("model")
    assert f"3 of {COUNT} answers were in run/answers.jsonl already" in again["err"]
    assert answers(again) == answers(first)
    assert sorted(json.loads(line)["id"] for line in ledger.read_text("utf-8").splitlines()) == [
        f"q{n}" for n in range(COUNT)
    ]
    assert "answers were in" not in evaluate("adapter")["err"], "answers of another model are not its own"


def test_perplexity_is_that_of_the_reference(weights: Path, evaluate: Evaluate) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    told = evaluate("model", scorers=["perplexity"])
    model = AutoModelForCausalLM.from_pretrained(weights / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(weights / "model")
    sample = told["samples"][3]
    prompt = tokenizer(f"<|im_start|>user\n{sample['question']}<|im_end|>\n<|im_start|>assistant\n").input_ids
    ids = torch.tensor([[*prompt, *tokenizer(sample["reference"]).input_ids]])
    labels = ids.clone()
    labels[:, : len(prompt)] = -100
    with torch.no_grad():
        loss = model(ids, labels=labels).loss
    assert sample["scores"]["perplexity"]["value"] == pytest.approx(10 * torch.exp(-loss).item(), rel=1e-4)
    assert sample["value"] == sample["scores"]["perplexity"]["value"]
    assert told["faults"] == {}
    single = evaluate("model", "one", scorers=["perplexity"], generate={"batch": 1})
    for a, b in zip(told["samples"], single["samples"], strict=True):
        assert a["scores"]["perplexity"]["value"] == pytest.approx(b["scores"]["perplexity"]["value"], rel=1e-4)


@pytest.fixture
def odd(tiny: ModuleType, weights: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy of the model to spoil."""
    folder = weights / "odd"
    folder.mkdir(exist_ok=True)
    yield tiny.model(folder, positions=64)


def test_a_prompt_that_the_model_has_no_room_for_is_not_scored(odd: Path, evaluate: Evaluate) -> None:
    told = evaluate("odd")
    assert 0 < told["total"]["unscored"] < COUNT
    why = next(one["reason"] for one in told["samples"] if one["answer"] is None)
    assert "with max_new_tokens 16 that is over the 64 positions of the model" in why


def test_a_model_without_a_chat_template_needs_one(odd: Path, evaluate: Evaluate) -> None:
    (odd / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((odd / "tokenizer_config.json").read_text("utf-8"))
    settings.pop("chat_template", None)
    (odd / "tokenizer_config.json").write_text(json.dumps(settings), "utf-8")
    told = evaluate("odd")
    assert told["code"] == 2
    assert "brings no chat template: name the one it was trained with" in told["err"]
    assert evaluate("odd", template="chatml")["settings"]["prompt"].endswith("template 'chatml' of the configuration")
    assert "did you mean 'chatml'?" in evaluate("odd", template="chatlm")["err"]


def test_a_template_that_refuses_is_said_of_the_sample(evaluate: Evaluate, tmp_path: Path) -> None:
    refuses = "{% if 'word word word' in messages[0].content %}{{ raise_exception('too wordy') }}{% endif %}"
    (tmp_path / "t.jinja").write_text(refuses + "{{ messages[0].content }}", "utf-8")
    told = evaluate("model", template="t.jinja")
    assert told["total"]["unscored"] == COUNT - 3
    assert told["samples"][-1]["reason"] == "the chat template refuses the conversation: too wordy"


@pytest.mark.parametrize(
    ("model", "more", "says"),
    [
        ("run", {"load": {"quant": "nf4"}}, "a run is loaded as it was trained"),
        ("model", {"load": {"merge": True}}, "has no adapter to merge"),
        ("model", {"load": {"quant": "nf5"}}, "'quant' is 'nf5'; did you mean 'nf4'?"),
        ("model", {"load": {"merge": 1}}, "'merge' is 1, neither true nor false"),
        ("strange", {}, "config.yaml is not what `doctor train` writes"),
        (".", {}, "which holds neither config.yaml"),
        ("nowhere", {}, "nor a folder that is here"),
    ],
)
def test_what_cannot_be_asked(evaluate: Evaluate, model: str, more: dict[str, Any], says: str) -> None:
    told = evaluate(model, **more)
    assert told["code"] == 2
    assert says in told["err"]
