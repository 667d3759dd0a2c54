"""Notebooks: cells are judged together and rewritten one by one; outputs and every other byte stay."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from doctor.cli import main
from doctor.code import Code
from doctor.diagnose import diagnose
from doctor.model import Facts, Location, Package, Source
from doctor.notebook import Notebook

GIVEN = ["    evaluation_strategy='no',\n", "    logging_dir='l',\n"]
CELLS = [
    ["%pip install -q \\\n", "  transformers\n", "from transformers import TrainingArguments\n", "import os"],
    ["files = !ls\n", "if files:\n", "    !echo \"é\"\n"],
    ["%%bash\n", "echo TrainingArguments(evaluation_strategy='no')"],
    ["# settings\n", "args = TrainingArguments(\n", '    "out",\n', *GIVEN, ")"],
    ["for x in\n"],
    ["print(args.evaluation_strategy)  # doctor: ignore[removed-argument]\n"],
]  # fmt: skip


def notebook(cells: list[list[str]], indent: int | None = 1, **more: object) -> str:
    """The JSON of a notebook, a Markdown cell first, outputs behind every cell."""
    made = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# é\n"]},
        *(
            {
                "cell_type": "code",
                "execution_count": 3,
                "outputs": [{"text": ["evaluation_strategy é\n"]}],
                "source": c,
                **more,
            }
            for c in cells
        ),
    ]
    return (
        json.dumps({"cells": made, "nbformat": 4, "metadata": {"x": [1.0]}}, indent=indent, ensure_ascii=False) + "\n"
    )


def test_cells_are_one_module_in_which_magics_do_nothing() -> None:
    code = Notebook(notebook(CELLS)).code
    compile(code, "n", "exec")
    assert "%pip" in code and "for x in" not in code and "echo Training" not in code


@pytest.mark.parametrize("indent", [1, 2, None])
def test_what_is_not_rewritten_keeps_its_bytes(indent: int | None) -> None:
    text = notebook(CELLS, indent)
    read = Notebook(text)
    assert read.rewritten(read.code) == text
    done = read.rewritten(read.code.replace("evaluation_strategy='no'", "eval_strategy='no'"))
    assert done == text.replace("    evaluation_strategy='no'", "    eval_strategy='no'")


def test_a_source_that_is_one_string() -> None:
    text = notebook([], 1).replace('"cells": [', '"cells": [{"cell_type": "code", "source": "a = 1\\nb = 2"},')
    read = Notebook(text)
    assert read.rewritten(read.code.replace("a = 1", "a = 10")) == text.replace("a = 1", "a = 10")


def test_places_are_cells_and_lines_in_them() -> None:
    facts = Facts(
        sources=(Source("n.ipynb", "notebook", notebook(CELLS)),),
        packages={"transformers": Package("transformers", "5.23.0")},
    )
    found = diagnose(facts)
    assert [f.where for f in found.findings] == [Location("n.ipynb", 4, 5, 4), Location("n.ipynb", 5, 5, 4)]
    assert [skip.reason for skip in found.skipped] == ["not Python, and not examined: cell 3, 5"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"cells": 3}', '{"cells": [1, {"cell_type": "code"}]'])
def test_what_is_no_notebook_is_a_skip(text: str) -> None:
    facts = Facts(sources=(Source("n.ipynb", "notebook", text),))
    assert len(diagnose(facts).skipped) <= 1 and not diagnose(facts).findings


def test_a_lost_cell_is_an_error() -> None:
    read = Notebook(notebook([["a = 1"], ["b = 2"]]))
    with pytest.raises(ValueError, match="lost"):
        read.rewritten(read.code.replace("_doctor_cell_2_\n", ""))


def test_it_is_fixed_and_restored_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCTOR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = tmp_path / "train.ipynb"
    file.write_text(notebook(CELLS), "utf-8")
    before = file.read_bytes()
    assert main(["fix", "--yes", str(file)]) == 0
    cells = [cell["source"] for cell in json.loads(file.read_text("utf-8"))["cells"]]
    assert cells[4][-4:] == [
        '    "out",\n',
        "    eval_strategy='no',\n",
        "    **_doctor_logging_dir(TrainingArguments, 'l'),\n",
        ")",
    ]
    assert "def _doctor_logging_dir(arguments, folder):\n" in cells[1]
    assert cells[2:4] == CELLS[1:3] and cells[5:] == [
        CELLS[4],
        ["print(args.eval_strategy)  # doctor: ignore[removed-argument]\n"],
    ]
    assert main(["undo"]) == 0
    assert file.read_bytes() == before


def test_code_of_a_notebook_that_is_none() -> None:
    with pytest.raises(ValueError):
        Code(Source("n.ipynb", "notebook", "no"))
