"""What the proofs of patches share: a model that generates out of one parameter, and loading as users do it."""

from __future__ import annotations

import tempfile
from typing import Any

import torch
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutputWithPast

VOCABULARY = 8


class TinyConfig(PretrainedConfig):
    model_type = "tiny-proof"

    def __init__(self, **kwargs: Any) -> None:
        self.vocab_size, self.hidden_size = VOCABULARY, 4
        self.num_hidden_layers = self.num_attention_heads = 1
        super().__init__(**{"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, **kwargs})


class Tiny(PreTrainedModel, GenerationMixin):
    """Always says token 3.  `seen` holds the number of tokens of each forward pass."""

    config_class = TinyConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.bias = torch.nn.Parameter(torch.eye(VOCABULARY)[3])
        self.seen: list[int] = []
        self.post_init()

    def _init_weights(self, module: Any) -> None: ...

    def answer(self, input_ids: Any, past_key_values: Any = None) -> Any:
        self.seen.append(input_ids.shape[1])
        logits = self.bias.expand(*input_ids.shape, -1)
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    def says(self, prompt: int = 2, tokens: int = 3, **settings: Any) -> list[int]:
        """The tokens generated after a prompt of that many."""
        ids = torch.ones(1, prompt, dtype=torch.long)
        mask = torch.ones_like(ids)
        settings = {
            "do_sample": False,
            "use_cache": True,
            "max_new_tokens": tokens,
            "min_new_tokens": tokens,
            **settings,
        }
        return self.generate(ids, attention_mask=mask, **settings)[0, prompt:].tolist()


def words() -> Any:
    """A tokenizer of eight words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate("?.abcdef")}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="?"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, unk_token="?", pad_token=".", eos_token=".")


def folder() -> str:
    """A folder in which Tiny is saved."""
    made = tempfile.mkdtemp()
    Tiny(TinyConfig()).save_pretrained(made)
    return made


def states(tokens: int = 3) -> Any:
    """Keys or values of one layer."""
    return torch.ones(1, 1, tokens, 4)


def reloaded(model: Any) -> Any:
    """The model, saved and loaded again."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return type(model).from_pretrained(folder)
