"""train.yaml: every key of a run, read and checked."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError, model_validator

from doctor.settings import UsageError

Layout = Literal[
    "auto", "messages", "sharegpt", "alpaca", "question-answer", "prompt-completion", "text", "tokens"
]  # fmt: skip
Scheduler = Literal["linear", "cosine", "constant", "cosine_with_restarts", "polynomial", "inverse_sqrt"]

ELSEWHERE = {
    "per_device_train_batch_size": "batch", "batch_size": "batch", "micro_batch_size": "batch",
    "gradient_accumulation_steps": "accumulate", "grad_accum": "accumulate",
    "num_train_epochs": "epochs", "num_epochs": "epochs", "steps": "max_steps", "lr": "learning_rate",
    "max_seq_length": "max_length", "max_seq_len": "max_length", "sequence_len": "max_length",
    "cutoff_len": "max_length",
    "warmup_ratio": "warmup", "warmup_steps": "warmup", "lr_scheduler_type": "scheduler", "lr_scheduler": "scheduler",
    "gradient_checkpointing": "checkpointing", "neftune_noise_alpha": "neftune", "optim": "optimizer",
    "eval_steps": "save_every", "save_steps": "save_every", "logging_steps": "log_every", "output_dir": "output",
    "model_name_or_path": "model", "base_model": "model", "attn_implementation": "attention",
    "dataset": "data.path", "datasets": "data.path", "dataset_path": "data.path", "val_set_size": "data.holdout",
    "system_prompt": "data.system", "rank": "lora.r", "lora_rank": "lora.r", "lora_r": "lora.r",
    "lora_alpha": "lora.alpha", "lora_dropout": "lora.dropout", "target_modules": "lora.targets",
    "lora_target": "lora.targets", "use_dora": "lora.dora", "use_rslora": "lora.rslora", "torch_dtype": "dtype",
    "load_in_4bit": "method", "adapter": "method", "sample_packing": "packing", "use_liger_kernel": "liger",
}  # fmt: skip
"""What other trainers call a key."""


_PLAIN = {
    "it should be a valid integer": "write a whole number",
    "it should be a valid boolean": "write true or false",
    "it should be a valid string": "write text",
}


def _number(value: Any) -> Any:
    """YAML reads `2e-4`, which has no point, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("write a number")
    try:
        return float(value)
    except ValueError:
        raise ValueError("write a number") from None


Number = Annotated[float, BeforeValidator(_number)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


class Data(_Part):
    """What is learnt."""

    path: str
    """A data file (JSON, JSON Lines, Parquet, Arrow), or a folder of them."""
    format: Layout = "auto"
    """The layout that rows must have; `auto` takes each row by its keys."""
    system: str | None = None
    """The system prompt of rows that have none of their own."""
    holdout: Annotated[Number, Field(ge=0, lt=1)] = 0.1
    """The share of rows that is not trained on, and measured instead."""


class Lora(_Part):
    """The adapter."""

    r: Annotated[Whole, Field(gt=0)] = 32
    """Rank."""
    alpha: Annotated[Number, Field(gt=0)] = 64
    """The adapter is scaled by alpha / r."""
    dropout: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    targets: str | list[str] = "all-linear"
    """Which linear layers are adapted: all but the head, or the names of some."""
    dora: Flag = False
    rslora: Flag = False
    """Whether it is scaled by alpha / sqrt(r) instead."""


class Config(_Part):
    """One training run."""

    model: str
    """A model folder, or a hub id."""
    revision: str | None = None
    trust_remote_code: Flag = False
    """Whether code that comes with the model may run."""
    data: Data
    output: str
    """The folder of the run."""
    method: Literal["qlora", "lora", "full"] = "qlora"
    """Adapters on 4-bit weights, adapters on whole weights, or all weights."""
    quant: Literal["nf4-double", "nf4", "int8"] = "nf4-double"
    """How `qlora` holds the weights."""
    lora: Lora = Lora()
    max_length: Annotated[Whole, Field(ge=8)] = 1024
    """Tokens of a row.  Answers are never cut: the oldest turns go, else the row is refused by name."""
    epochs: Annotated[Whole, Field(gt=0)] = 3
    max_steps: Annotated[Whole, Field(gt=0)] | None = None
    """Updates, instead of epochs."""
    batch: Annotated[Whole, Field(gt=0)] = 1
    """Rows that are computed at once, on each device."""
    accumulate: Annotated[Whole, Field(gt=0)] = 4
    """Batches of an update."""
    learning_rate: Annotated[Number, Field(gt=0)] = 2e-4
    scheduler: Scheduler = "linear"
    """How the learning rate falls."""
    warmup: Annotated[Number, Field(ge=0)] = 0.0
    """Updates until the learning rate is reached; below 1: the share of all updates."""
    optimizer: Literal["auto", "adamw", "adamw-8bit", "paged-adamw-8bit"] = "auto"
    """`auto`: paged-adamw-8bit for adapters on a GPU, else adamw."""
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    max_grad_norm: Annotated[Number, Field(ge=0)] = 1.0
    """Gradients are scaled down to this norm; 0: never."""
    neftune: Annotated[Number, Field(gt=0)] | None = None
    """Strength of the noise on embeddings while training."""
    packing: Flag = False
    """Whether several rows fill one of max_length; none sees another, and what they begin with, such as a system
    prompt, is computed once."""
    group_by_length: Flag = False
    """Whether rows of a batch are about equally long, which saves padding."""
    early_stopping: Annotated[Whole, Field(gt=0)] | None = None
    """Measurements without a lower held-out loss after which training ends."""
    save_every: Annotated[Whole, Field(gt=0)] | None = None
    """Updates between checkpoints, each with the held-out loss; default: once an epoch."""
    log_every: Annotated[Whole, Field(gt=0)] = 1
    """Updates between lines of metrics.jsonl."""
    samples: Annotated[Whole, Field(ge=0)] = 3
    """Held-out prompts that are answered before and after."""
    sample_tokens: Annotated[Whole, Field(gt=0)] = 64
    """Tokens of such an answer at most."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Of weights that are not quantised; `auto`: 16 bits for adapters on a GPU, else float32."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    checkpointing: Flag | Literal["auto"] = "auto"
    """Whether only layer inputs are kept for the backward pass, and the rest computed again; `auto`: on a GPU."""
    offload: Flag = False
    """Whether those inputs wait in host memory."""
    liger: Flag = False
    """Whether liger's kernels replace norms and gates, on a GPU."""
    report_to: list[str] = []
    """Trackers of transformers, such as tensorboard or wandb."""
    vram: str | None = None
    """GPU memory that the memory model judges by, such as 4GiB; default: what is free."""
    seed: Annotated[Whole, Field(ge=0, lt=2**32)] = 0

    @model_validator(mode="after")
    def _agrees(self) -> Config:
        if self.early_stopping and not self.data.holdout:
            raise ValueError("early_stopping needs held-out rows: set data.holdout above 0")
        return self


PARTS: dict[str, type[BaseModel]] = {"data": Data, "lora": Lora}
"""Keys that have keys of their own."""


def read_config(path: Path, overrides: Iterable[str] = ()) -> Config:
    """The configuration of a file, with `key=value` on top of it; `lora.r=16` sets a key inside a part.

    Paths of data and model are as written or, where only that is there, from the file's folder.  Raises UsageError,
    which names the file, the key and the nearest valid one.
    """
    said = _document(path)
    if isinstance(said.get("data"), str):
        said["data"] = {"path": said["data"]}
    for override in overrides:
        _override(said, override)
    said.setdefault("output", f"runs/{path.stem}")
    try:
        made = Config.model_validate(said)
    except ValidationError as error:
        raise UsageError(f"{path}: {_sentence(error)}") from None
    return resolved(made, path.parent)


def resolved(config: Config, folder: Path) -> Config:
    """The configuration with whole paths, so that it says the same anywhere.  Raises UsageError: no such data."""
    data = _found(config.data.path, folder)
    if data is None:
        beside = "" if folder.resolve() == Path.cwd() else f", nor in {folder}"
        raise UsageError(f"data.path: there is no {config.data.path} in the current folder{beside}")
    model = _found(config.model, folder)
    changed = {
        "data": config.data.model_copy(update={"path": str(data)}),
        "model": str(model) if model is not None and model.is_dir() else config.model,
        "output": str(Path(config.output).expanduser().absolute()),
    }
    return config.model_copy(update=changed)


def dump(config: Config) -> str:
    """The configuration as YAML, every key with its value."""
    import yaml

    text: str = yaml.safe_dump(config.model_dump(), sort_keys=False, allow_unicode=True, width=120)
    return text


def schema() -> str:
    """The JSON schema of train.yaml, for editors."""
    made = Config.model_json_schema()
    made["required"] = [name for name in made["required"] if name != "output"]
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **made}, indent=2) + "\n"


def _document(path: Path) -> dict[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(said, dict):
        raise UsageError(f"{path} holds no keys: begin with `model: PATH_OR_ID`")
    return said


def _override(said: dict[str, Any], override: str) -> None:
    import yaml

    key, equals, value = override.partition("=")
    *parents, last = key.split(".")
    if not equals or not all([*parents, last]):
        raise UsageError(f"{override!r} is no key=value: write e.g. epochs=4 or lora.r=16")
    place = said
    for parent in parents:
        inner = place.get(parent)
        place[parent] = place = dict(inner) if isinstance(inner, Mapping) else {}
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"{override!r}: the value is no YAML: {' '.join(str(error).split())}") from error
    place[last] = {"path": read} if key == "data" and isinstance(read, str) else read


def _found(name: str, folder: Path) -> Path | None:
    places = (Path(name).expanduser(), folder / name)
    return next((place.absolute() for place in places if place.exists()), None)


def _sentence(error: ValidationError) -> str:
    """The first thing that is wrong, and what to write instead; an unknown key may be one that is missing."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    key = ".".join(str(part) for part in first["loc"] if part in _names_and_places())
    if first["type"] == "extra_forbidden":
        unknown = ".".join(map(str, first["loc"]))
        return f"there is no key {unknown!r}{nearest_key(unknown)}"
    if first["type"] == "missing":
        return f"has no {key!r}: write `{key}: ...`, {_described(key)}"
    said = first["msg"].removeprefix("Value error, ").replace("Input should be", "it should be")
    said = _PLAIN.get(said, said)
    if not key:
        return said
    return f"{key} is {first['input']!r}: {said}"


def _names_and_places() -> frozenset[str | int]:
    return frozenset([part for key in keys() for part in key.split(".")]) | frozenset(range(1000))


def keys() -> list[str]:
    """Every key, those inside parts with dots."""
    return [*Config.model_fields, *(f"{part}.{name}" for part, made in PARTS.items() for name in made.model_fields)]


def nearest_key(unknown: str) -> str:
    """`; did you mean 'lora.r'?` for the key closest to one that there is not, or where to find all."""
    last = unknown.rpartition(".")[2]
    known = keys()
    same = [key for key in known if key.rpartition(".")[2] == last]
    close = difflib.get_close_matches(unknown, known, n=1, cutoff=0.6)
    beside = {key.rpartition(".")[2]: key for key in known}
    close = close or [beside[name] for name in difflib.get_close_matches(last, beside, n=1, cutoff=0.6)]
    found = next(iter([*([ELSEWHERE[last]] if last in ELSEWHERE else []), *same, *close]), None)
    return f"; did you mean {found!r}?" if found else "; `doctor train --schema` lists all"


def _described(key: str) -> str:
    part, _, name = key.rpartition(".")
    fields = PARTS.get(part, Config).model_fields
    words = (fields[name].description or "").rstrip(".") if name in fields else ""
    return words[:1].lower() + words[1:]
