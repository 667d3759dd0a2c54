"""Findings to a Plan: which files would change and how, which commands and variables mend the rest.  No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from doctor.diagnose import Diagnosis
from doctor.fix import Left
from doctor.fix.drafts import Drafts
from doctor.fix.edits import Edit
from doctor.fix.replacements import replacements
from doctor.model import Facts

__all__ = ["Edit", "Plan", "plan"]


@dataclass(frozen=True)
class Plan:
    """What a fix would do.  Edits are applied; commands, variables and configuration are printed."""

    edits: tuple[Edit, ...] = ()
    commands: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    config: tuple[str, ...] = ()
    """Lines of a configuration, or advice on one."""
    left: tuple[Left, ...] = ()
    directory: str = ""

    def __bool__(self) -> bool:
        return bool(self.edits or self.commands or self.variables or self.config)

    def without(self, paths: Collection[str], reason: str, remedy: str) -> Plan:
        """The plan less the edits of some files, which are left as they are."""
        left = [Left(path, reason, remedy) for path in sorted(paths)]
        edits = tuple(edit for edit in self.edits if edit.path not in paths)
        return replace(self, edits=edits, left=(*self.left, *left))

    def diff(self) -> str:
        """Every edit as one unified diff; a created file is compared with the one it is made from."""
        shown: set[tuple[str, str]] = set()
        parts: list[str] = []
        for edit in self.edits:
            again = edit.digest is None and (edit.before, edit.after) in shown
            parts.append(f"# the same change in {edit.path}\n" if again else edit.diff(self.directory))
            shown.add((edit.before, edit.after))
        return "".join(parts)


def plan(diagnosis: Diagnosis, facts: Facts, unsafe: Collection[str] = ()) -> Plan:
    """What mends the findings.

    A file with a finding that some patch mends is rewritten by every patch that matches it, and so are the other
    remote-code files of its repository or folder.  Unsafe patches take part only where `unsafe` names them.
    """
    drafts = Drafts(facts, unsafe)
    patched = [f for f in diagnosis.findings if f.patch and f.where]
    edits, left = drafts.edits({f.where.path for f in patched if f.where})
    replaced = [f for f in diagnosis.findings if f.replaces and f.where and f.remedy.safe]
    edits = tuple(sorted((*edits, *replacements(replaced, facts)), key=lambda edit: edit.path))
    left += [reason for f in patched if (reason := drafts.unmended(f))]
    commands, variables, config = dict[str, None](), dict[str, str](), dict[str, None]()
    for finding in diagnosis.findings:
        kind, value = finding.remedy.kind, finding.remedy.value
        if finding.where and (finding.patch or finding in replaced):
            continue
        if kind == "command" and value:
            commands[value] = None
        elif kind == "variable" and value and "=" in value:
            name, _, setting = value.partition("=")
            variables[name.removeprefix("export ").strip()] = setting
        elif kind == "config":
            config[value or finding.remedy.text] = None
        else:
            left.append(Left(str(finding.where or finding.id), finding.message, finding.remedy.text))
    return Plan(edits, tuple(commands), variables, tuple(config), tuple(dict.fromkeys(left)), facts.directory)
