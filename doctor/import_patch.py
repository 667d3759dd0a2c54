"""The base of patches that rewrite imports, but for those that the author tries."""

from __future__ import annotations

import libcst as cst

from doctor.patch import File, Patch


class ImportPatch(Patch):
    """A patch that asks, at an import, how many `try` are around it."""

    def __init__(self, file: File) -> None:
        super().__init__(file)
        self.tries = 0

    def visit_Try(self, node: cst.Try) -> None:
        self.tries += 1

    def leave_Try(self, original_node: cst.Try, updated_node: cst.Try) -> cst.Try:
        self.tries -= 1
        return updated_node
