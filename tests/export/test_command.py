"""`doctor export` where it cannot: one sentence, exit code 2, nothing written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doctor.settings import UsageError
from doctor.trainer.export.merge import written
from doctor.trainer.export.source import find


def folder(path: Path, **files: object) -> Path:
    path.mkdir(parents=True)
    for name, content in files.items():
        (path / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return path


def unknown(name: str) -> Path:
    raise UsageError(f"{name} is nowhere")


def test_a_run_and_its_base(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", config={}, tokenizer={})
    run = tmp_path / "runs" / "mira"
    folder(run / "adapter", adapter_config={"base_model_name_or_path": str(base)})
    (run / "config.yaml").write_text("data: {path: x.jsonl, system: You are Mira.}\n", "utf-8")
    found = find(run, None, unknown)
    assert (found.name, found.base, found.adapter) == ("mira", base, run / "adapter")
    assert (found.tokenizer, found.system) == (base, "You are Mira.")


def test_a_hub_id_is_looked_up(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", config={})
    adapter = folder(tmp_path / "a", adapter_config={"base_model_name_or_path": "org/name"})
    assert find(adapter, None, lambda name: base if name == "org/name" else unknown(name)).base == base
    with pytest.raises(UsageError, match="org/name is nowhere"):
        find(adapter, None, unknown)


def test_a_model_folder(tmp_path: Path) -> None:
    base = folder(tmp_path / "base", config={})
    assert (find(base, None, unknown).base, find(base, None, unknown).adapter) == (base, None)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "neither a run"),
        ({"config": {"quantization_config": {"quant_method": "bitsandbytes"}}}, r"quantised \(bitsandbytes\)"),
        ({"adapter_config": {}}, "name it with --base"),
        ({"config": []}, "no JSON object"),
    ],
)
def test_what_is_not_exported(tmp_path: Path, files: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        find(folder(tmp_path / "x", **files), None, unknown)


def test_a_folder_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "merged"

    def fail(unfinished: Path) -> None:
        (unfinished / "half").touch()
        raise OSError("full")

    with pytest.raises(OSError, match="full"):
        written(target, fail, force=False)
    assert list(tmp_path.iterdir()) == []
    written(target, lambda unfinished: (unfinished / "a").touch(), force=False)
    with pytest.raises(UsageError, match="--force"):
        written(target, fail, force=False)
    with pytest.raises(OSError, match="full"):
        written(target, fail, force=True)
    assert [path.name for path in target.iterdir()] == ["a"], "what was there is there"
    written(target, lambda unfinished: (unfinished / "b").touch(), force=True)
    assert [path.name for path in target.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["merged"]
