"""The loss over learnt tokens alone: no logits are made for the rest, and those of many tokens never all at once.

The head of the model is handed only what the loss needs.  Where it is a plain linear layer and the model's logits are
what that layer gives, the loss makes them itself, in chunks, with their gradient at once.  A model that does more with
its logits (caps, scales) makes them itself, for the learnt tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from doctor.chat.mask import IGNORED
from doctor.trainer.batch import Batch, inputs_of

CHUNK = 1 << 24
"""Logits that are there at once."""


class Loss:
    """Sums of nats over the learnt tokens of batches, for one model."""

    def __init__(self, model: Any, chunked: bool = True) -> None:
        self.head: nn.Module = model.get_output_embeddings()
        self.chunked: bool | None = None if chunked and type(self.head) is nn.Linear else False
        """Whether the logits are those of the head; None: not known yet."""
        self.seen: Tensor | None = None

    def __call__(self, model: Any, batch: Batch) -> Tensor:
        """The sum over a batch; `model` is the model, however it is wrapped."""
        targets = batch["targets"][:, 1:]
        rows, places = (targets != IGNORED).nonzero(as_tuple=True)
        wanted = targets[rows, places]
        with self._handing(rows, places):
            logits = model(**inputs_of(batch), use_cache=False).logits
        if self.seen is None:
            raise RuntimeError(f"{type(self.head).__name__} was not called: the model makes its logits in another way")
        hidden, self.seen = self.seen, None
        if not len(wanted):
            return hidden.sum() * 0.0
        if self.chunked is None:
            with torch.no_grad():
                self.chunked = torch.equal(self.head(hidden[:, :1]).float(), logits.float())
            if not self.chunked:
                return self(model, batch)
        if not self.chunked:
            return nn.functional.cross_entropy(logits[0].float(), wanted, reduction="sum")
        head: Any = self.head
        made: Tensor = _Chunked.apply(hidden[rows, places], head.weight, head.bias, wanted)
        return made

    @contextmanager
    def _handing(self, rows: Tensor, places: Tensor) -> Iterator[None]:
        """Hand the head one position where the loss makes the logits itself, else those that are learnt."""

        def hand(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            self.seen = given[0]
            few = given[0][:, :1] if self.chunked is not False or not len(rows) else given[0][rows, places][None]
            return (few, *given[1:])

        hook = self.head.register_forward_pre_hook(hand)
        try:
            yield
        finally:
            hook.remove()


class _Chunked(torch.autograd.Function):  # type: ignore[misc]
    """Cross-entropy of `hidden @ weight.T + bias`, summed; its gradient is made on the way."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, bias: Tensor | None, wanted: Tensor) -> Tensor:
        of_hidden, of_weight, of_bias, _ = ctx.needs_input_grad
        grads: list[Tensor | None] = [
            torch.empty_like(hidden) if of_hidden else None,
            torch.zeros_like(weight) if of_weight else None,
            torch.zeros_like(bias) if of_bias and bias is not None else None,
        ]
        total = torch.zeros((), device=hidden.device)
        size = max(1, CHUNK // len(weight))
        for start in range(0, len(hidden), size):
            part, right = hidden[start : start + size].to(weight.dtype), wanted[start : start + size, None]
            logits = nn.functional.linear(part, weight, bias).float()
            norm = logits.logsumexp(-1, keepdim=True)
            total += (norm - logits.gather(1, right)).sum()
            if not any(ctx.needs_input_grad):
                continue
            slope = logits.sub_(norm).exp_()
            slope.scatter_add_(1, right, torch.full_like(norm, -1.0))
            slope = slope.to(weight.dtype)
            if grads[0] is not None:
                grads[0][start : start + size] = slope @ weight
            if grads[1] is not None:
                grads[1] += slope.T @ part
            if grads[2] is not None:
                grads[2] += slope.sum(0)
        ctx.grads = grads
        return total

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        return (*(None if grad is None else grad * slope.to(grad.dtype) for grad in ctx.grads), None)
