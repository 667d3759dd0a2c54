"""A setting that the configuration class of the folder has itself is no setting of generation there."""

from __future__ import annotations

import pytest

from doctor.diagnose import diagnose
from doctor.model import Facts, Package, Source

READS = "def frames(config):\n    return config.max_length // 2\n"
CONFIG = "class MConfig(PreTrainedConfig):\n"
OWN = [
    CONFIG + "    def __init__(self, max_length=4, **kwargs):\n        self.max_length = max_length\n",
    CONFIG + "    max_length: int = 4\n",
]


@pytest.mark.parametrize("beside", [*OWN, CONFIG + "    depth: int = 4\n"])
def test_what_the_configuration_beside_gives(beside: str) -> None:
    files = {"m/configuration_m.py": beside, "m/modeling_m.py": READS}
    sources = tuple(Source(path, "remote-code", text) for path, text in files.items())
    facts = Facts(sources=sources, packages={"transformers": Package("transformers", "5.23.0")})
    found = {finding.id for finding in diagnose(facts).findings}
    assert ("generation-setting-on-config" in found) == (beside not in OWN)
