"""HfFolder.get_token() became get_token().

huggingface-hub 1.0 removed the class: `ImportError: cannot import name 'HfFolder' from 'huggingface_hub'`.  A script
that only reads the token imports the function, which 0.24 has too.  `save_token` and `delete_token` stay a finding:
`login` asks the hub first.

Reference: https://github.com/huggingface/huggingface_hub/blob/main/docs/source/en/concepts/migration.md
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.argument_patch import ScriptPatch, dotted
from doctor.parsing import nodes
from doctor.patch import Example, File


class HfFolder(ScriptPatch):
    old, new = "huggingface-hub<1.0", "huggingface-hub>=0.24"
    needles = (b"HfFolder",)
    mends = ("import:huggingface_hub.HfFolder", "import:huggingface_hub.utils.HfFolder")
    examples = [
        Example(
            "from huggingface_hub import HfApi, HfFolder\ntoken = HfFolder.get_token()",
            "from huggingface_hub import HfApi, get_token\ntoken = get_token()",
        ),
        Example(
            "from huggingface_hub import HfFolder as Folder\nt = Folder().get_token()",
            "from huggingface_hub import get_token\nt = get_token()",
        ),
        Example("from huggingface_hub import HfFolder\nHfFolder.save_token(t)", keeps="a login asks the hub"),
        Example("from huggingface_hub import get_token\nt = get_token()  # HfFolder", keeps="the function"),
    ]
    proof = """
from huggingface_hub import HfFolder

token = HfFolder.get_token()
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        full = ("huggingface_hub.HfFolder", "huggingface_hub.utils.HfFolder")
        self.local = next((name for name, origin in self.script.imports.items() if origin in full), "")
        text = file.text
        asked = text.count(f"{self.local}.get_token(") + text.count(f"{self.local}().get_token(") if self.local else 0
        named = sum(node.id == self.local for node in nodes(text, ast.Name)) if self.local else 0
        self.alone = bool(asked) and asked == named

    def leave_ImportAlias(self, original_node: cst.ImportAlias, updated_node: cst.ImportAlias) -> cst.ImportAlias:
        if self.alone and dotted(updated_node.name) == "HfFolder":
            return updated_node.with_changes(name=cst.Name("get_token"), asname=None)
        return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.Call:
        func = updated_node.func
        if not self.alone or not isinstance(func, cst.Attribute) or func.attr.value != "get_token":
            return updated_node
        owner = func.value.func if isinstance(func.value, cst.Call) else func.value
        return updated_node.with_changes(func=cst.Name("get_token")) if dotted(owner) == self.local else updated_node
