"""Held-out prompts, answered by the model as it is: greedy, so that the same model gives the same answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from doctor.chat.conversation import Conversation, Message
from doctor.chat.reader import Reader
from doctor.trainer.run_folder import Sample


def asked(prompts: Sequence[tuple[str, Conversation]]) -> list[Sample]:
    """The prompts, each up to its last answer; those without one are left out."""
    made: list[Sample] = []
    for name, row in prompts:
        places = [n for n, message in enumerate(row.messages) if message["role"] == "assistant"]
        if places and places[-1]:
            before, expected = row.messages[: places[-1]], row.messages[places[-1]]["content"]
            made.append({"row": name, "messages": before, "expected": expected, "before": "", "after": ""})
    return made


def answer(model: Any, tokenizer: Any, reader: Reader, messages: list[Message], most: int) -> str:
    """What the model says next, in at most that many tokens."""
    assert reader.template is not None
    text = reader.template.render(messages, prompt=True)
    ids = torch.tensor([tokenizer(text, add_special_tokens=False)["input_ids"]], device=model.device)
    ends = [tokenizer.convert_tokens_to_ids(end) for end in sorted(reader.ends)]
    settings = transformers.GenerationConfig(
        max_new_tokens=most,
        do_sample=False,
        use_cache=True,
        eos_token_id=[end for end in ends if isinstance(end, int)] or None,
        pad_token_id=0 if tokenizer.pad_token_id is None else tokenizer.pad_token_id,
    )
    was_training = model.training
    model.eval()
    with torch.no_grad():
        made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), generation_config=settings)
    model.train(was_training)
    said: str = tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)
    return said.strip()
