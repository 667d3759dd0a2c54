"""A tiny llama, the same bytes on every release, and conversations for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HIDDEN, INNER, LAYERS, HEADS, VOCABULARY = 64, 128, 2, 4, 384
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
NAMES = ("Tom", "Ada", "Max", "Eve", "Ben", "Zoe", "Leo", "Ivy")


def write_tokenizer(folder: Path) -> None:
    """Byte-level BPE with ChatML's tokens; needs tokenizers."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    special = [AddedToken(token, special=True) for token in ("<|endoftext|>", "<|im_start|>", "<|im_end|>")]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )  # fmt: skip
    made.train_from_iterator([turn["content"] for row in rows(60) for turn in row["messages"]], trainer)
    folder.mkdir(parents=True, exist_ok=True)
    made.save(str(folder / "tokenizer.json"))
    told = {
        "tokenizer_class": "PreTrainedTokenizerFast", "chat_template": CHATML, "eos_token": "<|im_end|>",
        "bos_token": "<|im_start|>", "pad_token": "<|endoftext|>", "model_max_length": 2048,
    }  # fmt: skip
    (folder / "tokenizer_config.json").write_text(json.dumps(told), "utf-8")


def write_config(folder: Path) -> None:
    """config.json, readable by every release."""
    rope = {"rope_theta": 10000.0, "rope_type": "default"}
    told = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": HIDDEN, "intermediate_size": INNER,
        "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": 2, "vocab_size": VOCABULARY,
        "max_position_embeddings": 2048, "rms_norm_eps": 1e-6, "tie_word_embeddings": True, "hidden_act": "silu",
        "rope_theta": 10000.0, "rope_parameters": rope, "torch_dtype": "float32", "dtype": "float32",
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(told), "utf-8")


def write_weights(folder: Path) -> None:
    """Random weights of seed 0; needs torch and safetensors."""
    import torch
    from safetensors.torch import save_file

    draw = torch.Generator().manual_seed(0)
    narrow = HIDDEN // HEADS * 2
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (VOCABULARY, HIDDEN)}
    for layer in range(LAYERS):
        place = f"model.layers.{layer}"
        for name, width in (("q", HIDDEN), ("k", narrow), ("v", narrow), ("o", HIDDEN)):
            shapes[f"{place}.self_attn.{name}_proj.weight"] = (width, HIDDEN)
        shapes |= {f"{place}.mlp.{name}_proj.weight": (INNER, HIDDEN) for name in ("gate", "up")}
        shapes[f"{place}.mlp.down_proj.weight"] = (HIDDEN, INNER)
    tensors = {name: torch.randn(shape, generator=draw) * 0.05 for name, shape in shapes.items()}
    norms = [f"model.layers.{n}.{name}_layernorm.weight" for n in range(LAYERS) for name in ("input", "post_attention")]
    tensors |= {name: torch.ones(HIDDEN) for name in [*norms, "model.norm.weight"]}
    save_file(tensors, str(folder / "model.safetensors"), {"format": "pt"})


def write_model(folder: Path) -> Path:
    """The whole folder."""
    write_tokenizer(folder)
    write_config(folder)
    write_weights(folder)
    return folder


def rows(count: int) -> list[dict[str, Any]]:
    """Conversations of one or two exchanges, each with a system prompt."""
    made = []
    for n in range(count):
        name = NAMES[n % len(NAMES)]
        turns = [
            {"role": "system", "content": "You are Mira, who keeps the lighthouse."},
            {"role": "user", "content": f"Who is {name}, number {n}?"},
            {"role": "assistant", "content": f"{name} is my neighbour, and lives at number {n} by the sea."},
        ]
        if n % 3 == 0:
            turns += [
                {"role": "user", "content": "And how old?"},
                {"role": "assistant", "content": f"{name} is {20 + n % 50} years old, as far as I know."},
            ]
        made.append({"messages": turns})
    return made


def write_rows(path: Path, count: int) -> Path:
    """The conversations as JSON Lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(count)), "utf-8")
    return path
