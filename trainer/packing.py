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
ROUNDING = 1e-4
"""Relative difference that rounding makes in any case."""


def check(model: Any, loss: Loss, batches: Batches, rows: Sequence[int]) -> None:
    """Compare two rows packed with the same rows alone; raises UsageError where they see each other."""
    ordered = sorted(rows[:200], key=batches.store.length)
    pair = tuple(ordered[len(ordered) // 2 :][:2])
    if len(pair) < 2:
        return
    model.eval()
    with torch.no_grad():
        alone = sum(float(loss(model, _there(model, batches.tensors([(row,)])))) for row in pair)
        whole = _there(model, batches.tensors([pair]))
        packed = float(loss(model, whole))
        ones = torch.ones_like(whole["input_ids"])
        mixed = float(loss(model, {**whole, "attention_mask": ones, "position_ids": ones.cumsum(-1) - 1}))
    allowed = max(NEAR * abs(mixed - alone), ROUNDING * abs(alone))
    if abs(packed - alone) > allowed:
        raise UsageError(
            f"packing: {type(model).__name__} does not keep packed rows apart: two rows lose {alone:.4f} nats alone "
            f"and {packed:.4f} packed: leave out packing"
        )


def _there(model: Any, batch: Batch) -> Batch:
    return {name: value.to(model.device) for name, value in batch.items()}
