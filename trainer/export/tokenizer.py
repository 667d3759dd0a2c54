"""The tokenizer and chat template of a model folder: read as its release does, written so that all releases agree."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doctor.chat.conversation import Message
from doctor.chat.specials import chat_template, special_tokens
from doctor.chat.template import Refused, Template
from doctor.model import ModelFacts
from doctor.settings import UsageError
from doctor.trainer.export import portable
from doctor.trainer.export.source import read_object

FILES = ("tokenizer.model", "added_tokens.json", "vocab.json", "merges.txt")
"""What other readers of a tokenizer look for."""
TALK: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "zqAzq"}]


@dataclass(frozen=True)
class Tokenizer:
    """What a folder says of its tokenizer."""

    folder: Path
    settings: Mapping[str, Any]
    """tokenizer_config.json, with the special tokens that stand elsewhere or that its class brings."""
    special: Mapping[str, str]
    """`bos_token` and the like."""
    template: Template | None

    @property
    def begins(self) -> bool:
        """Whether it puts the beginning of text before what it reads."""
        import tokenizers

        made = tokenizers.Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        return bool(made.encode("a").tokens[0] == self.special.get("bos_token"))

    @property
    def turn_end(self) -> str:
        """The token that ends an answer: by the chat template, else the end of text."""
        after = ""
        if self.template:
            with suppress(Refused):  # a template that renders no such conversation says nothing of its end
                after = self.template.render(TALK).partition(TALK[1]["content"])[2].lstrip()
        added = (str(entry["content"]) for entry in read_object(self.folder / "tokenizer.json").get("added_tokens", []))
        return max(
            (token for token in added if after.startswith(token)), key=len, default=self.special.get("eos_token", "")
        )

    def write(self, folder: Path) -> None:
        """Write it into a model folder, which may be its own, for every release."""
        for name in FILES:
            if (self.folder / name).is_file() and folder != self.folder:
                shutil.copyfile(self.folder / name, folder / name)
        template = self.template.source if self.template else None
        if template:
            (folder / "chat_template.jinja").write_text(template, "utf-8")
        _dump(folder / "tokenizer_config.json", portable.tokenizer_config(self.settings, template))
        _dump(folder / "special_tokens_map.json", self.special)
        told = self.settings.get("add_bos_token")
        if isinstance(told, bool) and "bos_token" in self.special:
            found = read_object(self.folder / "tokenizer.json")
            _dump(folder / "tokenizer.json", beginning(found, self.special["bos_token"], told))
        elif folder != self.folder:
            shutil.copyfile(self.folder / "tokenizer.json", folder / "tokenizer.json")


def read(folder: Path) -> Tokenizer:
    """The tokenizer of a folder; raises UsageError where it has no tokenizer.json."""
    if not (folder / "tokenizer.json").is_file():
        raise UsageError(
            f"{folder} has no tokenizer.json: write one with "
            "`AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)`"
        )
    settings = read_object(folder / "tokenizer_config.json")
    beside = folder / "special_tokens_map.json"
    facts = ModelFacts(
        str(folder),
        {},
        settings,
        special_tokens=read_object(beside) if beside.is_file() else {},
        templates=_templates(folder),
    )
    special, template = special_tokens(facts), chat_template(facts)
    return Tokenizer(folder, {**special, **settings}, special, Template(template, special) if template else None)


def beginning(found: dict[str, Any], bos: str, wanted: bool) -> dict[str, Any]:
    """tokenizer.json that puts the beginning of text before every text, or does not.

    Classes of transformers 4 settle that anew when they load; the class that reads the file as it is does not.
    """
    steps = found.get("post_processor") or {}
    listed: list[dict[str, Any]] = list(steps.get("processors", [steps])) if steps else []
    first: dict[str, Any] | None = next((step for step in listed if step["type"] == "TemplateProcessing"), None)
    begins = first is not None and _names(first["single"][:1]) == [bos]
    if begins == wanted:
        return found
    if first is None:
        number = next(entry["id"] for entry in found["added_tokens"] if entry["content"] == bos)
        first = {
            "type": "TemplateProcessing",
            "single": [{"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {bos: {"id": bos, "ids": [number], "tokens": [bos]}},
        }
        listed.append(first)
    changed = {**first, "single": _begun(first["single"], bos, wanted), "pair": _begun(first["pair"], bos, wanted)}
    made = [changed if step is first else step for step in listed]
    return {**found, "post_processor": made[0] if len(made) == 1 else {"type": "Sequence", "processors": made}}


def _begun(parts: list[dict[str, Any]], bos: str, wanted: bool) -> list[dict[str, Any]]:
    plain = [part for part in parts if _names([part]) != [bos]]
    return [{"SpecialToken": {"id": bos, "type_id": 0}}, *plain] if wanted else plain


def _names(parts: list[dict[str, Any]]) -> list[str]:
    return [part["SpecialToken"]["id"] for part in parts if "SpecialToken" in part]


def _templates(folder: Path) -> dict[str, str]:
    file, older = folder / "chat_template.jinja", folder / "chat_template.json"
    if file.is_file():
        return {"default": file.read_text("utf-8")}
    return {"default": str(read_object(older)["chat_template"])} if older.is_file() else {}


def _dump(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", "utf-8")
