"""A cache class of the file fills `key_cache` itself and takes the number of layers from `DynamicCache`.

Up to 4.53 `len(cache)` counted `key_cache`; newer releases count layers of their own, which such a class never fills.
An empty one is false: in Jamba's files `if past_key_values and not past_key_values.has_previous_state` is never taken,
every token starts from an empty state, and the answer is wrong without an error.  The class counts its own list.  On
4.54 and 4.55 the lists cannot even be set (`AttributeError: property 'key_cache' of ... object has no setter`): the
class has them as attributes of its own.

Reference: https://github.com/huggingface/transformers/pull/39106
"""

from __future__ import annotations

import ast

import libcst as cst

from doctor.classes import Classes
from doctor.patch import Example, File, Patch

ROOT = "DynamicCache"
LISTS = ("key_cache", "value_cache")
LENGTH = "def __len__(self):\n    return len(self.key_cache)\n"
WHY = "None  # read-only properties of DynamicCache on 4.54 and 4.55\n"
HEAD = "class C({}):\n    def __init__(self, config):\n        super().__init__()\n        "
OWN = "self.key_cache = [None for _ in range(config.n)]\n"
ADDED = f"\n    key_cache = {WHY}\n    def __len__(self):\n        return len(self.key_cache)\n"


class CacheWithoutLength(Patch):
    old, new = "transformers<4.54", "transformers>=4.36"
    needles = (b"self.key_cache",)
    examples = [
        Example(HEAD.format("DynamicCache") + OWN, HEAD.format("DynamicCache") + OWN + ADDED),
        Example(
            HEAD.format("DynamicCache") + OWN + "\n    def reset(self):\n        self.key_cache = []\n",
            HEAD.format("DynamicCache") + OWN + "\n    def reset(self):\n        self.key_cache = []\n" + ADDED,
        ),
        Example(
            HEAD.format("cache_utils.DynamicCache") + OWN + "\nx = 1\n",
            HEAD.format("cache_utils.DynamicCache") + OWN + ADDED + "\nx = 1\n",
        ),
        Example(HEAD.format("DynamicCache") + OWN + ADDED, keeps="the class counts already"),
        Example(HEAD.format("Cache") + OWN, keeps="a Cache of 4.x has no length, and is true"),
        Example(HEAD.format("DynamicCache") + "n = self.key_cache\n", keeps="the list is DynamicCache's"),
    ]
    proof = """
from transformers import DynamicCache

class OwnCache(DynamicCache):
    def __init__(self):
        super().__init__()
        self.key_cache = [None, None]
        self.value_cache = [None, None]

assert OwnCache()
"""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.classes = Classes(file.text)
        self.lacking = {name for name in self.classes.nodes if self._lacks(name)}

    def reaches(self, name: str, text: str) -> bool:
        return name in self.lacking

    def _lacks(self, name: str) -> bool:
        own = "key_cache" in self._filled(name)
        return ROOT in self.classes.bases(name) and own and self.classes.method(name, "__len__") is None

    def _filled(self, name: str) -> set[str]:
        """The attributes that a class sets on itself in `__init__`."""
        init = self.classes.method(name, "__init__")
        assigned = [node for node in ast.walk(init) if isinstance(node, ast.Assign)] if init else []
        targets = [target for node in assigned for target in node.targets]
        return {ast.unparse(target).removeprefix("self.") for target in targets}

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        body = updated_node.body
        if self.file.scope or updated_node.name.value not in self.lacking or not isinstance(body, cst.IndentedBlock):
            return updated_node
        if any(isinstance(part, cst.FunctionDef) and part.name.value == "__len__" for part in body.body):
            return updated_node
        names = [name for name in LISTS if name in self._filled(updated_node.name.value)]
        added = [cst.parse_statement(text) for text in (" = ".join([*names, WHY]), LENGTH)]
        blank = [cst.EmptyLine(indent=False)]
        spaced = [statement.with_changes(leading_lines=blank) for statement in added]
        return updated_node.with_changes(body=body.with_changes(body=[*body.body, *spaced]))
