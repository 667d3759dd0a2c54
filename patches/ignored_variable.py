"""A script sets an environment variable that newer releases do not read, and that has a new name.

`os.environ["TRANSFORMERS_CACHE"] = "/data/hf"` does nothing on transformers 5: models are downloaded again to the home
folder.  `HF_HUB_CACHE` takes the same folder on every release; likewise `HF_ENDPOINT` for the address of the hub.

Reference: https://huggingface.co/docs/huggingface_hub/package_reference/environment_variables
"""

from __future__ import annotations

from typing import Any

import libcst as cst
import libcst.matchers as m

from doctor.patch import Example, Patch

RENAMED = {
    "TRANSFORMERS_CACHE": "HF_HUB_CACHE",
    "PYTORCH_TRANSFORMERS_CACHE": "HF_HUB_CACHE",
    "PYTORCH_PRETRAINED_BERT_CACHE": "HF_HUB_CACHE",
    "HUGGINGFACE_CO_RESOLVE_ENDPOINT": "HF_ENDPOINT",
}
ENVIRON: Any = m.OneOf(m.Attribute(m.Name("os"), m.Name("environ")), m.Name("environ"))
STORE = m.Subscript(ENVIRON, [m.SubscriptElement(m.Index(m.SimpleString()))])


class IgnoredVariable(Patch):
    old, new = "transformers<5", "transformers>=4.36"
    family = "script"
    needles = tuple(name.encode() for name in RENAMED)
    mends = tuple(f"variable:{name}" for name in RENAMED)
    examples = [
        Example(
            "import os\nos.environ['TRANSFORMERS_CACHE'] = '/data/hf'",
            "import os\nos.environ['HF_HUB_CACHE'] = '/data/hf'",
        ),
        Example(
            'import os\nos.environ.setdefault("HUGGINGFACE_CO_RESOLVE_ENDPOINT", mirror)',
            'import os\nos.environ.setdefault("HF_ENDPOINT", mirror)',
        ),
        Example("import os\nprint(os.environ['TRANSFORMERS_CACHE'])", keeps="a reading of what somebody has set"),
        Example(
            "import os\nos.environ['HF_HUB_CACHE'] = a\nos.environ['TRANSFORMERS_CACHE'] = b",
            keeps="both are set already",
        ),
    ]  # fmt: skip
    proof = """
import os
import subprocess
import sys

before = dict(os.environ)
os.environ.pop("HF_HUB_" + "CACHE", None)
os.environ["TRANSFORMERS_CACHE"] = "/somewhere"
child = '''
from huggingface_hub import constants
from transformers.utils import hub
print(getattr(hub, "TRANSFORMERS_CACHE", constants.HF_HUB_''' + '''CACHE))
'''
ran = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
os.environ.clear()
os.environ.update(before)
assert ran.stdout.strip() == "/somewhere"
"""

    def leave_AssignTarget(self, original_node: cst.AssignTarget, updated_node: cst.AssignTarget) -> cst.AssignTarget:
        if not m.matches(updated_node.target, STORE):
            return updated_node
        target = cst.ensure_type(updated_node.target, cst.Subscript)
        index = cst.ensure_type(target.slice[0].slice, cst.Index)
        text = self._renamed(index.value)
        if text is None:
            return updated_node
        slot = target.slice[0].with_changes(slice=index.with_changes(value=text))
        return updated_node.with_changes(target=target.with_changes(slice=[slot]))

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        asked = m.Call(m.Attribute(ENVIRON, m.Name("setdefault")), [m.Arg(m.SimpleString()), m.ZeroOrMore()])
        if not m.matches(updated_node, asked):
            return updated_node
        first = updated_node.args[0]
        text = self._renamed(first.value)
        return updated_node if text is None else updated_node.with_changes(
            args=[first.with_changes(value=text), *updated_node.args[1:]]
        )  # fmt: skip

    def _renamed(self, text: cst.BaseExpression) -> cst.SimpleString | None:
        string = cst.ensure_type(text, cst.SimpleString)
        now = RENAMED.get(str(string.evaluated_value))
        if now is None or now in self.file.text:
            return None
        return cst.SimpleString(f"{string.quote}{now}{string.quote}")
