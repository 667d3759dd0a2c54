"""Every stand-in for a removed name is Python, and is what takes the name's place."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest

from doctor.index import mender
from doctor.patch import rewrite
from doctor.patches.removed_import import GONE, RemovedImport


@pytest.fixture(autouse=True)
def library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transformers that has a DynamicCache, on which a stand-in is built, and nothing else."""
    caches = ModuleType("transformers.cache_utils")
    caches.DynamicCache = type("DynamicCache", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "transformers", ModuleType("transformers"))
    monkeypatch.setitem(sys.modules, "transformers.cache_utils", caches)


@pytest.mark.parametrize("name", GONE)
def test_a_file_that_imports_a_removed_name_still_runs(name: str) -> None:
    for module in GONE[name][0]:
        before = f"from {module} import {name}\n"
        missing = rewrite(before, [RemovedImport]).text.replace(f"from {module} ", "from no_such_module ", 1)
        names: dict[str, Any] = {}
        if name.endswith("_ATTENTION_CLASSES") or name == "apply_chunking_to_forward":
            compile(missing, name, "exec")  # the library has what takes its place
            continue
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


def test_archives_of_addresses_are_empty() -> None:
    module = "transformers.models.deprecated._archive_maps"
    before = f"from {module} import PHI_PRETRAINED_MODEL_ARCHIVE_LIST, PHI_PRETRAINED_CONFIG_ARCHIVE_MAP as urls\n"
    names: dict[str, Any] = {}
    exec(rewrite(before, [RemovedImport]).text.replace("from transformers.", "from no_such_module."), names)
    assert (names["PHI_PRETRAINED_MODEL_ARCHIVE_LIST"], names["urls"]) == ([], {})
    assert mender(f"import:{module}.PHI_PRETRAINED_MODEL_ARCHIVE_LIST") == RemovedImport.id()
    assert mender("import:transformers.nowhere.name") is None


@pytest.mark.parametrize("name", ["OnnxConfigWithPast", "find_pruneable_heads_and_indices", "get_device_map"])
def test_a_stand_in_that_can_do_nothing_says_so(name: str) -> None:
    names: dict[str, Any] = {}
    exec(
        rewrite(f"from {GONE[name][0][0]} import {name}\n", [RemovedImport]).text.replace("from tr", "from no_tr"),
        names,
    )
    with pytest.raises(ImportError, match=f"this transformers release has no {name}"):
        names[name]({0}, 4)


def test_one_class_takes_the_place_of_one_for_each_implementation() -> None:
    module = "transformers.models.whisper.modeling_whisper"
    text = rewrite(f"from {module} import WHISPER_ATTENTION_CLASSES\n", [RemovedImport]).text
    assert f"    from {module} import WhisperAttention\n" in text
    assert 'dict.fromkeys(("eager", "sdpa", "flash_attention_2"), WhisperAttention)\n' in text
