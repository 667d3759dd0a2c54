"""What a run is and what it takes: the settings that memory depends on, and the estimate that they get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Method = Literal["qlora", "lora", "full"]
Quant = Literal["nf4", "nf4-double", "int8", "none"]
Optimizer = Literal["paged-adamw-8bit", "adamw-8bit", "adamw"]
Attention = Literal["sdpa", "eager"]
Stage = Literal["load", "train", "generate"]

GIB = 1 << 30
CONTEXT = 4 * GIB // 10
"""Bytes of a card that no tensor can have: the CUDA context and the kernels of torch, cuBLAS and bitsandbytes."""


@dataclass(frozen=True)
class Run:
    """The settings of one run; lengths in tokens."""

    method: Method = "qlora"
    quant: Quant = "nf4-double"
    max_length: int = 1024
    batch: int = 1
    rank: int = 32
    accumulate: int = 1
    """Batches an update; above one, the gradients of earlier batches are there while the next one runs."""
    optimizer: Optimizer = "paged-adamw-8bit"
    upcast: bool = True
    """Whether embeddings, norms and head are copied to fp32, as peft's `prepare_model_for_kbit_training` does."""
    fused_loss: bool = False
    """Whether the loss is computed in chunks (liger, TRL), so that the logits of a batch are never there at once."""
    checkpointing: bool = True
    """Whether only the input of each layer is kept for the backward pass."""
    offload: bool = False
    """Whether those inputs wait in host memory."""
    adapter_itemsize: int = 4
    """Bytes of one adapter weight: peft keeps fp32, TRL turns to bf16 under QLoRA."""
    attention: Attention = "sdpa"
    prompt: int = 512
    new_tokens: int = 64
    device: Literal["gpu", "cpu"] = "gpu"
    """Where the model is; on the CPU the process holds everything."""
    asynchronous: bool = True
    """Whether reader threads may run ahead (transformers 5; `HF_DEACTIVATE_ASYNC_LOAD=1` forbids it)."""


@dataclass(frozen=True)
class Estimate:
    """The peak of one stage; bytes of GPU memory in torch's allocator, without the CUDA context."""

    stage: Stage
    transformers: str
    peak: int
    low: int
    high: int
    """The interval that the peak lies in."""
    where: str
    """What happens when the peak is reached."""
    parts: Mapping[str, int] = field(default_factory=dict)
    """What it consists of; sums up to `peak`."""
    host: int = 0
    """Bytes of host memory, at the peak of the process."""
    why: str = ""
    """What this release, or this setting, does that others do not."""

    def fits(self, card: int | None) -> bool | None:
        """Whether it fits a card with this many bytes free; None where no card is known."""
        return None if card is None else self.peak + CONTEXT <= card

    def tight(self, card: int) -> bool:
        """Whether it fits by the estimate, and not by the upper end of its interval."""
        return self.peak + CONTEXT <= card < self.high + CONTEXT
