"""A small llama with a tokenizer of bytes and a chat template, made on the spot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from doctor.chat.families import TEMPLATES

CONTROL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")


def model(folder: Path, positions: int = 1024) -> Path:
    """Write a model folder: 2 layers, random weights that say something else after every prompt."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    made = tokenizer(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(made), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=positions, initializer_range=0.4, bos_token_id=1, eos_token_id=0,
        pad_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    # Whoever publishes a model may add what an evaluation must not take over.
    own = {"eos_token_id": 0, "do_sample": True, "temperature": 0.6, "repetition_penalty": 1.5}
    (folder / "generation_config.json").write_text(json.dumps(own), "utf-8")
    return folder


def tokenizer(folder: Path) -> Any:
    """Write a tokenizer of bytes that ends turns with <|im_end|>, which is not its end of text."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: at for at, token in enumerate([*CONTROL, *alphabet])}
    made = Tokenizer(models.BPE(vocabulary, []))
    made.add_special_tokens(list(CONTROL))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    whole = PreTrainedTokenizerFast(
        tokenizer_object=made, eos_token="<|endoftext|>", bos_token="<|im_start|>", pad_token="<|endoftext|>"
    )
    whole.chat_template = TEMPLATES["chatml"]
    whole.save_pretrained(folder)
    return whole


def adapter(folder: Path, base: Path) -> Path:
    """Write an adapter that changes every answer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    found = get_peft_model(
        AutoModelForCausalLM.from_pretrained(base), LoraConfig(r=4, lora_alpha=32, target_modules="all-linear")
    )
    for name, weight in found.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    found.save_pretrained(folder)
    return folder
