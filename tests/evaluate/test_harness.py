"""lm-evaluation-harness and Hugging Face's `evaluate` beside us: its tasks in our report, their names theirs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.harness, pytest.mark.filterwarnings("default")]  # theirs are not ours to mend
DOCUMENTS = 12
TASK = """
task: doctor_colours
dataset_path: json
dataset_kwargs: {data_files: {test: DOCUMENTS}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{question}}"
doc_to_choice: "{{choices}}"
doc_to_target: "{{gold}}"
metric_list: [{metric: acc}, {metric: acc_norm}]
"""


@pytest.fixture
def work(tiny: ModuleType, tmp_path: Path) -> Path:
    """A model, a task without a hub, and an evaluation that runs it."""
    (tmp_path / "model").mkdir()
    tiny.model(tmp_path / "model")
    rows = [
        {"question": f"Object {n} is", "choices": [" red", " a very dark blue"], "gold": n % 2}
        for n in range(DOCUMENTS)
    ]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (tmp_path / "tasks").mkdir()
    task = TASK.replace("DOCUMENTS", json.dumps(str(tmp_path / "documents.jsonl")))
    (tmp_path / "tasks/colours.yaml").write_text(task, "utf-8")
    (tmp_path / "q.yaml").write_text('- {id: a, question: "Who are you?"}\n- {id: b, question: "And I?"}\n', "utf-8")
    write(tmp_path, tasks=["doctor_colours"])
    return tmp_path


def write(work: Path, **lm_eval: Any) -> None:
    whole = {
        "model": str(work / "model"), "samples": str(work / "q.yaml"), "scorers": ["coherence"],
        "output": str(work / "run"), "generate": {"max_new_tokens": 8},
        "lm_eval": {"include": str(work / "tasks"), **lm_eval},
    }  # fmt: skip
    (work / "e.yaml").write_text(json.dumps(whole), "utf-8")


def doctor(work: Path, *arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "doctor", "evaluate", *arguments]
    return subprocess.run(command, cwd=cwd or work, capture_output=True, text=True, check=False, timeout=300)


def test_its_tasks_stand_in_the_same_report(work: Path) -> None:
    # From the checkout: there a folder `evaluate` lies beside, which is not Hugging Face's.
    ran = doctor(work, str(work / "e.yaml"), "--format", "json", cwd=ROOT)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)
    found = {one["metric"]: one for one in told["lm_eval"]}
    assert set(found) == {"acc", "acc_norm"}
    assert told["total"]["scored"] == 2
    assert found["acc"]["samples"] == DOCUMENTS
    assert found["acc"]["value"] == pytest.approx(by_hand(work))
    assert found["acc"]["stderr"] is not None

    write(work, tasks=["doctor_colours"], limit=4)
    ran = doctor(work, str(work / "e.yaml"))
    assert "doctor_colours  acc" in ran.stdout
    assert json.loads((work / "run/evaluation.json").read_text("utf-8"))["lm_eval"][0]["samples"] == 4
    for form in ("html", "markdown"):
        assert "doctor" in doctor(work, str(work / "e.yaml"), "--format", form).stdout


def by_hand(work: Path) -> float:
    """The share of documents whose right choice is the most likely one."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(work / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(work / "model")
    right = 0
    for line in (work / "documents.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        sums = []
        for choice in row["choices"]:
            asked, whole = (tokenizer(text).input_ids for text in (row["question"], row["question"] + choice))
            with torch.no_grad():
                told = torch.log_softmax(model(torch.tensor([whole])).logits[0, :-1].float(), -1)
            sums.append(sum(told[at - 1, whole[at]].item() for at in range(len(asked), len(whole))))
        right += max(range(2), key=sums.__getitem__) == row["gold"]
    return right / DOCUMENTS


def test_names_of_others_stay_theirs() -> None:
    program = (
        "import doctor.evaluate, doctor.trainer, evaluate, lm_eval\n"
        "print(evaluate.__file__, hasattr(evaluate, 'load'), doctor.evaluate.__file__)"
    )
    ran = subprocess.run([sys.executable, "-c", program], cwd="/", capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    theirs, loads, ours = ran.stdout.split()
    assert loads == "True"
    assert "site-packages" in theirs and theirs != ours


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"tasks": ["doctor_colors"]}, "has the task 'doctor_colors', which lm_eval"),
        ({"limit": 3}, "has no 'tasks'"),
        ({"tasks": ["doctor_colours"], "limits": 3}, "there is no key 'limits'; did you mean 'limit'?"),
    ],
)
def test_what_cannot_be_run(work: Path, settings: dict[str, Any], says: str) -> None:
    write(work, **settings)
    ran = doctor(work, "e.yaml")
    assert ran.returncode == 2
    assert says in ran.stderr


def test_a_server_has_no_tasks(work: Path) -> None:
    whole = json.loads((work / "e.yaml").read_text("utf-8"))
    write(work, tasks=["doctor_colours"])
    (work / "e.yaml").write_text(json.dumps({**whole, "model": "http://127.0.0.1:9/v1"}), "utf-8")
    ran = doctor(work, "e.yaml")
    assert ran.returncode == 2
    assert "'lm_eval' needs a folder of weights as 'model'" in ran.stderr
