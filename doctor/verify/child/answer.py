"""Loads one model folder and tells what it answers: `python answer.py <job >events`, in the examined Python.

Standard library only, Python 3.9 and later; torch and transformers are those of the interpreter that runs it.  The job
is one JSON object; every event is one line of JSON on stdout, and whatever the model's code prints goes to stderr.

    {"release": "5.23.0"}                                 transformers is there; {"failed": "..."} where it is not
    {"begun": "loaded", "stage": "forward"}               for whoever waits
    {"run": "loaded", "failed": "", "missing": [...], "logits": FILE, "counts": [...], "tokens": [...],
     "generate": ""}
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

Tell = Callable[..., None]
NAMES = 3
"""How many names of missing weights are told."""


class Failed(Exception):
    """A stage that did not succeed, in words."""


def main() -> int:
    """Read the job, tell the events."""
    job = json.load(sys.stdin)
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as events:
        os.dup2(2, 1)
        sys.stdout = sys.stderr

        def tell(**event: Any) -> None:
            events.write(json.dumps(event) + "\n")
            events.flush()

        _expendable()
        try:
            torch, transformers = import_module("torch"), import_module("transformers")
            tell(release=transformers.__version__)
        except Exception as error:
            tell(failed=f"cannot import torch and transformers: {_words(error)}")
            return 1
        transformers.logging.set_verbosity_error()
        torch.manual_seed(0)
        for run in job["runs"]:
            tell(**_run(job, run, tell))
    return 0


def _expendable() -> None:
    """Where memory runs out, this process is the one to end."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _run(job: dict[str, Any], run: str, tell: Tell) -> dict[str, Any]:
    answer: dict[str, Any] = {"run": run, "failed": "", "stage": "load"}
    try:
        tell(begun=run, stage="load")
        if not Path(job["weights"][0]).exists():
            answer["stage"] = "build"
            _make(job)
            answer["stage"] = "load"
        _dirty_memory()
        model, answer["missing"] = _model(job, run)
        model.eval()
        answer["stage"] = "forward"
        tell(begun=run, stage="forward")
        answer["logits"], answer["counts"] = _logits(job, model, run)
        tell(begun=run, stage="generate")
        answer["tokens"], answer["generate"] = _tokens(job, model)
    except Exception as error:
        answer["failed"] = _words(error)
    return answer


def _words(error: BaseException) -> str:
    """The first line of an error, without the path of the package that lacks a name."""
    first = (str(error).strip().splitlines() or [""])[0]
    if isinstance(error, ImportError):
        first = first.partition(" (/")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _dirty_memory() -> None:
    """What is freed here comes back as uninitialised memory, in which a lost tensor must not look right."""
    torch = import_module("torch")
    for power in range(4, 22):
        held = [torch.full((2**power,), float("nan")) for _ in range(4)]
        del held


def _model(job: dict[str, Any], run: str) -> tuple[Any, list[str]]:
    """The model, and the parameters of it that no stored weight reached."""
    if run == "built":
        return _built(job)
    transformers = import_module("transformers")
    if run == "native":
        kind = getattr(transformers, job["native"], None)
        if kind is None:
            raise Failed(f"this release has no {job['native']}")
        model, told = kind.from_pretrained(job["plain"], output_loading_info=True)
        if told["unexpected_keys"]:
            raise Failed(f"it knows no weight {sorted(map(str, told['unexpected_keys']))[0]}")
    else:
        auto = getattr(transformers, job["auto"])
        model, told = auto.from_pretrained(job["folder"], trust_remote_code=True, output_loading_info=True)
        if "transformers_modules" not in type(model).__module__:
            raise Failed(f"{type(model).__module__} was loaded, not the folder's own code")
    own = {name for name, _ in model.named_parameters()}
    return model, sorted({str(name) for name in told["missing_keys"]} & own)[:NAMES]


def _own(job: dict[str, Any]) -> Any:
    """A model of the folder's code and config, made by calling its class."""
    transformers = import_module("transformers")
    dynamic = import_module("transformers.dynamic_module_utils")
    config = transformers.AutoConfig.from_pretrained(job["folder"], trust_remote_code=True)
    return dynamic.get_class_from_dynamic_module(job["class"], job["folder"])(config)


def _built(job: dict[str, Any]) -> tuple[Any, list[str]]:
    """The model made by calling its class, its weights put in by torch: what the code says, whatever a loader does."""
    torch, model = import_module("torch"), _own(job)
    stored: dict[str, Any] = {}
    for file in job["weights"]:
        if file.endswith(".safetensors"):
            stored.update(import_module("safetensors.torch").load_file(file))
        else:
            stored.update(torch.load(file, map_location="cpu", weights_only=True))
    missing = set(model.load_state_dict(stored, strict=False).missing_keys)
    held = dict(model.named_parameters(remove_duplicate=False))
    reached = {held[name].data_ptr() for name in held if name in stored}
    return model.float(), sorted(n for n in missing & held.keys() if held[n].data_ptr() not in reached)[:NAMES]


def _make(job: dict[str, Any]) -> None:
    """Write random weights for the job's config: the same for the same names and shapes."""
    torch, model = import_module("torch"), _own(job)
    parameters = {name for name, _ in model.named_parameters()}
    numbers, seen, stored = torch.Generator().manual_seed(job["seed"]), set(), {}
    for name, tensor in model.state_dict().items():
        if tensor.numel() and tensor.data_ptr() in seen:  # tied: stored once, as transformers does
            continue
        seen.add(tensor.data_ptr())
        stored[name] = tensor.detach().clone().contiguous()
        if name in parameters and tensor.is_floating_point() and tensor.dim():
            noise = torch.randn(tensor.shape, generator=numbers)
            stored[name] = noise * tensor.shape[-1] ** -0.5 if tensor.dim() > 1 else 1 + noise * 0.05
    file = job["weights"][0]
    import_module("safetensors.torch").save_file(stored, f"{file}.part", {"format": "pt"})
    os.replace(f"{file}.part", file)  # noqa: PTH105


def _batches(job: dict[str, Any]) -> Any:
    torch = import_module("torch")
    for batch in job["batches"]:
        yield torch.tensor(batch["ids"]), torch.tensor(batch["mask"])


def _logits(job: dict[str, Any], model: Any, run: str) -> tuple[str, list[int]]:
    """Write the logits of every token that is not padding, float32, and how many numbers each batch has."""
    torch, numbers = import_module("torch"), array.array("f")
    counts: list[int] = []
    for ids, mask in _batches(job):
        more = {"decoder_input_ids": ids} if getattr(model.config, "is_encoder_decoder", False) else {}
        with torch.no_grad():
            answer = model(ids, attention_mask=mask, **more)
        found = getattr(answer, "logits", None)
        found = answer[0] if found is None else found
        numbers.extend(found[mask.bool()].float().flatten().tolist())
        counts.append(len(numbers) - sum(counts))
    file = str(Path(job["out"]) / f"{run}.f32")
    with open(file, "wb") as stream:  # noqa: PTH123
        numbers.tofile(stream)
    return file, counts


def _tokens(job: dict[str, Any], model: Any) -> tuple[list[Any], str]:
    """The tokens generated by taking the likeliest, and why there are none."""
    torch, count = import_module("torch"), job["new_tokens"]
    if not job["generates"]:
        return [], "not a model that generates"
    found = []
    try:
        for ids, mask in _batches(job):
            settings = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False, "use_cache": True}
            with torch.no_grad():
                found.append(model.generate(ids, attention_mask=mask, **settings)[:, -count:].tolist())
    except Exception as error:
        return [], _words(error)
    return found, ""


if __name__ == "__main__":
    sys.exit(main())
