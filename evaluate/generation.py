"""Answers of a transformers model to a batch of prompts, the same whatever else is in the batch.

Rows are padded on the left, and `generate` counts positions from the attention mask; whether a model heeds that is
measured before it is relied on.  Where it does not, rows of one length make a batch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

APART = {"torch.float32": 1e-3, "torch.float64": 1e-3}
"""How far two distributions of the next token may lie apart, by the type they are computed in, and still be one."""
COARSE = 0.1
"""The same for 16-bit weights, which round differently in every shape of a batch."""


@dataclass(frozen=True)
class Row:
    """What is to be answered; `name` and `seed` decide what is drawn, where anything is."""

    name: str
    ids: Sequence[int]
    seed: int = 0


@dataclass(frozen=True)
class Written:
    """An answer's token ids, the one that ends it left out."""

    ids: list[int]
    stopped: bool
    """Whether the model ended it itself."""


class Writer:
    """A model that answers batches; `stops` are the ids of the tokens that end an answer."""

    def __init__(self, model: Any, stops: frozenset[int], most: int, temperature: float = 0.0) -> None:
        from transformers import GenerationConfig

        self.model, self.stops, self.most, self.temperature = model, stops, most, temperature
        self.pad = min(stops, default=0)
        # The model's own would add its penalties and ways of drawing to ours.
        plain = GenerationConfig(
            do_sample=False, num_beams=1, eos_token_id=sorted(stops) or None, pad_token_id=self.pad, use_cache=True
        )
        for part in filter(None, (model, inner(model))):
            part.generation_config = plain

    def write(self, rows: Sequence[Row]) -> list[Written]:
        """An answer to each row, in their order."""
        import torch

        ids, mask = self.padded([row.ids for row in rows])
        drawn = [Drawn(self.temperature, rows)] if self.temperature else []
        with torch.inference_mode():
            made = self.model.generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=self.most, logits_processor=drawn
            )
        return [self._cut(row) for row in made[:, ids.shape[1] :].tolist()]

    def padded(self, rows: Sequence[Sequence[int]], length: int = 0) -> tuple[Any, Any]:
        """Token ids [rows, length] with padding on the left, and the attention mask [rows, length]."""
        import torch

        length = max(length, *map(len, rows))
        ids = [[self.pad] * (length - len(row)) + list(row) for row in rows]
        mask = [[0] * (length - len(row)) + [1] * len(row) for row in rows]
        device = self.model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _cut(self, ids: list[int]) -> Written:
        end = next((at for at, token in enumerate(ids) if token in self.stops), None)
        return Written(ids if end is None else ids[:end], end is not None)

    def heeds_padding(self, short: Sequence[int], length: int) -> bool:
        """Whether padding a prompt to a length leaves its next two tokens as likely as they were."""
        import torch

        if len(short) >= length:
            return True
        seen = []
        for padded in (0, length):
            ids, mask = self.padded([short], padded)
            with torch.inference_mode():
                seen.append(self._chances(ids, mask, next((t for t in short if t not in self.stops), self.pad)))
        bound = APART.get(str(self.model.dtype), COARSE)
        return all((a - b).abs().sum() / 2 <= bound for a, b in zip(*seen, strict=True))

    def _chances(self, ids: Any, mask: Any, first: int) -> list[Any]:
        """The distributions of the next two tokens, of which `first` is the first."""
        import torch

        raw: list[Any] = []

        def watched(_: Any, scores: Any) -> Any:
            raw.append(torch.softmax(scores[0].double(), -1))
            only = torch.full_like(scores, -torch.inf)
            only[:, first] = 0.0
            return only

        self.model.generate(input_ids=ids, attention_mask=mask, max_new_tokens=2, logits_processor=[watched])
        return raw


class Drawn:
    """A logits processor after which the most likely token is one drawn at a temperature: Gumbel noise is added.

    Every row draws from a generator of its own, so that neither the batch nor the device has a say in it.
    """

    def __init__(self, temperature: float, rows: Sequence[Row]) -> None:
        import torch

        self.temperature = temperature
        self.generators = [torch.Generator().manual_seed(_seed(row)) for row in rows]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """Scores [rows, vocabulary] with their noise."""
        import torch

        noise = torch.stack(
            [torch.rand(scores.shape[-1], generator=one, dtype=torch.float64) for one in self.generators]
        )
        gumbel = -torch.log(-torch.log(noise.clamp(min=1e-300)))
        return scores.double() / self.temperature + gumbel.to(scores.device)


def _seed(row: Row) -> int:
    return int.from_bytes(hashlib.sha256(f"{row.seed} {row.name}".encode("utf-8", "surrogatepass")).digest()[:7], "big")


def inner(model: Any) -> Any:
    """The model within an adapter; None where there is no adapter."""
    return model.get_base_model() if hasattr(model, "get_base_model") else None


def stop_ids(model: Any, tokenizer: Any, end: str) -> frozenset[int]:
    """The ids that end an answer: the configuration's, the tokenizer's, and the token the template ends a turn with."""
    told = getattr(model.generation_config, "eos_token_id", None)
    found = {*(told if isinstance(told, list | tuple) else [told]), tokenizer.eos_token_id}
    if end:
        found.add(tokenizer.convert_tokens_to_ids(end) if end in tokenizer.get_vocab() else None)
    return frozenset(token for token in found if token is not None)
