"""Findings to a Plan: which files would change and how, which commands and variables mend the rest.  No I/O."""

from __future__ import annotations

import ast
import difflib
import hashlib
import io
import os
import tokenize
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from doctor.diagnose import Diagnosis
from doctor.fix import Left
from doctor.fix.places import Place, Places
from doctor.model import Facts, Finding, Source
from doctor.patch import Patch, Refusal, Rewrite, catalogue, rewrite


@dataclass(frozen=True)
class Edit:
    """One file to write, whole."""

    path: str
    digest: str | None
    """SHA-256 of the bytes that were read from `path`; None: the file is created."""
    before: str
    after: str
    patches: tuple[str, ...]
    note: str = ""
    origin: str = ""
    """The file that `before` was read from, where it is another than `path`."""
    packages: tuple[str, ...] = ()
    """Folders that need an `__init__.py`, outermost first."""
    link: bool = False
    """`path` is a link into the hub's blobs: the link becomes a file, the blob stays as it is."""
    encoding: str = "utf-8"

    @property
    def data(self) -> bytes:
        """The bytes to write."""
        return self.after.encode(self.encoding)

    def diff(self, directory: str = "") -> str:
        """The unified diff; paths below `directory` are printed relative to it."""
        names = (_known(self.origin or self.path, directory), _known(self.path, directory))
        lines = difflib.unified_diff(_lines(self.before), _lines(self.after), *names)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


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
    drafts = _Drafts(facts, unsafe)
    patched = [f for f in diagnosis.findings if f.patch and f.where]
    edits, left = drafts.edits({f.where.path for f in patched if f.where})
    left += [reason for f in patched if (reason := drafts.unmended(f))]
    commands, variables, config = dict[str, None](), dict[str, str](), dict[str, None]()
    for finding in diagnosis.findings:
        kind, value = finding.remedy.kind, finding.remedy.value
        if finding.patch and finding.where:
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


class _Drafts:
    """Rewritten texts by the digest of the file, so that equal copies are rewritten once."""

    def __init__(self, facts: Facts, unsafe: Collection[str]) -> None:
        self.sources = {source.path: source for source in facts.sources}
        self.places = Places(facts)
        self.catalogue = {patch.id(): patch for patch in catalogue()}
        self.chosen = [patch for patch in self.catalogue.values() if patch.safe or patch.id() in unsafe]
        self.drafts: dict[str, tuple[Rewrite, str] | str] = {}
        self.unplaced: dict[str, Left] = {}

    def edits(self, flagged: Collection[str]) -> tuple[tuple[Edit, ...], list[Left]]:
        """The edits of every flagged file and its siblings, in the order of the paths, and what was refused."""
        found: dict[str, Edit] = {}
        left: list[Left] = []
        for source in self._concerned(flagged):
            draft = self._draft(source)
            if isinstance(draft, str):
                left.append(Left(source.path, draft, "change it by hand"))
                continue
            targets = self.places.of(source) if draft[0].patches else ()
            if isinstance(targets, Left):
                self.unplaced[source.path] = targets
                left.append(targets)
                continue
            for place in targets:
                found.setdefault(place.path, _edit(source, place, *draft))
        return tuple(found[path] for path in sorted(found)), left

    def unmended(self, finding: Finding) -> Left | None:
        """Why a finding that has a patch stays, None where its file is rewritten (or was refused as a whole)."""
        assert finding.where and finding.patch
        where, path = str(finding.where), finding.where.path
        source = self.sources.get(path)
        if source is None:
            return Left(where, finding.message, "scan the file: its text is not among the facts")
        draft = self._draft(source)
        if isinstance(draft, str) or path in self.unplaced or finding.patch in draft[0].patches:
            return None
        patch = self.catalogue.get(finding.patch)
        if patch and patch not in self.chosen:
            return Left(where, f"{patch.id()} is unsafe: read `doctor explain {patch.id()}`", _with_unsafe(patch))
        return Left(where, f"{finding.message}; {finding.patch} does not know this form", "change it by hand")

    def _concerned(self, flagged: Collection[str]) -> list[Source]:
        """The flagged files, files with the same bytes (the copies of a folder), and the siblings of all these."""
        digests = {self.sources[path].digest for path in flagged if path in self.sources} - {""}
        seeds = [s for s in self.sources.values() if s.path in flagged or s.digest in digests]
        groups = {self.places.group(s) for s in seeds if s.kind == "remote-code"}
        kin = [s for s in self.sources.values() if s.kind == "remote-code" and self.places.group(s) in groups]
        return sorted(
            {s.path: s for s in (*seeds, *kin) if s.text is not None or s.path in flagged}.values(), key=_path
        )

    def _draft(self, source: Source) -> tuple[Rewrite, str] | str:
        key = source.digest or source.path
        if key not in self.drafts:
            self.drafts[key] = _draft(source, self.chosen)
        return self.drafts[key]


def _path(source: Source) -> str:
    return source.path


def _with_unsafe(patch: type[Patch]) -> str:
    return f"if it fits, `doctor fix --unsafe {patch.id()}`"


def _draft(source: Source, chosen: Sequence[type[Patch]]) -> tuple[Rewrite, str] | str:
    """The rewritten text and its encoding, or the reason why there is none."""
    import libcst as cst

    if source.kind == "notebook":
        return "is a notebook, which is not rewritten"
    if source.text is None:
        return "its text is not among the facts"
    try:
        encoding = _encoding(source)
        done = rewrite(source.text, chosen)
        done.text.encode(encoding)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(done.text if done.patches else "")
    except Refusal as refusal:
        return str(refusal)
    except cst.ParserSyntaxError as error:
        return f"is not Python 3: line {error.raw_line}"
    except RecursionError:
        return "is nested too deeply to be rewritten"
    except Exception as error:
        return f"a patch failed on it: {type(error).__name__}: {error}"
    return done, encoding


def _encoding(source: Source) -> str:
    """The encoding whose bytes of the text are those that were read.  Raises ValueError where there is none."""
    assert source.text is not None
    cookie, _ = tokenize.detect_encoding(io.BytesIO(source.text.encode("utf-8", "replace")).readline)
    for encoding in (cookie, "utf-8", "utf-8-sig"):
        try:
            if not source.digest or hashlib.sha256(source.text.encode(encoding)).hexdigest() == source.digest:
                return encoding
        except UnicodeEncodeError:
            continue
    raise ValueError("its text does not give back the bytes that were read")


def _edit(source: Source, place: Place, done: Rewrite, encoding: str) -> Edit:
    assert source.text is not None
    return Edit(
        place.path,
        None if place.create else source.digest,
        source.text,
        done.text,
        done.patches,
        note=place.note,
        origin=source.path if place.create else "",
        packages=place.packages,
        link=place.link,
        encoding=encoding,
    )


def _lines(text: str) -> list[str]:
    """The lines as `patch` counts them: a form feed or a lone carriage return does not end one."""
    return list(_split(text))


def _split(text: str) -> Iterator[str]:
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _known(path: str, directory: str) -> str:
    """A path as its user writes it: relative below the working directory, else whole."""
    if directory and PurePath(path).is_relative_to(directory):
        return os.path.relpath(path, directory)
    return path
