"""A distribution is installed twice on the import path.

Why it matters: Python imports the copy that comes first, while pip, and every check of versions, may see the other.
An upgrade then changes nothing, or half of the files are of one version and half of the other.

What to do: uninstall until pip knows no copy, then install once; for a copy in the user's or the system's folder, use
that folder's interpreter.

Reference: https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from doctor.model import Facts, Finding, Location, Package, Remedy, Severity, check

NEW = Package("transformers", "5.23.0", "/venv/lib/python3.11/site-packages/transformers-5.23.0.dist-info")
OLD = Package("transformers", "4.47.1", "/home/me/.local/lib/python3.11/site-packages/transformers-4.47.1.dist-info")
STALE = Package("transformers", "4.47.1", "/venv/lib/python3.11/site-packages/transformers-4.47.1.dist-info")


@check(
    "packages",
    Severity.WARNING,
    passes=[
        Facts(packages={"transformers": NEW}),
        Facts(packages={"transformers": NEW}, duplicates={"transformers": (NEW, Package("transformers", "5.23.0"))}),
    ],
    fails=[
        Facts(packages={"transformers": NEW}, duplicates={"transformers": (NEW, OLD)}),
        Facts(packages={"transformers": NEW}, duplicates={"transformers": (NEW, STALE)}),
    ],
)
def distribution_twice(facts: Facts) -> Iterator[Finding]:
    """Report distributions with metadata of two versions; two copies of one version do no harm."""
    for name, copies in sorted(facts.duplicates.items()):
        if len({copy.version for copy in copies}) > 1:
            yield _finding(name, copies)


def _finding(name: str, copies: tuple[Package, ...]) -> Finding:
    first, others = copies[0], [copy for copy in copies[1:] if copy.version != copies[0].version]
    folders = {os.path.dirname(copy.path) for copy in copies}  # noqa: PTH120
    also = " and ".join(f"{copy.version} in {os.path.dirname(copy.path)}" for copy in others)  # noqa: PTH120
    if len(folders) == 1:
        message = f"{name} has metadata of {first.version} and of {also}; which files are there is not known"
        command = f"pip install --force-reinstall {name}=={first.version}"
    else:
        message = f"{name} {first.version} is imported from {os.path.dirname(first.path)}, but there is also {also}"  # noqa: PTH120
        command = f"pip uninstall {name}"
    return Finding(message, Remedy("command", f"run `{command}`", command), Location(others[0].path))
