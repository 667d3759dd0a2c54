"""Accelerator(dispatch_batches=...) became `dataloader_config=DataLoaderConfiguration(dispatch_batches=...)`.

accelerate 1.0 removed the keywords: `TypeError: Accelerator.__init__() got an unexpected keyword argument
'dispatch_batches'` (`even_batches`, `use_seedable_sampler`); the configuration is there since 0.28.

Reference: https://github.com/huggingface/accelerate/pull/2441
"""

from __future__ import annotations

from doctor.argument_patch import ArgumentPatch
from doctor.given import Given
from doctor.patch import Example

KEYS = ("dispatch_batches", "even_batches", "use_seedable_sampler")
IMPORT = "from accelerate import Accelerator\n"


class AcceleratorDataLoader(ArgumentPatch):
    old, new = "accelerate<1.0", "accelerate>=0.28"
    needles = tuple(name.encode() for name in KEYS)
    mends = tuple(f"argument:accelerate.Accelerator.{name}" for name in KEYS)
    of = frozenset({"accelerate.Accelerator"})
    examples = [
        Example(
            f"{IMPORT}a = Accelerator(dispatch_batches=False, cpu=True, even_batches=True, split_batches=True)",
            f"from accelerate.utils import DataLoaderConfiguration\n{IMPORT}"
            "a = Accelerator(dataloader_config=DataLoaderConfiguration(dispatch_batches=False, "
            "even_batches=True, split_batches=True), cpu=True)",
        ),
        Example(f"{IMPORT}a = Accelerator(cpu=True, split_batches=True)", keeps="every release takes it"),
        Example("from mine import Accelerator\na = Accelerator(even_batches=True)", keeps="somebody else's class"),
    ]
    proof = """
from accelerate import Accelerator

Accelerator(cpu=True, even_batches=False)
"""

    def amend(self, given: Given) -> None:
        there = [name for name in KEYS if name in given]
        if not there or "dataloader_config" in given:
            return
        there += ["split_batches"] if "split_batches" in given else []
        name = self.import_of("accelerate.utils", "DataLoaderConfiguration")
        entries = ", ".join(f"{key}={given.code(key)}" for key in there)
        given.replace(there[0], "dataloader_config", f"{name}({entries})")
        for key in there[1:]:
            given.remove(key)
