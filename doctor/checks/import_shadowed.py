"""A file or folder in the working directory hides an installed package.

Why it matters: `python train.py` and `python -m ...` look in the script's or the working directory first, so
`import datasets` takes a folder `datasets/` that holds data, or `evaluate/` of a checkout, and stops with
`AttributeError: module 'datasets' has no attribute 'load_dataset'` or `cannot import name`.

What to do: rename it, or run Python with `-P` (3.11 and later), which leaves the directory out.

Reference: https://docs.python.org/3/using/cmdline.html#cmdoption-P
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, check

MODULES = {
    "accelerate": "accelerate",
    "bitsandbytes": "bitsandbytes",
    "datasets": "datasets",
    "evaluate": "evaluate",
    "huggingface_hub": "huggingface-hub",
    "jinja2": "jinja2",
    "numpy": "numpy",
    "peft": "peft",
    "safetensors": "safetensors",
    "sentencepiece": "sentencepiece",
    "tokenizers": "tokenizers",
    "torch": "torch",
    "torchvision": "torchvision",
    "tqdm": "tqdm",
    "transformers": "transformers",
    "trl": "trl",
    "unsloth": "unsloth",
    "wandb": "wandb",
    "yaml": "pyyaml",
}
"""Import name to distribution, for the training stack."""
STANDARD = ("code", "copy", "inspect", "json", "logging", "profile", "queue", "random", "tokenize", "types", "typing")
"""Modules of the standard library that the stack imports and that users like to name files after."""
INSTALLED = {"datasets": Package("datasets", "5.2.0"), "torch": Package("torch", "2.13.0")}


@check(
    "packages",
    Severity.WARNING,
    passes=[
        Facts(packages=INSTALLED, project=("data", "train.py", "datasets.txt"), directory="/home/me"),
        Facts(packages=INSTALLED, project=("evaluate", "trl.py"), directory="/home/me"),
        Facts(
            packages={"torch": Package("torch", "2.13.0", editable="/src/torch")}, project=("torch",), directory="/src"
        ),
    ],
    fails=[
        Facts(packages=INSTALLED, project=("datasets", "train.py"), directory="/home/me"),
        Facts(packages=INSTALLED, project=("torch.py",), directory="/home/me"),
        Facts(packages=INSTALLED, project=("tokenize.py",), directory="/home/me"),
    ],
)
def import_shadowed(facts: Facts) -> Iterator[Finding]:
    """Compare the names in the working directory with the import names of the stack."""
    for entry in facts.project:
        module = entry.removesuffix(".py")
        path = os.path.join(facts.directory, entry)  # noqa: PTH118 (the examined path, taken as it is)
        if entry.endswith(".py") and module in STANDARD:
            yield _finding(path, module, "the standard library's")
            continue
        package = facts.packages.get(MODULES.get(module, ""))
        if package is not None and not _is_source(package, facts.directory):
            yield _finding(path, module, f"{package.name} {package.version}'s")


def _is_source(package: Package, directory: str) -> bool:
    """Whether the directory is where the package itself is installed from, or to."""
    return any(
        place and directory and (place == directory or place.startswith(directory.rstrip("/\\") + os.sep))
        for place in (package.editable, os.path.dirname(package.path))  # noqa: PTH120
    )


def _finding(path: str, module: str, owner: str) -> Finding:
    kind = "file" if path.endswith(".py") else "folder"
    return Finding(
        f"the {kind} {path} hides {owner} module {module} from programs started in its directory",
        Remedy("advice", f"rename {path}, or start Python with `-P`"),
        Location(path),
    )
