"""tokenizer.json as the vocabulary of a GGUF: tokens, their kinds, merges or scores, and how text is split before."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from doctor.settings import UsageError
from doctor.trainer.export.architectures import CONVERTER
from doctor.trainer.export.source import read_object
from doctor.trainer.export.tokenizer import Tokenizer
from doctor.trainer.export.tokenizer import read as read_tokenizer

if TYPE_CHECKING:
    from gguf import GGUFWriter

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = 1, 2, 3, 4, 5, 6
"""Kinds of tokens."""
LEAST = -1e6
"""The score of a token that no merge makes."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
SPLITS = {
    rf"{_SHORT}|{_WORDS}|\p{{N}}{{1,3}}|{_REST}": "llama-bpe",
    rf"{_SHORT}|{_WORDS}|\p{{N}}|{_REST}": "qwen2",
}
"""The regular expression of a tokenizer's first step, and llama.cpp's name for splitting like it."""


@dataclass(frozen=True)
class Vocabulary:
    """What a GGUF holds of a tokenizer."""

    model: str
    """`gpt2` for merges of bytes, `llama` for scores of pieces."""
    split: str
    tokens: Sequence[str]
    kinds: Sequence[int]
    merges: Sequence[str] = ()
    scores: Sequence[float] = ()
    ids: Mapping[str, int] | None = None
    """Tokens that mean something, by llama.cpp's word for them."""
    begins: bool = False
    """Whether the beginning of text is put before every text."""
    spaced: bool | None = None
    """Whether a space is put before every text."""
    trims: bool = False
    """Whether the white space after a special token is dropped."""

    def write(self, writer: GGUFWriter) -> None:
        """Write it."""
        writer.add_tokenizer_model(self.model)
        writer.add_tokenizer_pre(self.split)
        writer.add_token_list(list(self.tokens))
        writer.add_token_types(list(self.kinds))
        if self.merges:
            writer.add_token_merges(list(self.merges))
        if self.scores:
            writer.add_token_scores(list(self.scores))
        for name, number in (self.ids or {}).items():
            getattr(writer, f"add_{name}_token_id")(number)
        writer.add_add_bos_token(self.begins)
        if self.spaced is not None:
            writer.add_add_space_prefix(self.spaced)


def read(folder: Path, size: int, ends: Sequence[int]) -> Vocabulary:
    """The vocabulary of a model folder, with as many tokens as the embeddings have rows.

    `ends` are the tokens that end a generation.  Raises UsageError where llama.cpp has no tokenizer that splits the
    same way.
    """
    tokenizer, found = read_tokenizer(folder), read_object(folder / "tokenizer.json")
    model = found["model"]
    if model.get("type", "BPE") != "BPE":
        raise UsageError(f"{folder} has a tokenizer of the kind {model.get('type')}: use {CONVERTER}")
    special = {entry["id"]: entry for entry in found.get("added_tokens", [])}
    names = {number: token for token, number in model["vocab"].items()}
    names |= {number: entry["content"] for number, entry in special.items()}
    if max(names, default=0) >= size:
        raise UsageError(
            f"{folder} has a token {max(names)}, and embeddings for {size}: the tokenizer is of another model"
        )
    pieces = bool(model.get("byte_fallback"))
    tokens = [names.get(number, f"[PAD{number}]") for number in range(size)]
    kinds = [_kind(number, names, special, model, pieces) for number in range(size)]
    merges = [entry if isinstance(entry, str) else " ".join(entry) for entry in model["merges"]]
    common: dict[str, Any] = {
        "tokens": tokens,
        "kinds": kinds,
        "ids": _ids(tokenizer, {token: number for number, token in names.items()}, ends),
        "begins": tokenizer.begins,
        "trims": any(entry.get("rstrip") for entry in special.values()),
    }
    if pieces:
        return Vocabulary("llama", "default", scores=_scores(tokens, merges), spaced=_spaced(found), **common)
    return Vocabulary("gpt2", _split(found.get("pre_tokenizer"), folder), merges=merges, **common)


def _kind(number: int, names: Mapping[int, str], special: Mapping[int, Any], model: Any, pieces: bool) -> int:
    if number not in names:
        return UNUSED
    if pieces and names[number] == model.get("unk_token"):
        return UNKNOWN
    if number in special:
        return CONTROL if special[number].get("special") else USER
    return BYTE if pieces and _BYTE.fullmatch(names[number]) else NORMAL


def _scores(tokens: Sequence[str], merges: Sequence[str]) -> list[float]:
    """A score for every piece, so that the pieces that merge first have the highest."""
    order: dict[str, int] = {}
    for merge in merges:
        order.setdefault(merge.replace(" ", ""), len(order))
    return [-float(order[token]) if token in order else LEAST for token in tokens]


def _split(steps: Any, folder: Path) -> str:
    """llama.cpp's name for how text is split before its pieces are merged."""
    listed = steps.get("pretokenizers", [steps]) if isinstance(steps, dict) else []
    kinds = [step.get("type") for step in listed]
    if kinds == ["ByteLevel"] and listed[0].get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and listed[0].get("individual_digits"):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and listed[0]["pattern"].get("Regex") in SPLITS:
        return SPLITS[listed[0]["pattern"]["Regex"]]
    raise UsageError(
        f"{folder}: how its tokenizer.json splits text ({', '.join(map(str, kinds)) or 'not at all'}) is none of "
        f"the ways that are written as GGUF here: use {CONVERTER} on the merged folder"
    )


def _spaced(found: Mapping[str, Any]) -> bool:
    """Whether a space comes before every text: `Prepend` of the older files, `Metaspace` of the newer."""
    steps = [found.get("normalizer") or {}, found.get("pre_tokenizer") or {}]
    listed = [inner for step in steps for inner in step.get("normalizers", step.get("pretokenizers", [step]))]
    return any(
        step.get("type") == "Prepend"
        or (step.get("type") == "Metaspace" and step.get("prepend_scheme", "always") != "never")
        for step in listed
    )


def _ids(found: Tokenizer, numbers: Mapping[str, int], ends: Sequence[int]) -> dict[str, int]:
    named = {"bos": "bos_token", "eos": "eos_token", "unk": "unk_token", "pad": "pad_token"}
    made = {name: numbers.get(found.special.get(key, "")) for name, key in named.items()}
    if made["eos"] is None and ends:
        made["eos"] = ends[0]
    turn = numbers.get(found.turn_end)
    if turn is not None and turn != made["eos"]:
        made["eot"] = turn
    return {name: number for name, number in made.items() if number is not None}
