"""Every stand-in for a removed name is Python, and is what takes the name's place."""

from __future__ import annotations

from typing import Any

import pytest

from doctor.patch import rewrite
from doctor.patches.removed_import import GONE, RemovedImport


@pytest.mark.parametrize("name", GONE)
def test_a_file_that_imports_a_removed_name_still_runs(name: str) -> None:
    for module in GONE[name][0]:
        before = f"from {module} import {name}\n"
        missing = rewrite(before, [RemovedImport]).text.replace(f"from {module} ", "from no_such_module ", 1)
        names: dict[str, Any] = {}
        exec(missing, names)
        assert callable(names[name])


def test_the_table_is_what_the_patch_mends() -> None:
    assert "import:transformers.cache_utils.SlidingWindowCache" in RemovedImport.mends
    assert "import:transformers.utils.import_utils.is_torch_fx_available" in RemovedImport.mends


def test_a_block_keeps_its_shape() -> None:
    before = "def f():\n    from transformers import HybridCache, SinkCache\n    return HybridCache, SinkCache\n"
    names: dict[str, Any] = {}
    exec(rewrite(before, [RemovedImport]).text.replace("from transformers ", "from no_such_module "), names)
    hybrid, sink = names["f"]()
    assert (hybrid.__name__, sink.__name__) == ("HybridCache", "SinkCache")
