"""A run that would learn something wrong is refused before it starts, and runs once what the remedy says is done."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from doctor.cli import main
from doctor.commands import preflight
from doctor.model import Facts, Gpu, Machine, ModelFacts, Package, Severity
from doctor.trainer.config import Config

PHI3 = {
    "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "max_position_embeddings": 4096,
    "tie_word_embeddings": False,
}  # fmt: skip


def errors(config: Config) -> dict[str, Any]:
    found = preflight.preflight(config).diagnosis.findings
    return {finding.id: finding for finding in found if finding.severity is Severity.ERROR}


def rewritten(config: Config, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Config:
    file = Path(config.data.path)
    rows = [change(json.loads(line)) for line in file.read_text("utf-8").splitlines()]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return config


def text_of(row: dict[str, Any], end: str, skip: str = "") -> str:
    turns = [turn for turn in row["messages"] if turn["role"] != skip]
    return "".join(f"<|im_start|>{turn['role']}\n{turn['content']}{end}\n" for turn in turns)


def test_a_healthy_run_is_let_through(configured: Callable[..., Config]) -> None:
    assert errors(configured(20)) == {}


def test_the_wrong_separator(configured: Callable[..., Config]) -> None:
    config = rewritten(configured(20), lambda row: {**row, "text": text_of(row, "<|eot_id|>")})
    [finding] = errors(config).values()
    assert finding.id == "chat-separator-mismatch"
    assert "<|im_end|>" in finding.remedy.text
    rewritten(config, lambda row: {**row, "text": row["text"].replace("<|eot_id|>", "<|im_end|>")})
    assert errors(config) == {}


def test_the_system_prompt_left_out(configured: Callable[..., Config]) -> None:
    config = rewritten(configured(20), lambda row: {**row, "text": text_of(row, "<|im_end|>", skip="system")})
    assert set(errors(config)) == {"system-prompt-dropped"}
    rewritten(config, lambda row: {"messages": row["messages"]})
    assert errors(config) == {}


def test_512_tokens_and_a_long_system_prompt(configured: Callable[..., Config]) -> None:
    prompt = " ".join(f"Rule {n}: keep the lamp number {n} burning." for n in range(28))

    def longer(row: dict[str, Any]) -> dict[str, Any]:
        row["messages"][0]["content"] = f"You are Mira. {prompt}"
        return row

    config = rewritten(configured(20, max_length=512), longer)
    found = errors(config)
    assert set(found) == {"answer-truncated", "no-label-left"}
    finding = found["answer-truncated"]
    key, _, value = finding.remedy.value.partition(": ")
    assert errors(config.model_copy(update={key: int(value)})) == {}


def test_the_length_of_the_remedy_keeps_every_row(configured: Callable[..., Config], shim: Any) -> None:
    from doctor.trainer.data import prepare

    config = configured(20, max_length=60)
    [finding] = [one for one in preflight.preflight(config).diagnosis.findings if one.id == "answer-truncated"]
    assert finding.severity is Severity.WARNING, "the oldest turns go, and no answer is cut"
    cured = config.model_copy(update={"max_length": int(finding.remedy.value.partition(": ")[2])})
    report = prepare(cured, shim).report
    assert (report["shortened"], report["refused_count"], report["longest"]) == (0, 0, cured.max_length)


def facts(card: int) -> Facts:
    return Facts(
        packages={"transformers": Package("transformers", "5.23.0")},
        models=(ModelFacts("/models/phi", PHI3),),
        machine=Machine(gpus=(Gpu("card", card, card),), backend="cuda"),
    )


def test_a_run_that_does_not_fit_the_card(configured: Callable[..., Config]) -> None:
    config, seen = configured(2, method="lora", max_length=2048), facts(4 << 30)
    [finding] = preflight._memory(config, seen)
    assert (finding.id, finding.severity) == ("model-does-not-fit", Severity.ERROR)
    assert "method: qlora" in finding.remedy.value
    changes = dict(line.split(": ") for line in finding.remedy.value.splitlines())
    fitting = config.model_copy(update={"method": changes["method"], "batch": 1, "offload": True})
    assert not list(preflight._memory(fitting, seen))
    assert not list(preflight._memory(config, facts(80 << 30)))
    assert not list(preflight._memory(config.model_copy(update={"device": "cpu"}), seen))
    assert not list(preflight._memory(config, replace(seen, machine=Machine())))


def test_the_command_refuses(
    configured: Callable[..., Config], folder: Path, tiny: ModuleType, tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("doctor.trainer.NEEDED", ("pydantic",))
    config = configured(20)
    rewritten(config, lambda row: {**row, "text": text_of(row, "<|eot_id|>")})
    assert main(["train", str(tmp_path / "train.yaml")]) == 1
    said = capsys.readouterr()
    assert "chat-separator-mismatch" in said.out
    assert said.err == "doctor: not trained: mend the errors above, or train all the same with --force\n"


def test_what_is_missing_is_one_sentence(
    configured: Callable[..., Config], tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    configured(2)
    monkeypatch.setattr("doctor.trainer.NEEDED", ("pydantic", "package_nobody_has"))
    assert main(["train", str(tmp_path / "train.yaml")]) == 2
    assert capsys.readouterr().err == (
        "doctor: training needs package_nobody_has: run `pip install 'tune-doctor[train]'`\n"
    )


def test_the_schema(capsys: Any) -> None:
    assert main(["train", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "Config"


def test_options_may_stand_anywhere(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("doctor.trainer.NEEDED", ("pydantic",))
    (tmp_path / "train.yaml").write_text("model: m\n", "utf-8")
    assert main(["train", str(tmp_path / "train.yaml"), "--dry-run", "bach=2"]) == 2
    assert "there is no key 'bach'; did you mean 'batch'?" in capsys.readouterr().err
