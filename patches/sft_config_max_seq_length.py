"""SFTConfig(max_seq_length=...) became SFTConfig(max_length=...).

trl 0.20 removed the old name: `TypeError: SFTConfig.__init__() got an unexpected keyword argument 'max_seq_length'`;
releases before 0.16 do not know the new one.  The name that the class has is chosen.

Reference: https://github.com/huggingface/trl/pull/2895
"""

from __future__ import annotations

from doctor.argument_patch import ArgumentPatch
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from trl import SFTConfig\n"
KEY = '"max_seq_length" if hasattr(SFTConfig, "max_seq_length") else "max_length"'


class SftConfigMaxSeqLength(ArgumentPatch):
    old, new = "trl<0.20", "trl>=0.9"
    needles = (b"max_seq_length",)
    mends = ("argument:trl.SFTConfig.max_seq_length",)
    of = frozenset({"trl.SFTConfig"})
    examples = [
        Example(
            f'{IMPORT}c = SFTConfig(output_dir="o", max_seq_length=512)',
            f'{IMPORT}c = SFTConfig(output_dir="o", **{{{KEY}: 512}})',
        ),
        Example(
            f'{IMPORT}options = {{"max_seq_length": n}}\nc = SFTConfig("o", **options)',
            f'{IMPORT}options = {{{KEY}: n}}\nc = SFTConfig("o", **options)',
        ),
        Example(f'{IMPORT}c = SFTConfig("o", max_length=512)  # max_seq_length', keeps="the new name"),
        Example("c = Config(max_seq_length=512)", keeps="another class"),
    ]
    proof = """
from trl import SFTConfig

SFTConfig("out", max_seq_length=8)
"""

    def amend(self, given: Given) -> None:
        given.either("max_seq_length", "max_length")
