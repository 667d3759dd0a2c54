"""A healthy model: SmolLM2-135M loads and answers on this release, and the doctor finds nothing to say."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.live


@pytest.fixture(scope="module")
def smollm2() -> Path:
    """The folder that doctor.demo.smollm2 made."""
    return Path(os.environ["SMOLLM2"])


def test_the_doctor_is_silent(smollm2: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_HOME": str(tmp_path)}
    command = [sys.executable, "-m", "doctor", "check", "--format", "json", str(smollm2)]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    report = json.loads(done.stdout)
    # What is said of the releases that are installed together is not about the model.
    assert ([one for one in report["findings"] if one["family"] != "packages"], done.returncode) == ([], 0)
    [model] = report["facts"]["models"]
    assert len(model["tensors"]) == 272, "the model was read"


def test_the_model_is_sound(smollm2: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(smollm2)
    model = AutoModelForCausalLM.from_pretrained(smollm2, torch_dtype=torch.bfloat16)
    question = [{"role": "user", "content": "What is the capital of France?"}]
    text = tokenizer.apply_chat_template(question, tokenize=False, add_generation_prompt=True)
    inputs = tokenizer(text, return_tensors="pt")
    answer = model.generate(**inputs, max_new_tokens=10, do_sample=False)
    assert "The capital of France is Paris" in tokenizer.decode(answer[0, inputs["input_ids"].shape[1] :])
