"""Whether a spelling in remote code works on the judged release, and how bad it is where it does not."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from doctor.model import Facts, ModelFacts, Package, Severity, Source, within
from doctor.releases import MATRIX


class Verdict(NamedTuple):
    """How bad a spelling is, and since when: `on transformers 5.23.0`, `from transformers 5.0 on`."""

    severity: Severity
    when: str

    @property
    def broken(self) -> bool:
        """Whether it is the judged release that does not take it."""
        return self.severity is Severity.ERROR


def verdict(works: str, facts: Facts) -> Verdict | None:
    """What to say of a spelling that only some releases take, such as `transformers<5`.

    An error where the judged release does not, a warning where a later one of the matrix does not, else None.
    """
    return _verdict(works, str(facts.transformers))


@lru_cache
def _verdict(works: str, release: str) -> Verdict | None:
    if not within(works, release):
        return Verdict(Severity.ERROR, f"on transformers {release}")
    later = [f"{major}.{minor}" for major, minor in MATRIX if (major, minor) > _minor(release)]
    if all(within(works, minor) for minor in later):
        return None
    ends = re.search(r"<([\d.]+)", works)
    first = next(minor for minor in later if not within(works, minor))
    return Verdict(Severity.WARNING, f"from transformers {ends[1] if ends else first} on")


def _minor(release: str) -> tuple[int, int]:
    major, minor = (*release.split("."), "0")[:2]
    return int(major), int(re.match(r"\d*", minor)[0] or 0)  # type: ignore[index]


def remote_code(text: str, version: str = "5.23.0", **config: object) -> Facts:
    """One file of remote code with its config.json, judged on a release: the examples of checks."""
    model = ModelFacts("remote", config)
    source = Source("remote/modeling.py", "remote-code", text, model="remote" if config else None)
    packages = {"transformers": Package("transformers", version)}
    return Facts(sources=(source,), packages=packages, models=(model,) if config else ())
