"""The rewritten texts of a plan, and why some findings get none."""

from __future__ import annotations

import ast
import hashlib
import io
import tokenize
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from doctor.fix import Left
from doctor.fix.edits import Edit
from doctor.fix.places import Place, Places
from doctor.model import Facts, Finding, Source
from doctor.notebook import Notebook, notebook_of
from doctor.patch import Patch, Refusal, catalogue, rewrite


@dataclass(frozen=True)
class Draft:
    """A source, rewritten; or the reason why it was not."""

    text: str = ""
    patches: tuple[str, ...] = ()
    encoding: str = "utf-8"
    reason: str = ""


class Drafts:
    """Rewritten texts by the digest of the file, so that equal copies are rewritten once."""

    def __init__(self, facts: Facts, unsafe: Collection[str]) -> None:
        self.sources = {source.path: source for source in facts.sources}
        self.places = Places(facts)
        self.catalogue = {patch.id(): patch for patch in catalogue()}
        self.chosen = [patch for patch in self.catalogue.values() if patch.safe or patch.id() in unsafe]
        self.drafts: dict[str, Draft] = {}
        self.unplaced: dict[str, Left] = {}

    def edits(self, flagged: Collection[str]) -> tuple[tuple[Edit, ...], list[Left]]:
        """The edits of every flagged file and its siblings, in the order of the paths, and what was refused."""
        found: dict[str, Edit] = {}
        left: list[Left] = []
        for source in self._concerned(flagged):
            draft = self._draft(source)
            if draft.reason:
                left.append(Left(source.path, draft.reason, "change it by hand"))
                continue
            targets = self.places.of(source) if draft.patches else ()
            if isinstance(targets, Left):
                self.unplaced[source.path] = targets
                left.append(targets)
                continue
            for place in targets:
                found.setdefault(place.path, _edit(source, place, draft))
        return tuple(found[path] for path in sorted(found)), left

    def unmended(self, finding: Finding) -> Left | None:
        """Why a finding that has a patch stays, None where its file is rewritten (or was refused as a whole)."""
        assert finding.where and finding.patch
        where, path = str(finding.where), finding.where.path
        source = self.sources.get(path)
        if source is None:
            return Left(where, finding.message, "scan the file: its text is not among the facts")
        draft = self._draft(source)
        if draft.reason or path in self.unplaced or finding.patch in draft.patches:
            return None
        patch = self.catalogue.get(finding.patch)
        if patch and patch not in self.chosen:
            remedy = f"read `doctor explain {patch.id()}`; where it fits, `doctor fix --unsafe {patch.id()}`"
            return Left(where, f"{finding.message}; {patch.id()} is an unsafe patch", remedy)
        return Left(where, f"{finding.message}; {finding.patch} does not know this form", "change it by hand")

    def _concerned(self, flagged: Collection[str]) -> list[Source]:
        """The flagged files, files with the same bytes (the copies of a folder), and the siblings of all these."""
        digests = {self.sources[path].digest for path in flagged if path in self.sources} - {""}
        seeds = [s for s in self.sources.values() if s.path in flagged or s.digest in digests]
        groups = {self.places.group(s) for s in seeds if s.kind == "remote-code"}
        kin = [s for s in self.sources.values() if s.kind == "remote-code" and self.places.group(s) in groups]
        return sorted(
            {s.path: s for s in (*seeds, *kin) if s.text is not None or s.path in flagged}.values(),
            key=lambda source: source.path,
        )

    def _draft(self, source: Source) -> Draft:
        key = source.digest or source.path
        if key not in self.drafts:
            self.drafts[key] = _draft(source, self.chosen)
        return self.drafts[key]


def _draft(source: Source, chosen: Sequence[type[Patch]]) -> Draft:
    import libcst as cst

    if source.text is None:
        return Draft(reason="its text is not among the facts")
    try:
        encoding = _encoding(source)
        notebook = _notebook(source)
        done = rewrite(
            notebook.code if notebook else source.text,
            [p for p in chosen if p.family != "script" or source.kind != "remote-code"],
        )
        done.text.encode(encoding)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(done.text if done.patches else "")
        if notebook and done.patches:
            done = replace(done, text=notebook.rewritten(done.text))
            done.text.encode(encoding)
    except Refusal as refusal:
        return Draft(reason=str(refusal))
    except cst.ParserSyntaxError as error:
        return Draft(reason=f"is not Python 3: line {error.raw_line}")
    except RecursionError:
        return Draft(reason="is nested too deeply to be rewritten")
    except Exception as error:
        return Draft(reason=f"a patch failed on it: {type(error).__name__}: {error}")
    return Draft(done.text, done.patches, encoding)


def _notebook(source: Source) -> Notebook | None:
    """The notebook that a source is, None where it is a file of Python.  Raises Refusal where it is neither."""
    if source.kind != "notebook":
        return None
    try:
        return notebook_of(source.text or "")
    except ValueError as error:
        raise Refusal(f"is no notebook: {error}") from error


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


def _edit(source: Source, place: Place, draft: Draft) -> Edit:
    assert source.text is not None
    return Edit(
        place.path,
        None if place.create else source.digest,
        source.text,
        draft.text,
        draft.patches,
        note=place.note,
        origin=source.path if place.create else "",
        packages=place.packages,
        link=place.link,
        encoding=draft.encoding,
    )
