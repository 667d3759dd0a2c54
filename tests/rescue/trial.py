"""Puts remote-code repositories to work in the installed transformers release and compares with their references.

Run by `table`: `python trial.py FOLDER...`, each with a repository `repo_*/` and `reference.safetensors`.  Prints one
JSON line a folder: {"folder": ..., "failed": null or "stage: error"}.  Every folder has a process of its own, forked
after the imports.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from corpus import gradients, greedy, losses, tied

TOLERANCE = 1e-4
LIMIT = 180
"""Seconds for one repository."""


class Wrong(Exception):
    """The model ran and its numbers are not those of the release of origin."""


def equal(found: Any, expected: Any, what: str, tolerance: float = TOLERANCE) -> None:
    """Both tensors have one shape and the same finite numbers."""
    if found.shape != expected.shape:
        raise Wrong(f"{what}: shape {tuple(found.shape)} for {tuple(expected.shape)}")
    worst = (found.float() - expected.float()).abs().max().item()
    if not worst <= tolerance:  # also where it is nan
        raise Wrong(f"{what}: differ by up to {worst:.2g}")


class Trial:
    """The stages one repository goes through; each raises where it fails."""

    def __init__(self, folder: Path) -> None:
        from safetensors.torch import load_file

        (self.repository,) = folder.glob("repo_*")
        self.expected = load_file(folder / "reference.safetensors")
        self.stored = load_file(self.repository / "model.safetensors")
        self.model: Any = None

    def stages(self) -> Iterator[Callable[[], None]]:
        yield from (self.loads, self.answers, self.generates, self.trains, self.checkpoints, self.saves)

    def load(self, folder: Path | None = None) -> Any:
        from transformers import AutoModelForCausalLM

        where = str(folder or self.repository)
        model, report = AutoModelForCausalLM.from_pretrained(where, trust_remote_code=True, output_loading_info=True)
        if "transformers_modules" not in type(model).__module__:
            raise Wrong(f"{type(model).__module__} was loaded, not the remote code")
        told = {name: sorted(map(str, report[name])) for name in ("missing_keys", "unexpected_keys") if report[name]}
        if told:
            raise Wrong(f"loading reports {told}")
        return model.eval()

    def loads(self) -> None:
        """Every stored tensor arrives as it was stored, and what the release of origin tied is tied."""
        self.model = self.load()
        held = self.model.state_dict()
        for name, tensor in self.stored.items():
            equal(held[name], tensor, name, 0.0)
        if self.expected["tied"] and not tied(self.model):
            raise Wrong("the head is not tied to the embeddings")

    def answers(self) -> None:
        """Logits, where a token was not padding."""
        import torch

        for name in ("short", "padded", "long"):
            mask = self.expected[f"{name}_mask"]
            with torch.no_grad():
                found = self.model(self.expected[name], attention_mask=mask).logits
            equal(found[mask.bool()], self.expected[f"{name}_logits"][mask.bool()], f"{name} logits")

    def generates(self) -> None:
        """Greedy tokens and their scores, with the cache; as without it, where the origin contradicts itself."""
        import torch

        for name in ("short", "padded", "long"):
            if f"{name}_tokens" in self.expected:
                with torch.no_grad():
                    found = greedy(self.model, self.expected[name], self.expected[f"{name}_mask"])
                try:
                    self.said(name, found)
                except Wrong:
                    if f"{name}_tokens_uncached" not in self.expected:
                        raise
                    self.said(name, found, "_uncached")

    def said(self, name: str, found: tuple[Any, Any], way: str = "") -> None:
        equal(found[0], self.expected[f"{name}_tokens{way}"], f"{name} tokens{way}", 0.0)
        equal(found[1], self.expected[f"{name}_scores{way}"], f"{name} scores{way}")

    def trains(self) -> None:
        """The losses of the first steps."""
        if "losses" in self.expected:
            equal(losses(self.model, self.expected["short"]), self.expected["losses"], "losses", 1e-3)

    def checkpoints(self) -> None:
        """Gradients with gradient checkpointing are those without, where they are at the origin."""
        if not self.expected["checkpoints"]:
            return
        model = self.load().train()
        plain = gradients(model, self.expected["short"])
        model.gradient_checkpointing_enable()
        for name, gradient in gradients(model, self.expected["short"]).items():
            equal(gradient, plain[name], f"gradient of {name}")

    def saves(self) -> None:
        """A saved model is the same model."""
        import torch

        ids = self.expected["short"]
        with tempfile.TemporaryDirectory() as saved:
            copy = Path(saved) / f"{self.repository.parent.name}-saved"
            self.load().save_pretrained(copy)
            for source in self.repository.glob("*.py"):  # not every release takes the code of a local folder along
                if not (copy / source.name).exists():
                    shutil.copy(source, copy)
            with torch.no_grad():
                found = self.load(copy)(ids, attention_mask=self.expected["short_mask"]).logits
        equal(found, self.expected["short_logits"], "logits after saving and loading")


def attempt(folder: Path) -> str | None:
    """The stage that failed and its error, None where all passed."""
    trial = Trial(folder)
    for stage in trial.stages():
        try:
            stage()
        except Exception as error:
            traceback.print_exc()
            first = (str(error).strip().splitlines() or [""])[0]
            return f"{stage.__name__}: {type(error).__name__}: {first}"
    return None


def forked(folder: Path) -> str | None:
    """`attempt` in a process of its own, so that one model's crash or patched globals touch no other."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writer, "w") as answer:
                json.dump(attempt(folder), answer)
        finally:
            os._exit(0)
    os.close(writer)
    deadline = time.monotonic() + LIMIT
    while os.waitpid(child, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(child, 9)
            os.waitpid(child, 0)
            return f"no answer within {LIMIT} seconds"
        time.sleep(0.01)
    with os.fdopen(reader) as answer:
        text = answer.read()
    return json.loads(text) if text else "the process crashed"


def main(folders: list[Path]) -> None:
    """Import once, then try every folder."""
    import torch
    import transformers
    import transformers.generation.utils
    import transformers.modeling_utils  # shared by the forks
    import transformers.models.auto.modeling_auto

    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    for folder in folders:
        failed = forked(folder)
        sys.stdout.write(json.dumps({"folder": str(folder), "failed": failed}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
