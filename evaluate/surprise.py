"""How unexpected the right answers are to a model: the mean negative log-probability of their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def surprises(model: Any, rows: Sequence[tuple[Sequence[int], int]]) -> list[float]:
    """For every row (token ids, and where its reference begins) the mean over the reference's tokens, in nats.

    Rows are padded on the right, behind all that counts.
    """
    import torch

    length = max(len(ids) for ids, _ in rows)
    ids = torch.tensor([[*ids, *[0] * (length - len(ids))] for ids, _ in rows], device=model.device)
    mask = torch.tensor([[1] * len(ids) + [0] * (length - len(ids)) for ids, _ in rows], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, use_cache=False).logits
        return [_mean(logits[at], ids[at], start, len(row)) for at, (row, start) in enumerate(rows)]


def _mean(logits: Any, ids: Any, start: int, end: int) -> float:
    """Over the tokens from `start` to before `end`, each told by the logits [length, vocabulary] before it."""
    import torch

    told = torch.log_softmax(logits[start - 1 : end - 1].float(), -1)
    return float(-told.gather(-1, ids[start:end, None]).double().mean())
