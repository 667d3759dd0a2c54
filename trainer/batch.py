"""Rows into tensors: padded at the end, or packed so that none sees another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.data import Dataset

from doctor.chat.mask import IGNORED
from doctor.trainer.plan import Line, Micro
from doctor.trainer.sharing import shared
from doctor.trainer.store import Store

Batch = dict[str, Any]
"""`inputs` are what the model takes; `targets` [rows, tokens] the labels, IGNORED where nothing is learnt."""


@dataclass(frozen=True)
class Batches(Dataset):  # type: ignore[misc]
    """The batch of each Micro of a plan."""

    store: Store
    dtype: torch.dtype
    """Of the attention mask of packed rows."""
    packing: bool = False
    flash: bool = False
    """Whether attention tells packed rows apart by their positions alone."""
    padding: int = 0

    def __getitem__(self, micro: Micro) -> Batch:
        lines = micro.lines
        if self.flash and self.packing:
            lines = (tuple(row for line in lines for row in line),) if lines else ()
        return {**self.tensors(lines), "learnt": micro.learnt, "tokens": micro.tokens}

    def tensors(self, lines: Sequence[Line]) -> Batch:
        """The batch of some lines; of none, one token of which nothing is learnt."""
        made = [self._line(line) for line in lines] or [([self.padding], [IGNORED], [0], [0])]
        width = max(len(ids) for ids, *_ in made)
        ids, targets, places, owners = (
            torch.tensor([part + [fill] * (width - len(part)) for part in parts])
            for parts, fill in zip(zip(*made, strict=True), (self.padding, IGNORED, 0, -1), strict=True)
        )
        if not self.packing:
            return {"input_ids": ids, "attention_mask": (owners >= 0).long(), "targets": targets}
        batch = {"input_ids": ids, "position_ids": places, "targets": targets}
        return batch if self.flash else {**batch, "attention_mask": apart(owners, self.dtype)}

    def _line(self, line: Line) -> tuple[list[int], list[int], list[int], list[int]]:
        """Ids, labels, positions, and which row each token belongs to; 0: to what the rows begin with."""
        once = shared(self.store, line) if self.packing and not self.flash else 0
        ids = self.store[line[0]][0][:once]
        targets, places, owners = [IGNORED] * once, list(range(once)), [0] * once
        for number, row in enumerate(line, 1):
            own, labels = self.store[row]
            ids += own[once:]
            # The first token does not follow from the row before it in the line.
            targets += [IGNORED, *labels[once + 1 :]]
            places += range(once, len(own))
            owners += [number] * (len(own) - once)
        return ids, targets, places, owners


def apart(owners: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """The mask [rows, 1, tokens, tokens] under which a token sees those before it of its own row, and the beginning.

    `owners` is 0 where a token belongs to what all rows of the line begin with.  The mask is added to scores.
    """
    width = owners.shape[1]
    seen = (owners[:, :, None] == owners[:, None, :]) | (owners[:, None, :] == 0)
    seen &= torch.ones(width, width, dtype=torch.bool).tril()
    return torch.zeros(seen.shape, dtype=dtype).masked_fill(~seen, torch.finfo(dtype).min)[:, None]


def inputs_of(batch: Batch) -> Batch:
    """What of a batch the model takes."""
    return {name: batch[name] for name in ("input_ids", "attention_mask", "position_ids") if name in batch}
