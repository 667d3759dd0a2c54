"""`doctor check --config train.yaml`: the run's own model, data, length and card are what is judged."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from doctor.commands.configuration import take
from doctor.settings import UsageError


def options(config: Path, **given: object) -> argparse.Namespace:
    empty = {"config": str(config), "model": None, "data": [], "max_length": None, "vram": None}
    return argparse.Namespace(**{**empty, **given})


def written(folder: Path, text: str) -> Path:
    path = folder / "train.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_configuration_fills_what_is_left_open(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("{}\n", "utf-8")
    (tmp_path / "model").mkdir()
    text = "model: model\ndata: {path: rows.jsonl, holdout: 0.1}\nmax_length: 1024\nvram: 4GiB\nlora: {r: 8}\n"
    taken = options(written(tmp_path, text))
    take(taken)
    assert (taken.model, taken.data) == (str(tmp_path / "model"), [str(tmp_path / "rows.jsonl")])
    assert (taken.max_length, taken.vram) == (1024, "4GiB")


def test_the_command_line_comes_first(tmp_path: Path) -> None:
    taken = options(
        written(tmp_path, "model: a\ndata: b.jsonl\nmax_length: 1024\n"), model="m", data=["d"], max_length=8
    )
    take(taken)
    assert (taken.model, taken.data, taken.max_length) == ("m", ["d"], 8)


def test_without_a_configuration_nothing_changes() -> None:
    taken = argparse.Namespace(config=None)
    take(taken)
    assert vars(taken) == {"config": None}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_length: long", "max_length is 'long': write `max_length: 1024`"),
        ("model: 3", "model is 3: write `model: PATH_OR_ID`"),
        ("data: {path: [a]}", r"data.path is \['a'\]: write a file"),
        ("- a", "holds no keys"),
        ("a: [", "is no YAML"),
    ],
)
def test_a_wrong_configuration_is_told_by_key(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        take(options(written(tmp_path, text)))


def test_a_missing_configuration_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot read .*No such file"):
        take(options(tmp_path / "none.yaml"))
