"""One model through transformers and through llama.cpp, as GGUFs of 32 and 16 bits: prompts and answers side by side.

`python tests/evaluate/same_answers.py MODEL_FOLDER [QUESTIONS]` prints the table and exits 1 where a prompt differs, an
answer of the 32-bit file does, or one of the 16-bit file begins to differ at two tokens that are apart by more than
rounding.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROUNDING = {"f32": 0.0, "f16": 0.01}
"""Logits closer than this are told apart by nobody who computes in so many bits; those of a model span about 30."""
Samples = list[dict[str, Any]]


def evaluated(model: str, questions: Path, folder: str) -> Samples:
    """What the evaluation of a model found."""
    whole = {
        "model": model, "samples": str(questions), "output": folder,
        "generate": {"max_new_tokens": 48, "batch": 8},
        "load": {"dtype": "float32", "device": "cpu"},
    }  # fmt: skip
    Path("e.yaml").write_text(json.dumps(whole), "utf-8")
    run("evaluate", "e.yaml", "--fresh")
    found: Samples = json.loads(Path(folder, "evaluation.json").read_text("utf-8"))["samples"]
    return found


def run(*arguments: str) -> None:
    """One command of the doctor."""
    ran = subprocess.run([sys.executable, "-m", "doctor", *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def apart(model: Any, tokenizer: Any, ours: dict[str, Any], theirs: dict[str, Any], prompt: str) -> float:
    """How far the two tokens lie apart, in logits, at which two answers begin to differ."""
    import torch

    before, *answers = (tokenizer(text, add_special_tokens=False).input_ids for text in (
        prompt, f"{ours['answer']}<|im_end|>", f"{theirs['answer']}<|im_end|>"
    ))  # fmt: skip
    at = next(n for n, (a, b) in enumerate(zip(*answers, strict=False)) if a != b)
    with torch.no_grad():
        logits = model(torch.tensor([[*before, *answers[0][:at]]])).logits[0, -1]
    return abs(float(logits[answers[0][at]] - logits[answers[1][at]]))


def differing(model: str, questions: Path, ours: Samples, theirs: Samples) -> list[tuple[str, float]]:
    """The ids of the answers that differ, each with how near the two tokens were."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from doctor.chat.template import Template
    from doctor.evaluate.prompt import conversation
    from doctor.evaluate.samples import read_samples

    tokenizer, loaded = AutoTokenizer.from_pretrained(model), AutoModelForCausalLM.from_pretrained(model).float().eval()
    asked = {sample.id: sample for sample in read_samples([questions])}
    template = Template(tokenizer.chat_template, tokenizer.special_tokens_map)
    return [
        (a["id"], apart(loaded, tokenizer, a, b, template.render(conversation(asked[a["id"]]), prompt=True)))
        for a, b in zip(ours, theirs, strict=True)
        if a["answer"] != b["answer"]
    ]


def same(ours: Samples, theirs: Samples, key: str) -> int:
    """In how many samples both have the same."""
    return sum(a[key] == b[key] for a, b in zip(ours, theirs, strict=True))


def main() -> int:
    """Print the table."""
    model = str(Path(sys.argv[1]).resolve())
    questions = Path(sys.argv[2]).resolve() if sys.argv[2:] else ROOT / "examples/questions.yaml"
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        ours = evaluated(model, questions, "transformers")
        rows = [_row(model, questions, ours, form) for form in ROUNDING]
    for line, well in rows:
        print(f"{'ok ' if well else 'OUT'}  {line}")  # noqa: T201
    return int(not all(well for _, well in rows))


def _row(model: str, questions: Path, ours: Samples, form: str) -> tuple[str, bool]:
    run("export", model, "--gguf", form, "--output", form)
    [file] = Path(form).glob("*.gguf")
    theirs = evaluated(str(file.resolve()), questions, f"llama.cpp-{form}")
    prompts, answers = same(ours, theirs, "prompt"), same(ours, theirs, "answer")
    near = differing(model, questions, ours, theirs)
    told = ", ".join(f"{name} at {gap:.4f}" for name, gap in near)
    line = f"transformers and llama.cpp with {form}: equal of {len(ours)}: prompt {prompts}, answer {answers}"
    parted = f"; the two tokens at which they part are so many logits apart: {told}" if near else ""
    return line + parted, prompts == len(ours) and all(gap < ROUNDING[form] for _, gap in near)


if __name__ == "__main__":
    sys.exit(main())
