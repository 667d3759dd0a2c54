"""What the scripts of this folder train: a Llama of two layers and a tokenizer of 32 words, made on the spot."""

import os
import tempfile
from pathlib import Path

import torch

FOLDER = os.environ.get("TINY_MODEL") or tempfile.mkdtemp()
OUT = os.environ.get("TINY_OUT") or tempfile.mkdtemp()
WORDS = [f"w{number}" for number in range(24)]
SPECIAL = ["<pad>", "<s>", "</s>", "<unk>", "user", "assistant", ":", "."]
TEMPLATE = "{% for m in messages %}{{ m.role }} : {{ m.content }} . {% endfor %}"
losses: list[float] = []


def make() -> None:
    """Save the model, its weights a function of their names alone, and the tokenizer."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    config = LlamaConfig(
        vocab_size=32, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=64, pad_token_id=0, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    model = LlamaForCausalLM(config).float()
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if parameter.dim() > 1:
                dice = torch.Generator().manual_seed(sum(map(ord, name)))
                parameter.copy_(torch.randn(parameter.shape, generator=dice) * 0.3)
    model.save_pretrained(FOLDER)
    made = Tokenizer(models.WordLevel({w: i for i, w in enumerate(SPECIAL + WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokens = {"pad_token": "<pad>", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made, model_max_length=64, **tokens)
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(FOLDER)


def texts(count: int = 8, length: int = 6) -> list[str]:
    """Sentences of the vocabulary."""
    return [" ".join(WORDS[(7 * row + 3 * word) % 24] for word in range(length)) for row in range(count)]


def rows(count: int = 8, length: int = 6) -> list[dict[str, torch.Tensor]]:
    """Tokenised rows, ready to be batched; the first label is masked, for 4.47 divides by the labels before the shift."""
    ids = [torch.tensor([8 + WORDS.index(word) for word in text.split()]) for text in texts(count, length)]
    labels = [torch.cat([torch.tensor([-100]), row[1:]]) for row in ids]
    return [
        {"input_ids": row, "attention_mask": torch.ones_like(row), "labels": label}
        for row, label in zip(ids, labels, strict=True)
    ]


def report(trained) -> None:
    """Remember the losses of a Trainer, or of a loop."""
    found = trained if isinstance(trained, list) else [e["loss"] for e in trained.state.log_history if "loss" in e]
    losses.extend(float(loss) for loss in found)
    print("losses", losses)  # noqa: T201


if not (Path(FOLDER) / "config.json").exists():
    make()
