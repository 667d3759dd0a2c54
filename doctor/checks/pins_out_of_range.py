"""A requirements file pins releases that do not go together.

Why it matters: pip refuses the set, or, where a constraint is only checked at import, `import transformers` stops with
`huggingface-hub>=0.24.0,<1.0 is required ... but found huggingface-hub==1.2.3`; an older peft or bitsandbytes is
refused when the model is loaded.

What to do: pin a release inside the range that the remedy names.

Reference: https://github.com/huggingface/transformers/blob/main/setup.py
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import InvalidVersion, Version

from doctor import releases, signatures
from doctor.code import Code
from doctor.model import Facts, Finding, Location, Remedy, Severity, Source, normalise, source_check, within

PIN = re.compile(r"""(?:^|[\s"'])([A-Za-z][\w.-]*)(?:\[[\w,-]*\])?[ ]*={1,2}[ ]*(\d[\w.]*)(?![\w.]*\*)""")
KNOWN = frozenset(
    {"transformers", "huggingface-hub", "tokenizers", "safetensors", "peft", "accelerate", "bitsandbytes", "trl"}
)


class Pin(NamedTuple):
    """One release, and where it is pinned."""

    name: str
    version: Version
    where: Location

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"


def _facts(text: str, name: str = "requirements.txt") -> Facts:
    return Facts(sources=(Source(name, "text", text),))


@source_check(
    "packages",
    Severity.ERROR,
    needles=[b"transformers=", b"transformers ="],
    kinds=("text",),
    passes=[
        _facts("transformers==4.47.1\nhuggingface-hub==0.36.2\npeft==0.14.0"),
        _facts("transformers==5.23.0\nhuggingface_hub>=1.31\npeft"),
        _facts("# transformers==4.47.1\nhuggingface-hub==2.4.0"),
    ],
    fails=[
        _facts("transformers==4.47.1\nhuggingface_hub==1.2.3"),
        _facts("transformers == 5.23.0  # newest\npeft==0.10.0\n"),
        _facts(
            'dependencies = [\n  "transformers==5.23.0",\n  "trl==0.8.6",\n  "tokenizers==0.15.2",\n]', "pyproject.toml"
        ),
        _facts("dependencies:\n  - pip:\n    - transformers==4.36.2\n    - trl==0.29.0\n", "environment.yml"),
    ],
)
def pins_out_of_range(code: Code, facts: Facts) -> Iterator[Finding]:
    """Compare what a file pins with what its release of transformers, and its trl, require."""
    pins = {pin.name: pin for pin in _pins(code)}
    transformers = pins.get("transformers")
    if transformers is None:
        return
    judged = releases.minor(transformers.version)
    for line in releases.requires(judged):
        match = re.match(r"([\w.-]+)\(?([^)]*)", line)
        pin = pins.get(normalise(match[1])) if match else None
        if match and pin and match[2] and not within(f"{pin.name}{match[2]}", pin.version):
            yield _finding(pin, transformers, f"requires {pin.name}{match[2]}", f"{pin.name}{match[2]}")
    for name, floor in releases.floors(judged).items():
        pin = pins.get(name)
        if pin and pin.version < Version(floor):
            yield _finding(pin, transformers, f"takes {name} from {floor} on", f"{name}>={floor}")
    for name in ("trl",):
        pin = pins.get(name)
        wanted = signatures.demands(name, pin.version) if pin else ""
        if pin and wanted and not within(wanted, transformers.version):
            yield _finding(transformers, pin, f"requires {wanted}", wanted.replace(" ", ""))


def _pins(code: Code) -> Iterator[Pin]:
    for number, line in enumerate(code.lines(), 1):
        for match in PIN.finditer(line.partition("#")[0]):
            name = normalise(match[1])
            try:
                version = Version(match[2])
            except InvalidVersion:
                continue
            if name in KNOWN:
                yield Pin(name, version, Location(code.source.path, number, match.start(1) + 1))


def _finding(pin: Pin, beside: Pin, why: str, range_: str) -> Finding:
    return Finding(f"{pin} is pinned beside {beside}, which {why}", Remedy("advice", f"write `{range_}`"), pin.where)
