"""A model folder written as one GGUF file, a weight at a time, in 32, 16, 8 or 4 bits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor.settings import UsageError
from doctor.trainer.export import architectures, portable, tokenizer, vocabulary
from doctor.trainer.export.architectures import CONVERTER, Kind
from doctor.trainer.export.source import read_object
from doctor.trainer.export.vocabulary import Vocabulary
from doctor.trainer.export.weights import Weights

if TYPE_CHECKING:
    import numpy as np
    from gguf import GGUFWriter
    from torch import Tensor

    Array = np.ndarray[Any, np.dtype[Any]]

TYPES = ("f32", "f16", "q8_0", "q4_0")
WHOLE = ("f32", "f16")
"""Those that keep every weight by itself."""
PHI_TOKENS = {"<unk>", "<s>", "</s>", "<|endoftext|>"}
_PHI = re.compile("phi-?3", re.IGNORECASE)
BLOCK = 32
"""Weights that share one scale in q8_0 and q4_0."""
LARGEST = 65504.0
"""The largest number of 16 bits."""


@dataclass(frozen=True)
class Stored:
    """One tensor of the file."""

    name: str
    source: str
    """Its name in the model folder."""
    kind: str
    """F32, F16, Q8_0 or Q4_0."""
    heads: int = 0
    """Heads whose rows are interleaved; 0: none."""
    added: float = 0.0


def write(folder: Path, path: Path, form: str, name: str) -> None:
    """Write `path` from a model folder in one of TYPES.

    Raises UsageError where the architecture, its rotary embedding or the tokenizer is not known.
    """
    import gguf

    config = portable.config(read_object(folder / "config.json"))
    kind = architectures.kind_of(config, folder)
    with Weights(folder) as weights:
        entries = list(_stored(weights, kind, config, form))
        rows = next(entry for entry in entries if entry.name == "token_embd.weight")
        words = vocabulary.read(folder, weights.entries[rows.source].shape[0], _ends(folder, config))
        writer = gguf.GGUFWriter(path, kind.name)
        try:
            _head(writer, config, form, _title(name, words))
            words.write(writer)
            if template := tokenizer.read(folder).template:
                writer.add_chat_template(template.source)
            _tensors(writer, weights, entries, config)
        finally:
            writer.close()


def _title(name: str, words: Vocabulary) -> str:
    """The name in the file.  By it llama.cpp knows Phi-3, drops the space after special tokens, and expects these."""
    plain = _PHI.sub("phi 3", name)
    return f"phi-3 {plain}" if words.trims and set(words.tokens) >= PHI_TOKENS else plain


def _head(writer: GGUFWriter, config: Mapping[str, Any], form: str, title: str) -> None:
    import gguf

    file_type = "ALL_F32" if form == "f32" else f"MOSTLY_{form.upper()}"
    writer.add_name(title)
    writer.add_file_type(gguf.LlamaFileType[file_type])
    if form not in WHOLE:
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    architectures.describe(writer, config)


def _stored(weights: Weights, kind: Kind, config: Mapping[str, Any], form: str) -> Iterator[Stored]:
    import gguf

    architecture = next(number for number, name in gguf.MODEL_ARCH_NAMES.items() if name == kind.name)
    names = gguf.get_tensor_name_map(architecture, config["num_hidden_layers"])
    tied = config.get("tie_word_embeddings")
    for source, entry in weights.entries.items():
        if source.endswith(("rotary_emb.inv_freq", ".masked_bias")) or (tied and source == "lm_head.weight"):
            continue
        made = names.get_name(source, try_suffixes=(".weight", ".bias"))
        if made is None:
            raise UsageError(f"{weights.path}: llama.cpp has no place for {source}: use {CONVERTER}")
        norm = len(entry.shape) == 1
        yield Stored(
            made,
            source,
            "F32" if norm else _kind_of(made, entry.shape[-1], form),
            heads=_heads(source, config) if kind.permuted else 0,
            added=1.0 if kind.one_added and made.endswith("norm.weight") else 0.0,
        )


def _kind_of(name: str, width: int, form: str) -> str:
    if form in WHOLE or width % BLOCK:
        return "F32" if form == "f32" else "F16"
    # The embeddings, and with them a tied head, cost a model most when they are rough.
    return "Q8_0" if form == "q8_0" or name in ("token_embd.weight", "output.weight") else "Q4_0"


def _heads(source: str, config: Mapping[str, Any]) -> int:
    heads = int(config["num_attention_heads"])
    if ".q_proj." in source:
        return heads
    return int(config.get("num_key_value_heads") or heads) if ".k_proj." in source else 0


def _tensors(writer: GGUFWriter, weights: Weights, entries: list[Stored], config: Mapping[str, Any]) -> None:
    """Announce every tensor, then write them one by one, so that memory holds one."""
    import gguf
    import numpy as np

    extra = {name: np.array(values, dtype=np.float32) for name, values in architectures.factors(config).items()}
    for name, values in extra.items():
        writer.add_tensor_info(name, values.shape, values.dtype, values.nbytes)
    for entry in entries:
        shape = weights.entries[entry.source].shape
        raw = gguf.GGMLQuantizationType[entry.kind]
        size, width = gguf.GGML_QUANT_SIZES[raw]
        count = int(np.prod(shape))
        writer.add_tensor_info(entry.name, shape, np.dtype(np.float32), count // size * width, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for values in extra.values():
        writer.write_tensor_data(values)
    for entry in entries:
        writer.write_tensor_data(_values(weights.read(entry.source), entry))


def _values(tensor: Tensor, entry: Stored) -> Array:
    import gguf

    found: Array = tensor.float().numpy()
    if entry.heads:
        rows = found.shape[0] // entry.heads // 2
        found = found.reshape(entry.heads, 2, rows, *found.shape[1:]).swapaxes(1, 2).reshape(found.shape)
    if entry.added:
        found = found + entry.added
    if entry.kind == "F16" and not bool((abs(found) <= LARGEST).all()):
        raise UsageError(f"{entry.source} holds numbers that 16 bits cannot; no GGUF of it would answer alike")
    made: Array = gguf.quantize(found, gguf.GGMLQuantizationType[entry.kind])
    return made


def _ends(folder: Path, config: Mapping[str, Any]) -> list[int]:
    path = folder / "generation_config.json"
    found = read_object(path).get("eos_token_id") if path.is_file() else None
    found = config.get("eos_token_id") if found is None else found
    return found if isinstance(found, list) else [] if found is None else [found]
