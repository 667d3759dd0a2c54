"""One run, from its configuration to its folder: read this first."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
import transformers

from doctor import __version__
from doctor.settings import UsageError
from doctor.trainer import packing
from doctor.trainer.batch import Batches
from doctor.trainer.build import arguments, build, dtype_of
from doctor.trainer.config import Config, dump
from doctor.trainer.data import Prepared, prepare
from doctor.trainer.encode import Encoder
from doctor.trainer.export import saved
from doctor.trainer.loss import Loss
from doctor.trainer.model import load_tokenizer, quieten, sharded
from doctor.trainer.plan import Plan, packed
from doctor.trainer.progress import progress
from doctor.trainer.report import html
from doctor.trainer.resources import memory, versions
from doctor.trainer.run_folder import Metric, Result, RunFolder, Sample, step_of, write_json, write_text
from doctor.trainer.samples import answer, asked
from doctor.trainer.tuner import Tuner

RANK, WORLD = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
"""This process and how many there are, as `accelerate launch` and torchrun say."""


def train(config: Config, resume: bool = False, fresh: bool = False, command: str = "", facts: str = "") -> Result:
    """Train, and write the run's folder; `facts` is what facts.json holds.  Raises UsageError."""
    quieten()
    if RANK:
        transformers.utils.logging.disable_progress_bar()
    folder = RunFolder(Path(config.output))
    _ready(folder, config, resume, fresh)
    tokenizer = load_tokenizer(config.model, revision=config.revision, trust_remote_code=config.trust_remote_code)
    prepared = prepare(config, tokenizer, config.samples)
    plan = Plan(config, prepared.store, prepared.train, RANK, WORLD)
    checkpoint = folder.last_checkpoint() if resume else None
    _keep(folder, config, prepared, command, checkpoint)
    if facts and RANK == 0:
        write_text(folder.facts, facts + "\n")
    model = build(config)
    tuner = _tuner(config, folder, tokenizer, prepared, plan, model, checkpoint)
    samples = _before(config, folder, tokenizer, prepared, model, checkpoint)
    began = time.monotonic()
    with _metrics(folder, tuner, checkpoint), _showing(plan, tuner, checkpoint), _enough_memory(config):
        tuner.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    seconds = time.monotonic() - began
    _save(config, folder, tokenizer, tuner)
    _after(config, folder, tokenizer, model, samples)
    result = _result(folder, plan, tuner, model, seconds)
    if RANK == 0:
        write_json(folder.result, dict(result))
        html.write(folder.path, __version__)
    return result


def _ready(folder: RunFolder, config: Config, resume: bool, fresh: bool) -> None:
    """The folder of a new run, or of the same one: nothing of another run is mixed with it."""
    used = [path for path in (folder.checkpoints, folder.adapter, folder.model, folder.metrics) if _holds(path)]
    if resume and folder.config.exists():
        _same(folder, config)
    elif used and fresh and RANK == 0:
        for path in used:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif used and not fresh and RANK == 0:
        raise UsageError(
            f"{folder.path} holds a run already: go on with --resume, begin again with --fresh, or set another output"
        )
    if RANK == 0:  # made by a process that is ahead, it would be taken for a run that is there already
        try:
            folder.checkpoints.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot write {folder.path}: {error.strerror}; set another output") from error


def _holds(path: Path) -> bool:
    """Whether a run left something there; one that ended before its first update did not."""
    return any(path.iterdir()) if path.is_dir() else path.exists()


def _same(folder: RunFolder, config: Config) -> None:
    import yaml

    before, now = (_flat(yaml.safe_load(text)) for text in (folder.config.read_text("utf-8"), dump(config)))
    for key, value in now.items():
        if before.get(key) != value:
            raise UsageError(
                f"--resume: {key} is {value!r}, and the run in {folder.path} has {before.get(key)!r}: a resumed run "
                "goes on as it began; --fresh begins again"
            )


def _flat(said: Mapping[str, Any], part: str = "") -> dict[str, Any]:
    """Keys inside parts with dots."""
    flat: dict[str, Any] = {}
    for key, value in said.items():
        flat |= _flat(value, f"{part}{key}.") if isinstance(value, Mapping) else {part + key: value}
    return flat


def _keep(folder: RunFolder, config: Config, prepared: Prepared, command: str, checkpoint: Path | None) -> None:
    """Write what is known before training.  Raises UsageError where a resumed run has other data."""
    import json

    if checkpoint and folder.data.exists():
        before = json.loads(folder.data.read_text("utf-8"))["digest"]
        if before != prepared.report["digest"]:
            raise UsageError(
                f"--resume: {config.data.path} is not the data that the run began with; --fresh begins again"
            )
    if RANK == 0:
        write_text(folder.config, dump(config))
        write_json(folder.data, dict(prepared.report))
        write_text(folder.command, (command or f"doctor train {folder.config}") + "\n")


def _tuner(
    config: Config,
    folder: RunFolder,
    tokenizer: Any,
    prepared: Prepared,
    plan: Plan,
    model: Any,
    checkpoint: Path | None,
) -> Tuner:
    batches = Batches(
        prepared.store,
        dtype_of(config),
        config.packing,
        config.attention == "flash_attention_2",
        0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )
    held = prepared.holdout
    lines = packed(config, prepared.store, held) if config.packing else [(row,) for row in held]
    loss = Loss(model, chunked=not sharded())
    if config.packing:
        packing.check(model, loss, batches, prepared.train)
    args = arguments(config, plan, folder.checkpoints, checkpoint is not None, bool(lines))
    return Tuner(model, args, batches, plan, lines, loss, config.early_stopping, config.offload)


def _before(
    config: Config, folder: RunFolder, tokenizer: Any, prepared: Prepared, model: Any, checkpoint: Path | None
) -> list[Sample]:
    """The prompts with what the model says before it learns; a resumed run has them."""
    import json

    if RANK or not config.samples:
        return []
    if checkpoint and folder.samples.exists():
        known: list[Sample] = json.loads(folder.samples.read_text("utf-8"))
        return known
    samples = asked(prepared.prompts)
    _answered(config, tokenizer, model, samples, "before")
    write_json(folder.samples, list(samples))
    return samples


def _after(config: Config, folder: RunFolder, tokenizer: Any, model: Any, samples: list[Sample]) -> None:
    if samples:
        _answered(config, tokenizer, model, samples, "after")
        write_json(folder.samples, list(samples))


def _answered(config: Config, tokenizer: Any, model: Any, samples: list[Sample], key: str) -> None:
    reader = Encoder(tokenizer, config.max_length).reader
    for sample in samples:
        said = answer(model, tokenizer, reader, sample["messages"], config.sample_tokens)
        sample |= {"before": said} if key == "before" else {"after": said}


@contextmanager
def _metrics(folder: RunFolder, tuner: Tuner, checkpoint: Path | None) -> Iterator[None]:
    """metrics.jsonl, from where the checkpoint is on."""
    lines: Sequence[Metric] = []
    if checkpoint:
        lines = [line for line in folder.metric_lines() if line["step"] <= step_of(checkpoint)]
    tuner.start(lines)
    if RANK:
        yield
        return
    import json

    write_text(folder.metrics, "".join(json.dumps(line) + "\n" for line in lines))
    with folder.metrics.open("a", encoding="utf-8") as file:
        tuner.lines = file
        yield
        tuner.lines = None


@contextmanager
def _showing(plan: Plan, tuner: Tuner, checkpoint: Path | None) -> Iterator[None]:
    if RANK:
        yield
        return
    with progress(plan.updates, step_of(checkpoint) if checkpoint else 0) as told:
        tuner.told = told
        yield


@contextmanager
def _enough_memory(config: Config) -> Iterator[None]:
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        fit = f"doctor fit --model {config.model} --max-length {config.max_length}"
        raise UsageError(
            f"the GPU ran out of memory ({str(error).splitlines()[0]}): `{fit}` shows what fits; the checkpoints "
            "so far are kept"
        ) from error


def _save(config: Config, folder: RunFolder, tokenizer: Any, tuner: Tuner) -> None:
    place = folder.model if config.method == "full" else folder.adapter
    tuner.model.config.use_cache = True
    if sharded():
        tuner.save_model(str(place))
    elif RANK == 0:
        tuner.model.save_pretrained(str(place))
    if RANK == 0:
        tokenizer.save_pretrained(str(place))
        saved.rewrite(place)


def _result(folder: RunFolder, plan: Plan, tuner: Tuner, model: Any, seconds: float) -> Result:
    measured = [line for line in folder.metric_lines() if "eval_loss" in line]
    first = next((line["eval_loss"] for line in measured if not line["step"]), None)
    best = min((line for line in measured if line["step"]), key=lambda line: line["eval_loss"], default=None)
    trainable, parameters = _counted(model)
    return {
        "steps": tuner.state.global_step,
        "planned": plan.updates,
        "stopped_early": tuner.state.global_step < plan.updates,
        "best_step": best["step"] if best else None,
        "eval_loss_before": first,
        "eval_loss": best["eval_loss"] if best else None,
        "seconds": round(seconds, 1),
        "tokens": tuner.tokens,
        "memory": memory(tuner.args.device),
        "trainable": trainable,
        "parameters": parameters,
        "versions": versions(),
    }


def _counted(model: Any) -> tuple[int, int]:
    """Weights that are trained, and all; four bits are stored two in a byte, which peft knows."""
    if hasattr(model, "get_nb_trainable_parameters"):
        trained, every = model.get_nb_trainable_parameters()
        return int(trained), int(every)
    sizes = [(weight.numel(), weight.requires_grad) for weight in model.parameters()]
    return sum(size for size, trained in sizes if trained), sum(size for size, _ in sizes)
