"""The base of patches that give classes of a file one more method, which calls a helper."""

from __future__ import annotations

from collections.abc import Set
from typing import ClassVar

import libcst as cst

from doctor.classes import Classes
from doctor.patch import File, Patch, with_method


class MethodPatch(Patch):
    """A patch that says which of the top-level classes get its method; those that have one by its name do not."""

    added: ClassVar[str]
    """The method's text.  It calls the one helper of the patch."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        classes = Classes(file.text)
        name = cst.ensure_type(cst.parse_statement(self.added), cst.FunctionDef).name.value
        self.chosen = {one for one in self.lacking(classes) if not classes.method(one, name)}

    def lacking(self, classes: Classes) -> Set[str]:
        """The classes that need the method."""
        raise NotImplementedError

    def reaches(self, name: str, text: str) -> bool:
        return name in self.chosen

    def leave_ClassDef(self, original_node: cst.ClassDef, updated_node: cst.ClassDef) -> cst.ClassDef:
        name, block = updated_node.name.value, isinstance(updated_node.body, cst.IndentedBlock)
        if self.file.scope or name not in self.chosen or not block:
            return updated_node
        for helper in self.helpers:
            self.helper(helper)
        return with_method(updated_node, self.added)
