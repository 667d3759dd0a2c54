"""The model of a run, ready to be trained: loaded, its adapter added, and Trainer's arguments for it."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from doctor.settings import UsageError
from doctor.trainer import require
from doctor.trainer.config import Config
from doctor.trainer.model import chosen_dtype, load_model, placed, sharded
from doctor.trainer.plan import Plan

OPTIMIZERS = {"adamw": "adamw_torch", "adamw-8bit": "adamw_bnb_8bit", "paged-adamw-8bit": "paged_adamw_8bit"}


def dtype_of(config: Config) -> torch.dtype:
    """The dtype of weights that are not quantised: all of them are trained only in float32, unless asked otherwise."""
    if config.method == "full" and config.dtype == "auto":
        return torch.float32
    return chosen_dtype(config.dtype, placed(config.device))


def build(config: Config) -> Any:
    """The model.  Raises UsageError."""
    if config.packing and config.trust_remote_code:
        raise UsageError("packing is not known to be right for remote code: leave out packing or trust_remote_code")
    model = load_model(
        config.model,
        config.quant if config.method == "qlora" else "none",
        config.device,
        str(dtype_of(config)).removeprefix("torch."),
        attention=config.attention,
        revision=config.revision,
        trust_remote_code=config.trust_remote_code,
    )
    _windows(config, model)
    if checkpoints(config):
        # 5.23 gave it another name.
        enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
        enable({"use_reentrant": False})
    transformers.set_seed(config.seed)
    return model.requires_grad_(True) if config.method == "full" else _adapted(config, model)


def checkpoints(config: Config) -> bool:
    """Whether layers are computed again in the backward pass."""
    return config.offload or (
        placed(config.device).type == "cuda" if config.checkpointing == "auto" else config.checkpointing
    )


def _adapted(config: Config, model: Any) -> Any:
    from peft import LoraConfig, get_peft_model

    _named(config.lora.targets, model)
    # Nothing is copied to fp32, as prepare_model_for_kbit_training would; the adapter itself is fp32.
    lora = LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.targets,
        use_dora=config.lora.dora,
        use_rslora=config.lora.rslora,
        bias="none",
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, lora)
    except ValueError as error:
        raise UsageError(f"lora: {' '.join(str(error).split())}") from error


def _named(targets: str | Sequence[str], model: Any) -> None:
    """Every target is a module of the model: peft trains those that are, and says nothing of the rest."""
    names = [name for name, _ in model.named_modules()]
    wrong = (
        [] if isinstance(targets, str) else [t for t in targets if not any(f".{n}".endswith(f".{t}") for n in names)]
    )
    if wrong:
        linear = {n.rpartition(".")[2] for n, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
        raise UsageError(f"lora.targets: the model has no module {wrong[0]!r}; it has {', '.join(sorted(linear))}")


def _windows(config: Config, model: Any) -> None:
    """Packed rows bring a mask of their own, which knows no sliding window."""
    window = getattr(model.config, "sliding_window", None)
    if config.packing and config.attention != "flash_attention_2" and window and window < config.max_length:
        raise UsageError(
            f"packing: the model looks back {window} tokens, and max_length is {config.max_length}: leave out packing, "
            f"or set max_length: {window}"
        )


def arguments(config: Config, plan: Plan, folder: Path, resumed: bool, measured: bool) -> Any:
    """TrainingArguments of every release; `measured` says whether rows are held out."""
    place = placed(config.device)
    gpu = place.type == "cuda"
    computed = chosen_dtype("auto", place) if config.method == "full" and config.dtype == "auto" else dtype_of(config)
    every = min(config.save_every or plan.updates_an_epoch, plan.updates)
    if config.liger:
        _needs_gpu(gpu)
    warmup = config.warmup if config.warmup >= 1 else config.warmup * plan.updates
    settings: dict[str, Any] = {
        "output_dir": str(folder),
        "max_steps": plan.updates,
        "per_device_train_batch_size": config.batch,
        "gradient_accumulation_steps": config.accumulate,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.scheduler if not (config.scheduler == "constant" and warmup) else _WARM,
        "warmup_steps": math.ceil(warmup),
        "weight_decay": config.weight_decay,
        "max_grad_norm": config.max_grad_norm,
        "optim": _optimizer(config, gpu),
        "neftune_noise_alpha": config.neftune,
        "bf16": gpu and computed == torch.bfloat16,
        "fp16": gpu and computed == torch.float16,
        "use_cpu": not gpu,
        "seed": config.seed,
        "logging_steps": config.log_every,
        "logging_nan_inf_filter": False,
        "save_steps": every,
        "eval_steps": every,
        "eval_strategy": "steps" if measured else "no",
        "eval_on_start": measured and not resumed,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "load_best_model_at_end": measured,
        "metric_for_best_model": "eval_loss" if measured else None,
        "greater_is_better": False if measured else None,
        "report_to": config.report_to or "none",
        "run_name": Path(config.output).name,
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "use_liger_kernel": config.liger,
    }
    if "LOCAL_RANK" in os.environ and not sharded():
        settings["ddp_find_unused_parameters"] = False
    return transformers.TrainingArguments(**settings)


_WARM = "constant_with_warmup"


def _optimizer(config: Config, gpu: bool) -> str:
    if config.optimizer != "auto":
        if config.optimizer != "adamw":
            require("bitsandbytes")
        return OPTIMIZERS[config.optimizer]
    from importlib.util import find_spec

    small = gpu and config.method != "full" and find_spec("bitsandbytes") is not None
    return OPTIMIZERS["paged-adamw-8bit" if small else "adamw"]


def _needs_gpu(gpu: bool) -> None:
    if not gpu:
        raise UsageError("liger's kernels run on a GPU only: leave out `liger`")
    if not transformers.utils.is_liger_kernel_available():
        raise UsageError("liger needs liger-kernel: run `pip install liger-kernel`")
