"""A requirements file or a lock pins releases that do not go together.

Why it matters: pip refuses the set, or, where a constraint is only checked at import, `import transformers` stops with
`huggingface-hub>=0.24.0,<1.0 is required ... but found huggingface-hub==1.2.3`; an older peft or bitsandbytes is
refused when the model is loaded.

What to do: pin a release inside the range that the remedy names.

Reference: https://github.com/huggingface/transformers/blob/main/setup.py
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.code import Code
from doctor.model import Facts, Finding, Remedy, Severity, Source, source_check
from doctor.pinned import NEEDLES, clashes, pins, remedy


def _facts(text: str, name: str = "requirements.txt") -> Facts:
    return Facts(sources=(Source(name, "text", text),))


@source_check(
    "packages",
    Severity.ERROR,
    needles=NEEDLES,
    kinds=("text",),
    passes=[
        _facts("transformers==4.47.1\nhuggingface-hub==0.36.2\npeft==0.14.0"),
        _facts("transformers==5.23.0\nhuggingface_hub>=1.31\npeft"),
        _facts("# transformers==4.47.1\nhuggingface-hub==2.4.0"),
        _facts("transformers==4.31.0\npeft==0.4.0\naccelerate==0.21.0\ntokenizers==0.13.3"),
        _facts("transformers==4.47.1 ; python_version < '3.10'\ntransformers==5.23.0\ntokenizers==0.21.4\n"),
    ],
    fails=[
        _facts("transformers==4.47.1\nhuggingface_hub==1.2.3"),
        _facts("transformers == 5.23.0  # newest\npeft==0.10.0\n"),
        _facts(
            'dependencies = [\n  "transformers==5.23.0",\n  "trl==0.8.6",\n  "tokenizers==0.15.2",\n]', "pyproject.toml"
        ),
        _facts("dependencies:\n  - pip:\n    - transformers==4.36.2\n    - trl==0.29.0\n", "environment.yml"),
        _facts(
            '[[package]]\nname = "peft"\nversion = "0.10.0"\n\n'
            '[[package]]\nname = "transformers"\nversion = "5.23.0"\n',
            "uv.lock",
        ),
    ],
)
def pins_out_of_range(code: Code, facts: Facts) -> Iterator[Finding]:
    """Compare what a file pins with what its release of transformers, and its trl, require."""
    for clash in clashes(pins(code)):
        yield Finding(
            f"{clash.pin} is pinned beside {clash.beside}, which {clash.why}",
            Remedy("advice", remedy(code.source.path, clash.range)),
            clash.pin.where,
        )
