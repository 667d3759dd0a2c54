"""Another installed distribution also brings a command named `doctor`.

Why it matters: the one that was installed last has overwritten the other's script, so `doctor` may start the wrong
program, and uninstalling either deletes the script of both.

What to do: start this one as `python -m doctor`, or install it on its own (`uv tool install tune-doctor`,
`pipx install tune-doctor`).

Reference: https://packaging.python.org/en/latest/specifications/entry-points/
"""

from __future__ import annotations

from collections.abc import Iterator

from doctor.model import Facts, Finding, Package, Remedy, Severity, check

OTHERS = ("env-doctor", "doctor")
"""Distributions that install a script, or a package, of this name."""
OURS = Package("tune-doctor", "0.1.0")


@check(
    "packages",
    Severity.WARNING,
    passes=[
        Facts(packages={"tune-doctor": OURS}),
        Facts(packages={"env-doctor": Package("env-doctor", "0.3.5")}),
    ],
    fails=[
        Facts(packages={"tune-doctor": OURS, "env-doctor": Package("env-doctor", "0.3.5")}),
        Facts(packages={"tune-doctor": OURS, "doctor": Package("doctor", "3.13.7")}),
    ],
)
def command_shadowed(facts: Facts) -> Iterator[Finding]:
    """Look for the distributions known to bring the same name, beside ours."""
    if "tune-doctor" not in facts.packages:
        return
    for name in OTHERS:
        if name in facts.packages:
            yield Finding(
                f"{name} {facts.packages[name].version} and tune-doctor are installed side by side, "
                "and both bring the name doctor",
                Remedy("command", "run `uv tool install tune-doctor`, or start it with `python -m doctor`",
                       "uv tool install tune-doctor"),
            )  # fmt: skip
