"""Loading a model and its tokenizer, alike on every release: the dtype is always said, a 4-bit load stays small.

What differs by release and is settled here: the name of the `dtype` argument (4.56), reader threads that put 16-bit
weights on the GPU before they are quantised (5.0 to 5.3), memory that is reserved ahead (4.50 to 4.57), and 4 bits on
a machine without a GPU (from 4.50 on).
"""

from __future__ import annotations

import ctypes
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import torch
import transformers
from packaging.version import Version

from doctor.settings import UsageError
from doctor.trainer import require
from doctor.trainer.run_folder import RunFolder

Quant = Literal["none", "nf4", "nf4-double", "int8"]
RELEASE = Version(transformers.__version__)
DTYPE = "dtype" if Version("4.56.0.dev0") <= RELEASE else "torch_dtype"
"""The argument of `from_pretrained`."""
SYNCHRONOUS = "HF_DEACTIVATE_ASYNC_LOAD"


def quieten() -> None:
    """Leave out what the libraries say of their own future and of each other."""
    transformers.utils.logging.set_verbosity_error()
    for category in (FutureWarning, DeprecationWarning):
        warnings.filterwarnings("ignore", category=category)
    warnings.filterwarnings("ignore", message="mtime may not be reliable")


def load_tokenizer(model: str, *, revision: str | None = None, trust_remote_code: bool = False) -> Any:
    """The tokenizer of a model folder or hub id, a fast one.  Raises UsageError."""
    with _named(model, "its tokenizer"):
        made = transformers.AutoTokenizer.from_pretrained(model, revision=revision, trust_remote_code=trust_remote_code)
    if not made.is_fast:
        raise UsageError(
            f"model {model}: its tokenizer is a slow one, which tells no character offsets: add a tokenizer.json"
        )
    return made


def load_model(
    model: str,
    quant: Quant = "none",
    device: str = "auto",
    dtype: str = "auto",
    adapter: str | Path | None = None,
    *,
    attention: str | None = None,
    revision: str | None = None,
    trust_remote_code: bool = False,
) -> Any:
    """A causal language model, in evaluation mode; with an adapter of peft where one is named.

    `device` is auto, cpu, cuda or cuda:N; `dtype` is that of weights that are not quantised: auto is 16 bits on a
    GPU, else float32.  A checkpoint that is quantised already stays as it is.  Raises UsageError where it does not
    load.
    """
    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    place = placed(device)
    chosen = chosen_dtype(dtype, place)
    with _named(model, "it"):
        config = transformers.AutoConfig.from_pretrained(model, revision=revision, trust_remote_code=trust_remote_code)
    if getattr(config, "quantization_config", None) is not None:
        quant = "none"
    settings: dict[str, Any] = {DTYPE: chosen, "revision": revision, "trust_remote_code": trust_remote_code}
    if attention is not None:
        settings["attn_implementation"] = attention
    if quant != "none":
        _can_quantise(place)
        settings["quantization_config"] = _quantised(quant, chosen)
    if (place.type != "cpu" or quant != "none") and not sharded():
        settings["device_map"] = {"": place}
    with _named(model, "it"), _lean(quant):
        made = transformers.AutoModelForCausalLM.from_pretrained(model, **settings)
    give_back()
    if adapter is not None:
        from peft import PeftModel

        with _named(str(adapter), "the adapter"):
            made = PeftModel.from_pretrained(made, str(adapter))
    return made.eval()


def load_run(folder: Path, device: str = "auto") -> tuple[Any, Any]:
    """The model that a run made, and its tokenizer: as it was trained, with its adapter.  Raises UsageError."""
    import yaml

    run = RunFolder(folder)
    try:
        said = yaml.safe_load(run.config.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"{folder} is no run of `doctor train`: cannot read {run.config}: {error.strerror}") from error
    trusted = {name: said[name] for name in ("trust_remote_code", "revision")}
    whole = said["method"] == "full"
    kept = run.model if whole else run.adapter
    if not kept.is_dir():
        raise UsageError(f"{folder} has no {kept.name}/: the run has not ended; go on with `doctor train --resume`")
    model = load_model(
        str(kept) if whole else said["model"],
        said["quant"] if said["method"] == "qlora" else "none",
        device,
        said["dtype"],
        None if whole else kept,
        attention=said["attention"],
        **trusted,
    )
    return model, load_tokenizer(str(kept), trust_remote_code=said["trust_remote_code"])


def placed(device: str) -> torch.device:
    """The device of a name; `auto` is the GPU of this process where there is one.  Raises UsageError."""
    there = torch.cuda.is_available()
    if device.startswith("cuda") and not there:
        raise UsageError(f"device is {device}, and torch {torch.__version__} sees no GPU: write `device: cpu`")
    if device == "cpu" or (device == "auto" and not there):
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")) if ":" not in device else int(device[5:]))


def chosen_dtype(dtype: str, place: torch.device) -> torch.dtype:
    """What `auto` means on a device: bfloat16 where the GPU computes in it, float16 where not, float32 on the CPU."""
    if dtype != "auto":
        found: torch.dtype = getattr(torch, dtype)
        return found
    if place.type == "cpu":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16


def sharded() -> bool:
    """Whether `accelerate launch` will spread the weights itself (FSDP, DeepSpeed)."""
    return any(os.environ.get(name) == "true" for name in ("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"))


def give_back() -> None:
    """Hand memory that the load has freed back to the system, where its allocator keeps it: 120 MB to 1.3 GB."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)


def _can_quantise(place: torch.device) -> None:
    require("bitsandbytes")
    if place.type == "cpu" and Version("4.50") > RELEASE:
        raise UsageError(
            f"transformers {RELEASE} quantises on a GPU only, and there is none: train with `method: lora`, or "
            "install transformers>=4.50"
        )


def _quantised(quant: Quant, compute: torch.dtype) -> Any:
    if quant == "int8":
        return transformers.BitsAndBytesConfig(load_in_8bit=True)
    return transformers.BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=quant == "nf4-double",
        bnb_4bit_compute_dtype=compute,
    )


@contextmanager
def _lean(quant: Quant) -> Iterator[None]:
    """Keep the peak of a quantised load near what stays."""
    with ExitStack() as stack:
        if quant != "none" and Version("5.0.0.dev0") <= RELEASE < Version("5.4"):
            stack.enter_context(_variable(SYNCHRONOUS, "1"))
        if quant != "none" and Version("4.50") <= RELEASE < Version("5.0.0.dev0"):
            stack.enter_context(_without_warm_up())
        yield


@contextmanager
def _variable(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


@contextmanager
def _without_warm_up() -> Iterator[None]:
    """No argument and no variable of 4.50 to 4.57 keeps it from reserving half of the 16-bit weights ahead."""
    module: Any = transformers.modeling_utils
    before = module.caching_allocator_warmup
    module.caching_allocator_warmup = lambda *args, **kwargs: None
    try:
        yield
    finally:
        module.caching_allocator_warmup = before


@contextmanager
def _named(name: str, what: str) -> Iterator[None]:
    """Turn what transformers says of a file that is missing or wrong into one sentence."""
    try:
        yield
    except (OSError, ValueError, KeyError, ImportError) as error:
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise UsageError(f"model {name}: {what} does not load on transformers {RELEASE}: {first}") from error
