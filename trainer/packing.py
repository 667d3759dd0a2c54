"""Whether a model keeps packed rows apart: asked of the model itself, before anything is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from doctor.settings import UsageError
from doctor.trainer.batch import Batch, Batches
from doctor.trainer.loss import Loss

NEAR = 0.1
"""The share of the difference that seeing each other makes, which rounding may make too."""
ROUNDING = {torch.float32: 1e-4, torch.float16: 2e-3, torch.bfloat16: 1e-2}
"""Relative difference that rounding makes in any case."""


def check(model: Any, loss: Loss, batches: Batches, rows: Sequence[int]) -> None:
    """Compare a row packed with itself to the row alone; raises UsageError where the second sees the first.

    What a model sees twice it repeats, so that seeing it changes the loss far more than rounding does.
    """
    ordered = sorted(rows[:200], key=batches.store.length)
    row = ordered[len(ordered) // 2]
    model.eval()
    with torch.no_grad():
        alone = 2 * float(loss(model, _there(model, batches.tensors([(row,)]))))
        whole = _there(model, batches.tensors([(row, row)]))
        packed = float(loss(model, whole))
        ones = torch.ones_like(whole["input_ids"])
        mixed = float(loss(model, {**whole, "attention_mask": ones, "position_ids": ones.cumsum(-1) - 1}))
    allowed = max(NEAR * abs(mixed - alone), ROUNDING[batches.dtype] * abs(alone))
    if abs(packed - alone) > allowed:
        raise UsageError(
            f"packing: {type(model).__name__} does not keep packed rows apart: a row and its copy lose {alone:.4f} "
            f"nats alone and {packed:.4f} packed: leave out packing"
        )


def _there(model: Any, batch: Batch) -> Batch:
    return {name: value.to(model.device) for name, value in batch.items()}
