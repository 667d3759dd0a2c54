"""One hand-made environment with findings of every sort."""

from __future__ import annotations

import pytest

from doctor.diagnose import Diagnosis
from doctor.model import Facts, Finding, Gpu, Location, Machine, ModelFacts, Package, Python, Remedy, Severity, Skip
from doctor.model import Source as File
from doctor.report import Report

HUB = "/home/ada/.cache/huggingface/hub/models--microsoft--Phi-3-mini-4k-instruct/snapshots/0a67737cc96d"
CODE = (
    "/home/ada/.cache/huggingface/modules/transformers_modules/microsoft/Phi-3-mini-4k-instruct/0a67737cc96d/"
    "modeling_phi3.py"
)
VERSIONS = {"transformers": "5.23.0", "torch": "2.13.0", "peft": "0.21.2"}
FACTS = Facts(
    Python("/home/ada/venv/bin/python", "3.11.7", "/home/ada/venv", "venv"),
    {name: Package(name, version) for name, version in VERSIONS.items()},
    machine=Machine(gpus=(Gpu("NVIDIA L4", 22 * 2**30, 21 * 2**30),), driver="580.82", cuda="13.0", backend="cuda"),
    sources=(
        File(CODE, "remote-code", repository="microsoft/Phi-3-mini-4k-instruct", model=HUB),
        File("/home/ada/runs/train.py", "script"),
        File("/home/ada/runs/score.py", "script"),
    ),
    models=(ModelFacts(HUB, repository="microsoft/Phi-3-mini-4k-instruct"), ModelFacts("/home/ada/runs/smol")),
    directory="/home/ada/runs",
)
REWRITE = Remedy("edit", "rewrite the file so that it runs on every release", safe=True)


def _finding(name: str, severity: Severity, title: str, message: str, remedy: Remedy, **rest: object) -> Finding:
    return Finding(message, remedy, severity=severity, id=name, family="remote-code", title=title, **rest)  # type: ignore[arg-type]


FINDINGS = (
    _finding(
        "rope-scaling-type-key",
        Severity.ERROR,
        'Remote code reads rope_scaling["type"]',
        'rope_scaling is {"rope_theta": 10000.0, "rope_type": "default"} on transformers 5.23.0; the code reads "type"',
        REWRITE,
        where=Location(CODE, 214, 9),
        patch="rope-scaling-type-key",
    ),
    *(
        _finding(
            "removed-attribute",
            Severity.ERROR,
            "An attribute that the release no longer has",
            f"DynamicCache.{name} is not in transformers 5.23.0",
            REWRITE,
            where=Location(CODE, line, 13),
            patch="dynamic-cache",
        )
        for name, line in (("seen_tokens", 1024), ("get_max_length", 1031), ("get_max_length", 1040))
    ),
    _finding(
        "variable-ignored",
        Severity.WARNING,
        "An environment variable is no longer read",
        "TRANSFORMERS_CACHE=/home/ada/hf is set; transformers 5.23.0 reads HF_HUB_CACHE",
        Remedy("variable", "set HF_HUB_CACHE instead", "HF_HUB_CACHE=/home/ada/hf", safe=True),
    ),
    _finding(
        "removed-argument",
        Severity.WARNING,
        "An argument that the release no longer has",
        "evil \x1b]0;title\x07 [bold red]markup[/] | <img src=x> `code`",
        Remedy("edit", "write eval_strategy"),
        where=Location("/home/ada/runs/train.ipynb", 3, 5, cell=2),
    ),
)
SKIPPED = tuple(
    Skip(f"/home/ada/runs/old{number}.py", "not Python 3: print without parentheses") for number in range(7)
)


@pytest.fixture
def sick() -> Report:
    """A report with errors, warnings, skips and hostile text."""
    return Report(FACTS, Diagnosis(FINDINGS, SKIPPED), fix="doctor fix .", home="/home/ada")


@pytest.fixture
def well() -> Report:
    """A report without findings."""
    return Report(FACTS, Diagnosis((), ()), home="/home/ada")
