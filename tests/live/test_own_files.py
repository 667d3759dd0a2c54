"""No false alarm: the installed release's own models are well on that release, but for a few that are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Package, Severity, Source

pytestmark = pytest.mark.live

TRUE = {"optional-import-demanded", "tied-head-left-on-meta"}
"""As remote code, under a name that the library does not have, these files would indeed be so."""
SHARE = 4
"""One folder in so many is read."""


def sources(folder: Path) -> list[Source]:
    """A model of the library as if it were remote code: its configuration and its modeling files."""
    files = [*folder.glob("configuration_*.py"), *folder.glob("modeling_*.py")]
    kept = (file for file in files if not file.name.startswith(("modeling_tf_", "modeling_flax_")))
    return [Source(str(file), "remote-code", file.read_text("utf-8")) for file in kept]


def test_the_release_s_own_models_have_next_to_no_error() -> None:
    import transformers

    models = Path(transformers.__file__).parent / "models"
    folders = sorted(folder for folder in models.glob("[a-z]*/") if folder.name not in ("auto", "deprecated"))
    read = [source for folder in folders[::SHARE] for source in sources(folder)]
    packages = {"transformers": Package("transformers", transformers.__version__)}
    found = diagnose(Facts(sources=tuple(read), packages=packages)).at_least(Severity.ERROR)
    wrong = [f"{finding.where}: {finding.id}: {finding.message}" for finding in found if finding.id not in TRUE]
    assert len(read) > 50
    assert len({line.partition(":")[0] for line in wrong}) <= len(read) / 20, wrong
