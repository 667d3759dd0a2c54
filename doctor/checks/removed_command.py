"""A script runs a command that the installed libraries no longer bring.

Why it matters: `huggingface-cli: command not found` from huggingface-hub 1.0 on, `transformers-cli` from transformers
5.0 on; a job stops there, or goes on without the login or the download.

What to do: write `hf ...`, which huggingface-hub brings since 0.34, and `transformers ...` for the other.

Reference: https://huggingface.co/docs/huggingface_hub/guides/cli
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from doctor import signatures
from doctor.code import Code
from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, Source, source_check

CALLED = re.compile(
    r"(?:^|[;&|(`]|\b(?:RUN|sudo|then|do|else|run:|-)[ \t])[ \t]*(huggingface-cli|transformers-cli)[ \t]+([\w-]+)"
)
AUTH = frozenset({"login", "logout", "whoami"})


def _facts(text: str, version: str = "5.23.0", hub: str = "2.4.0") -> Facts:
    installed = {"transformers": version, "huggingface-hub": hub}
    return Facts(
        sources=(Source("run.sh", "text", text),), packages={name: Package(name, v) for name, v in installed.items()}
    )


@source_check(
    "script",
    Severity.ERROR,
    needles=[b"huggingface-cli", b"transformers-cli"],
    kinds=("text",),
    passes=[
        _facts("hf auth login\nhf download a/b"),
        _facts("huggingface-cli login", "4.57.6", "0.30.2"),
        _facts("# huggingface-cli login\necho 'use huggingface-cli login'"),
    ],
    fails=[
        _facts("huggingface-cli login --token $TOKEN"),
        _facts("RUN pip install x && huggingface-cli download a/b"),
        _facts("transformers-cli env"),
    ],
)
def removed_command(code: Code, facts: Facts) -> Iterator[Finding]:
    """Find the two commands where they are run and their library is too new for them."""
    for number, line in enumerate(code.lines(), 1):
        for match in CALLED.finditer(line):
            hub = match[1] == "huggingface-cli"
            release = signatures.judged("huggingface_hub" if hub else "transformers", facts)
            if release.minor < ((1, 0) if hub else (5, 0)):
                continue
            instead = ("hf auth" if match[2] in AUTH else "hf") if hub else "transformers"
            place = Location(code.source.path, number, match.start(1) + 1)
            said = f"{match[1]} is run, which {release} does not bring"
            yield Finding(said, Remedy("advice", f"write `{instead} {match[2]}`"), place)
