"""train.yaml: what is read, what is refused, and in which words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doctor.settings import UsageError
from doctor.trainer.config import dump, keys, read_config, schema

PLAIN = "model: M\ndata: rows.jsonl\nlearning_rate: 2e-4\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "rows.jsonl").write_text("", "utf-8")
    path = tmp_path / "persona.yaml"
    path.write_text(PLAIN, "utf-8")
    return path


def test_what_is_left_out_has_a_value(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(file.parent)
    config = read_config(file)
    assert (config.method, config.lora.targets, config.data.holdout) == ("qlora", "all-linear", 0.1)
    assert config.learning_rate == 2e-4, "YAML reads it as text"
    assert config.data.path == str(file.parent / "rows.jsonl"), "whole, so that the run can be repeated from anywhere"
    assert config.output == str(file.parent / "runs/persona")


def test_data_is_found_beside_the_file(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert read_config(file).data.path == str(tmp_path / "rows.jsonl")


def test_overrides(file: Path) -> None:
    config = read_config(file, ["lora.r=8", "lora.targets=[q_proj, v_proj]", "data.system=You are Mira.", "epochs=1"])
    assert (config.lora.r, config.lora.targets, config.data.system) == (8, ["q_proj", "v_proj"], "You are Mira.")
    assert (config.lora.alpha, config.epochs) == (64, 1)


def test_the_resolved_configuration_says_the_same(file: Path, tmp_path: Path) -> None:
    config = read_config(file, ["lora.dora=true", "max_steps=3"])
    again = tmp_path / "config.yaml"
    again.write_text(dump(config), "utf-8")
    assert read_config(again) == config


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("lora={aplha: 3}", "there is no key 'lora.aplha'; did you mean 'lora.alpha'?"),
        ("bach=3", "there is no key 'bach'; did you mean 'batch'?"),
        ("num_train_epochs=3", "there is no key 'num_train_epochs'; did you mean 'epochs'?"),
        ("r=3", "there is no key 'r'; did you mean 'lora.r'?"),
        ("zzz=3", "there is no key 'zzz'; `doctor train --schema` lists all"),
        ("epochs=x", "epochs is 'x': write a whole number"),
        ("batch=true", "batch is True: write a whole number"),
        ("learning_rate=fast", "learning_rate is 'fast': write a number"),
        ("method=qlra", "method is 'qlra': it should be 'qlora', 'lora' or 'full'"),
        ("lora.r=0", "lora.r is 0: it should be greater than 0"),
        ("data={format: auto}", "has no 'data.path': write `data.path: ...`, a data file"),
        ("model=null", "model is None: write text"),
    ],
)
def test_one_error_names_the_key(file: Path, override: str, said: str) -> None:
    with pytest.raises(UsageError) as raised:
        read_config(file, [override])
    assert str(raised.value).startswith(f"{file}: {said}")


def test_other_errors(file: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"'epochs' is no key=value: write e\.g\. epochs=4"):
        read_config(file, ["epochs"])
    with pytest.raises(UsageError, match="early_stopping needs held-out rows"):
        read_config(file, ["early_stopping=2", "data.holdout=0"])
    with pytest.raises(UsageError, match=r"there is no gone\.jsonl in the current folder, nor in "):
        read_config(file, ["data.path=gone.jsonl"])
    with pytest.raises(UsageError, match="No such file"):
        read_config(tmp_path / "gone.yaml")
    file.write_text("- a\n", "utf-8")
    with pytest.raises(UsageError, match="holds no keys: begin with `model: PATH_OR_ID`"):
        read_config(file)
    file.write_text("a: [", "utf-8")
    with pytest.raises(UsageError, match="is no YAML"):
        read_config(file)


def test_the_schema_describes_every_key() -> None:
    made = json.loads(schema())
    assert made["required"] == ["model", "data"]
    parts = {**made["$defs"], "": made}
    described = {name for part in parts.values() for name in part["properties"]}
    assert described == {key.rpartition(".")[2] for key in keys()}
    assert made["properties"]["max_length"]["minimum"] == 8
