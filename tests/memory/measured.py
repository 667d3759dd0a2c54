"""Peaks that were measured, and what the memory model says of them.

GPU: Phi-3-mini's shape with random bf16 weights (7.642 GB), nf4 with double quantisation, bitsandbytes 0.50.2, peft
0.21.2, torch 2.11 on one H100; torch's `max_memory_allocated`.  Training: rank 32 on all linear layers unless said,
batch 1, PagedAdamW8bit, bf16 autocast, gradient checkpointing, transformers 5.17.  Host: peak resident memory of the
process, torch 2.13 for the CPU, one thread, two Llama shapes with random bf16 weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from packaging.version import Version

from doctor.memory.generating import generate
from doctor.memory.loading import load
from doctor.memory.run import GIB, Estimate, Run
from doctor.memory.shape import Shape, shape_of
from doctor.memory.training import train
from doctor.model import ModelFacts

PHI3: dict[str, Any] = {
    "model_type": "phi3", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32064, "max_position_embeddings": 4096,
    "tie_word_embeddings": False, "sliding_window": 2047,
}  # fmt: skip
LLAMA_135M: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
LLAMA_316M: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24,
    "num_attention_heads": 16, "num_key_value_heads": 8, "vocab_size": 32000, "tie_word_embeddings": True,
}  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One measurement; bytes."""

    what: str
    measured: int
    predicted: Callable[[], Estimate]
    bound: float = 0.05
    """How far the prediction may be off, as a share of what was measured."""
    host: bool = False

    @property
    def figure(self) -> int:
        """The predicted bytes that were measured here."""
        found = self.predicted()
        return found.host if self.host else found.peak

    @property
    def error(self) -> float:
        return self.figure / self.measured - 1


PHI = shape_of(ModelFacts("/models/phi3-mini", PHI3))
USUAL = Run()
LEAN = replace(USUAL, upcast=False, fused_loss=True)
TRL = replace(LEAN, adapter_itemsize=2)
MEASURED_ON = Version("5.17.0")


def _loads() -> list[Row]:
    peaks = {"4.47.1": 2.190, "4.57.6": 3.467, "5.0.0": 6.976, "5.1.0": 6.976, "5.2.0": 6.976, "5.3.0": 6.976}
    peaks |= dict.fromkeys(("5.4.0", "5.5.4", "5.6.2", "5.10.4", "5.12.1", "5.17.0", "5.23.0"), 2.190) | {
        "5.8.1": 2.476
    }
    rows = [
        Row(f"load, {release}", int(peak * GIB), lambda release=release: load(PHI, USUAL, Version(release)))  # type: ignore[misc]
        for release, peak in peaks.items()
    ]
    held = replace(USUAL, asynchronous=False)
    for release in ("5.0.0", "5.3.0"):
        what = f"load, {release}, HF_DEACTIVATE_ASYNC_LOAD=1"
        rows.append(Row(what, int(2.190 * GIB), lambda release=release: load(PHI, held, Version(release))))  # type: ignore[misc]
    return rows


def _generations() -> list[Row]:
    return [
        Row(
            f"generate 512 + 64, {release}",
            int(peak * GIB),
            lambda release=release: generate(PHI, USUAL, Version(release)),
        )  # type: ignore[misc]
        for release, peak in {"4.47.1": 2.65, "4.57.6": 2.46, "5.0.0": 2.46, "5.23.0": 2.46}.items()
    ]


def _trainings() -> list[Row]:
    runs = {
        "prepare_model_for_kbit_training, 512, rank 16": (replace(USUAL, max_length=512, rank=16), 3.243),
        "prepare_model_for_kbit_training, 1024": (USUAL, 3.772),
        "the same + liger, 1024": (replace(USUAL, fused_loss=True), 3.486),
        "liger, no fp32 copies, 1024": (LEAN, 2.834),
        "liger, no fp32 copies, 2048": (replace(LEAN, max_length=2048), 3.137),
        "liger, no fp32 copies, 4096": (replace(LEAN, max_length=4096), 3.844),
        "the same, layer inputs on the host, 2048": (replace(LEAN, max_length=2048, offload=True), 2.974),
        "the same, layer inputs on the host, 4096": (replace(LEAN, max_length=4096, offload=True), 3.326),
        "TRL 1.15 SFTTrainer, 1024": (TRL, 2.708),
        "TRL 1.15 SFTTrainer + liger, 1024": (TRL, 2.682),
        "TRL 1.15 SFTTrainer + liger, 2048": (replace(TRL, max_length=2048), 3.030),
    }
    return [
        Row(f"train, {what}", int(peak * GIB), lambda run=run: train(PHI, run, MEASURED_ON))  # type: ignore[misc]
        for what, (run, peak) in runs.items()
    ]


def _hosts() -> list[Row]:
    """Load and generate 512 + 16 tokens; two steps of LoRA on rows of 256 tokens, torch's AdamW."""
    peaks = {
        ("135M", "4.47.1"): (355, 635, 1082),
        ("135M", "5.0.0"): (392, 671, 1095),
        ("135M", "5.23.0"): (397, 677, 1154),
        ("316M", "4.47.1"): (331, 1019, 1610),
        ("316M", "5.0.0"): (369, 1049, 1522),
        ("316M", "5.23.0"): (374, 1059, 1564),
    }
    rows: list[Row] = []
    for (size, release), figures in peaks.items():
        shape = shape_of(ModelFacts(f"/models/{size}", LLAMA_135M if size == "135M" else LLAMA_316M))
        rows += _host(f"{size}, {release}", shape, Version(release), figures)
    return rows


def _host(name: str, shape: Shape, release: Version, figures: tuple[int, int, int]) -> list[Row]:
    run = Run(method="lora", quant="none", device="cpu", max_length=256, optimizer="adamw", new_tokens=16)
    run = replace(run, upcast=False)
    predicted: dict[str, Callable[[], Estimate]] = {
        "load": lambda: load(shape, run, release),
        "generate": lambda: generate(shape, run, release),
        "train": lambda: train(shape, run, release),
    }
    return [
        Row(f"host, {stage}, Llama {name}", figure * 1_000_000, predicted[stage], bound=0.15, host=True)
        for stage, figure in zip(predicted, figures, strict=True)
    ]


ROWS = (*_loads(), *_generations(), *_trainings(), *_hosts())
