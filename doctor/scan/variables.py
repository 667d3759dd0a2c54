"""The environment variables that the training stack reads; secrets are never shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

PREFIXES = (
    "ACCELERATE_",
    "BITSANDBYTES_",
    "BNB_",
    "CUDA_",
    "DEEPSPEED_",
    "DS_",
    "FSDP_",
    "HF_",
    "HIP_",
    "HSA_",
    "HUGGINGFACE_",
    "HUGGING_FACE_",
    "KMP_",
    "MKL_",
    "NCCL_",
    "NVIDIA_",
    "OMP_",
    "PEFT_",
    "PYTORCH_",
    "ROCR_",
    "TOKENIZERS_",
    "TORCHDYNAMO_",
    "TORCHINDUCTOR_",
    "TORCH_",
    "TRANSFORMERS_",
    "TRITON_",
    "TRL_",
    "WANDB_",
    "XDG_CACHE_",
)
NAMES = frozenset(
    {
        "BITSANDBYTES_NOWELCOME",
        "CONDA_PREFIX",
        "DISABLE_TELEMETRY",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "PYTHONHOME",
        "PYTHONNOUSERSITE",
        "PYTHONPATH",
        "RANK",
        "USE_FLAX",
        "USE_TF",
        "USE_TORCH",
        "VIRTUAL_ENV",
        "WORLD_SIZE",
    }
)
REDACTED = "(set)"

_SECRETS = frozenset({"APIKEY", "CREDENTIAL", "CREDENTIALS", "KEY", "KEYS", "PASSWORD", "SECRET", "TOKEN", "TOKENS"})
_LOGIN = re.compile(r"//[^/@\s]+@")


def read(environment: Mapping[str, str]) -> dict[str, str]:
    """What the stack reads from an environment, by name.

    >>> read({"HF_TOKEN": "hf_abc", "HF_HOME": "/data", "TOKENIZERS_PARALLELISM": "false", "EDITOR": "vi"})
    {'HF_HOME': '/data', 'HF_TOKEN': '(set)', 'TOKENIZERS_PARALLELISM': 'false'}
    """
    read = sorted(name for name in environment if name in NAMES or name.startswith(PREFIXES))
    return {name: _redact(name, environment[name]) for name in read}


def _redact(name: str, value: str) -> str:
    if not _SECRETS.isdisjoint(name.upper().split("_")):
        return REDACTED
    return _LOGIN.sub(f"//{REDACTED}@", value)
