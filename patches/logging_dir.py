"""TrainingArguments(logging_dir=...) became the environment variable TENSORBOARD_LOGGING_DIR.

transformers 5.15 removed the argument: `TypeError: TrainingArguments.__init__() got an unexpected keyword argument
'logging_dir'`.  The function hands it over where the class takes it and sets the variable where it does not.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

import libcst as cst

from doctor.argument_patch import TRAINING_ARGUMENTS, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

IMPORT = "from transformers import TrainingArguments\n"


class LoggingDir(ArgumentPatch):
    old, new = "transformers<5.15", "transformers>=4.36"
    needles = (b"logging_dir",)
    mends = ("argument:transformers.TrainingArguments.logging_dir",)
    of = TRAINING_ARGUMENTS
    helpers = {
        "_doctor_logging_dir": """
def _doctor_logging_dir(arguments, folder):
    if hasattr(arguments, "logging_dir"):
        return {"logging_dir": folder}
    if folder is not None:
        import os

        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder)
    return {}
"""
    }
    examples = [
        Example(
            f'{IMPORT}a = TrainingArguments("out", logging_dir="logs")',
            f'{IMPORT}a = TrainingArguments("out", **_doctor_logging_dir(TrainingArguments, "logs"))',
        ),
        Example(
            f'{IMPORT}options = {{"logging_dir": f"{{out}}/logs"}}\na = TrainingArguments(out, **options)',
            f'{IMPORT}options = {{**_doctor_logging_dir(TrainingArguments, f"{{out}}/logs")}}\n'
            "a = TrainingArguments(out, **options)",
        ),
        Example(f'{IMPORT}a = TrainingArguments("out", logging_dir=None)', f'{IMPORT}a = TrainingArguments("out")'),
        Example("from accelerate import Accelerator\na = Accelerator(logging_dir='logs')", keeps="another class"),
        Example(f'{IMPORT}a = TrainingArguments("out")  # logging_dir', keeps="the argument is absent"),
    ]
    proof = """
from transformers import TrainingArguments
import os
a = TrainingArguments("out", logging_dir="logs")
assert "logs" in (getattr(a, "logging_dir", ""), os.environ.pop("TENSORBOARD_LOGGING_DIR", ""))
"""

    def amend(self, given: Given) -> None:
        name = "logging_dir"
        if name not in given:
            return
        if literal(given.get(name)) is None:
            given.remove(name)
        elif given.spelled:
            helper = cst.Module([]).code_for_node(self.helper("_doctor_logging_dir"))
            given.spread(name, f"{helper}({given.spelled}, {given.code(name)})")
