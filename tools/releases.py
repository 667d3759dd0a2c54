"""Writes doctor/releases.json, names.json and members.json: what each transformers release has, needs and takes.

    pip download --no-deps --dest WHEELS transformers==4.57.6      # the last patch of every minor release
    python tools/releases.py WHEELS

Nothing of a wheel is imported: modules are read with `ast`, metadata as text.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import zipfile
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from members import handed, members, signatures, signed, spans
from outline import FOREIGN, Outline, outline, skim

TASKS = ("CAUSAL_LM", "SEQ_TO_SEQ_CAUSAL_LM", "IMAGE_TEXT_TO_TEXT", "MASKED_LM", "SEQUENCE_CLASSIFICATION")
SHARED = frozenset(
    f"transformers.{name}"
    for name in (
        "cache_utils",
        "configuration_utils",
        "generation",
        "integrations",
        "masking_utils",
        "modeling_attn_mask_utils",
        "modeling_flash_attention_utils",
        "modeling_layers",
        "modeling_outputs",
        "modeling_rope_utils",
        "modeling_utils",
        "processing_utils",
        "pytorch_utils",
        "utils",
        "utils.generic",
        "utils.import_utils",
    )
)
"""Modules for which names that came late are tabled too."""
INTERNAL = r"_FOR_DOC$|_DOCSTRING$|^load_tf_weights|^_[A-Z]|^TF[A-Z]|^Flax[A-Z]"
"""Names of a model's files that nobody imports."""
SERVED_BY_HOOK = re.compile(
    r"transformers\.(tokenization_utils(_fast)?|image_processing_utils_fast|models\.\w+\.image_processing_\w+_fast)"
)
"""Modules that are no file any more but that transformers 5 still imports under the old name."""


def main(folder: str) -> None:
    wheels = {_version(path): path for path in Path(folder).glob("transformers-*.whl")}
    releases = [Wheel(wheels[version]) for version in sorted(wheels)]
    table = {
        "releases": [".".join(map(str, version)) for version in sorted(wheels)],
        "requires": {wheel.minor: wheel.requires for wheel in releases},
        "floors": {wheel.minor: wheel.floors for wheel in releases},
        "classes": _classes(releases),
    }
    _write("releases", table)
    _write("names", _modules(releases))
    tables = {"members": members(releases), "signatures": signatures(releases), "handed": handed(releases)}
    _write("members", tables)


def _write(name: str, table: dict[str, Any]) -> None:
    lines = (f" {json.dumps(key)}: {_block(value)}" for key, value in table.items())
    target = Path(__file__).parent.parent / "doctor" / f"{name}.json"
    target.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def _block(value: object) -> str:
    if not isinstance(value, dict):
        return json.dumps(value)
    rows = (f"  {json.dumps(key)}: {json.dumps(row, sort_keys=True)}" for key, row in value.items())
    return "{\n" + ",\n".join(rows) + "\n }"


def _version(path: Path) -> tuple[int, ...]:
    return tuple(int(part) for part in path.name.split("-")[1].split("."))


class Wheel:
    """One release: its files, and what they bind and require."""

    parsed: dict[bytes, Outline] = {}

    def __init__(self, path: Path) -> None:
        self.minor = ".".join(map(str, _version(path)[:2]))
        self.archive = zipfile.ZipFile(path)
        self.names = set(self.archive.namelist())
        self.modules = {
            name[:-3].replace("/", ".").removesuffix(".__init__"): name
            for name in self.names
            if name.startswith("transformers/") and name.endswith(".py")
        }

    def read(self, name: str) -> str:
        return self.archive.read(name).decode()

    @property
    def requires(self) -> list[str]:
        """The requirements that hold without any extra, as written in the wheel's metadata."""
        lines = re.findall(r"(?m)^Requires-Dist: (.*)$", self.metadata)
        return [line.replace(" ", "") for line in lines if "extra ==" not in line]

    @property
    def metadata(self) -> str:
        return self.read(next(name for name in self.names if name.endswith(".dist-info/METADATA")))

    @property
    def floors(self) -> dict[str, str]:
        """The oldest optional packages this release works with, from its own constants."""
        table = self.read("transformers/dependency_versions_table.py")
        found = {"python": re.search(r"(?m)^Requires-Python: >=([\d.]+)", self.metadata)}
        found["accelerate"] = re.search(r'"accelerate": "accelerate>=([\d.]+)', table)
        imports = self.read("transformers/utils/import_utils.py")
        quantizer = "transformers/quantizers/quantizer_bnb_4bit.py"
        found["bitsandbytes"] = re.search(r'BITSANDBYTES_MIN_VERSION = "([\d.]+)"', imports)
        if not found["bitsandbytes"] and quantizer in self.names:
            found["bitsandbytes"] = re.search(r"bitsandbytes>=([\d.]+)", self.read(quantizer))
        for name in ("transformers/integrations/peft.py", "transformers/utils/peft_utils.py"):
            if name in self.names and not found.get("peft"):
                found["peft"] = re.search(r'MIN_PEFT_VERSION = "([\d.]+)"', self.read(name))
        found["torch"] = re.search(r"Disabling PyTorch because PyTorch >= ([\d.]+) is required", imports)
        return {name: match[1] for name, match in found.items() if match}

    def bound(self, module: str) -> set[str]:
        """The names that `from module import NAME` can give."""
        return self._bound(module, frozenset())

    def _bound(self, module: str, seen: frozenset[str]) -> set[str]:
        if module not in self.modules or module in seen:
            return set()
        bindings = self.outline(module).bindings
        names = {name for name, star in bindings.items() if star in (None, FOREIGN)}
        package = self.package(module)
        for star in {*bindings.values()} - {None, FOREIGN}:
            names |= self._starred(f"{package}.{star}", seen | {module})
        if package == module:
            prefix = f"{module}."
            names |= {m[len(prefix) :] for m in self.modules if m.startswith(prefix) and "." not in m[len(prefix) :]}
        return names | (self._exported if module == "transformers" else set())

    def own(self, module: str) -> set[str]:
        """The names that a module is imported from for; of a model's files only those that they define."""
        held = self.outline(module)
        if module.startswith("transformers.models."):
            defined = {*held.classes, *held.functions, *held.assigned}
            return {name for name in defined if not name.startswith("__") and not re.search(INTERNAL, name)}
        return self.bound(module) - {name for name, star in held.bindings.items() if star == FOREIGN}

    def outline(self, module: str) -> Outline:
        """What a module defines; equal files of several releases are read once."""
        text = self.archive.read(self.modules[module])
        key = hashlib.sha256(text).digest()
        if key not in self.parsed:
            model = module.startswith("transformers.models.")
            self.parsed[key] = skim(text) if model and not signed(module) else outline(text, deep=not model)
        return self.parsed[key]

    def package(self, module: str) -> str:
        """What `from . import` means in a module."""
        return module if self.modules[module].endswith("__init__.py") else module.rpartition(".")[0]

    def _starred(self, module: str, seen: frozenset[str]) -> set[str]:
        if module == "transformers.models" or module not in self.modules:
            return set()  # the root takes the models' names from their `__all__`
        listed = re.search(r"(?m)^__all__ = \[(.*?)\]", self.read(self.modules[module]), re.S)
        return set(re.findall(r"[\"'](\w+)[\"']", listed[1])) if listed else self._bound(module, seen)

    @property
    def _exported(self) -> set[str]:
        """What `__all__` of the files under models/ adds to the root."""
        found: set[str] = set()
        for name in self.names:
            if name.startswith("transformers/models/") and name.endswith(".py"):
                for block in re.findall(r"(?m)^__all__ = \[(.*?)\]", self.read(name), re.S):
                    found |= set(re.findall(r"[\"'](\w+)[\"']", block))
        return found | self._aliased(found)

    def _aliased(self, exported: set[str]) -> set[str]:
        """Tokenizers that are gone, for which the root of 5.x gives another with the same converter."""
        if "SLOW_TO_FAST_CONVERTERS" not in self.read("transformers/utils/import_utils.py"):
            return set()
        text = self.read("transformers/convert_slow_tokenizer.py")
        table = re.search(r"(?ms)^SLOW_TO_FAST_CONVERTERS = \{(.*?)^\}", text)
        converters = dict(re.findall(r'"(\w+)": (\w+),', table[1])) if table else {}
        named = {
            converter for converter in converters.values() if converter.replace("Converter", "Tokenizer") in exported
        }
        there = named | {converter for name, converter in converters.items() if name in exported}
        return {name for name, converter in converters.items() if converter in there}


def _tabled(module: str) -> bool:
    parts = module.split(".")
    if parts[1:2] == ["models"]:
        return len(parts) > 3 and not re.match(r"convert_|modular_|modeling_(tf|flax)", parts[3])
    return not re.search(r"\.utils\.dummy_|\.testing_utils|\.commands|\.cli\b|\.kernels|\.agents\.", module)


def _modules(releases: list[Wheel]) -> dict[str, dict[str, str]]:
    """Module -> the minors -> names that only these have; the name "*" is the module itself."""
    found: dict[str, dict[str, str]] = {}
    old = {*SHARED, *(module for wheel in releases for module in wheel.modules if wheel.minor.startswith("4."))}
    for module in sorted(set().union(*(wheel.modules for wheel in releases))):
        if not _tabled(module) or SERVED_BY_HOOK.fullmatch(module):
            continue
        has = [wheel.bound(module) if module in wheel.modules else None for wheel in releases]
        own = [wheel.own(module) for wheel, bound in zip(releases, has, strict=True) if bound is not None]
        names: dict[str, list[bool]] = defaultdict(list)
        for name in set().union(*own):
            names[name] = [bound is None or name in bound for bound in has]
        names["*"] = [bound is not None for bound in has]
        rows: dict[str, list[str]] = defaultdict(list)
        for name, there in names.items():
            if _worth(module, name, there):
                rows[spans(releases, there)].append(name)
        if rows and module in old:
            found[module] = {span: " ".join(sorted(rows[span])) for span in sorted(rows)}
    return found


def _worth(module: str, name: str, there: list[bool]) -> bool:
    """Whether a name left, or came late to a module that remote code takes from."""
    if all(there) or name in ("logger", "logging") or "." in name:
        return False
    if module == "transformers" and re.search(r"Fast$|_ARCHIVE_(MAP|LIST)$", name):
        return False
    left = any(before and not after for before, after in pairwise(there))
    return left or module in SHARED


def _classes(releases: list[Wheel]) -> dict[str, list[str]]:
    """Model class -> [first release, model type, ...]."""
    found: dict[str, list[str]] = {}
    for wheel in releases:
        text = wheel.read("transformers/models/auto/modeling_auto.py")
        for task in TASKS:
            block = re.search(rf"(?ms)^MODEL_FOR_{task}_MAPPING_NAMES\b.*?^\)", text)
            for kind, value in re.findall(
                r'\(\s*"([\w.-]+)",\s*(\([^)]*\)|"\w+")\s*,?\s*\)', block[0] if block else ""
            ):
                for name in re.findall(r"\w+", value):
                    row = found.setdefault(name, [wheel.minor])
                    if kind not in row[1:]:
                        row.append(kind)
    return dict(sorted(found.items()))


if __name__ == "__main__":
    main(sys.argv[1])
