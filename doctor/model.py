"""The nouns of the doctor: what was seen (Facts), what is asked (Check), what is answered (Finding).

Everything here is plain frozen data that goes to JSON and back; nothing here reads the outside world.
Units: bytes as int, times in seconds, paths as absolute strings.
"""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from doctor.binaries import Binaries
from doctor.probe import Probe
from doctor.rank import Rank

if TYPE_CHECKING:
    from packaging.version import Version

    from doctor.code import Code

NEWEST = "5.23.0"
"""The newest transformers release the catalogue was tested on; judged against when none is installed."""


class Severity(enum.Enum):
    """How bad a finding is."""

    ERROR = "error"
    """It will not run, or its numbers will be wrong."""
    WARNING = "warning"
    """It runs, but breaks at the next upgrade or wastes the GPU."""
    HINT = "hint"
    """Something better exists."""

    def __ge__(self, other: Severity) -> bool:
        order = list(Severity)
        return order.index(self) <= order.index(other)


@dataclass(frozen=True)
class Location:
    """A place in a file: `line` from 1, `column` from 1; in a notebook `cell` from 0 and the line within it."""

    path: str
    line: int | None = None
    column: int | None = None
    cell: int | None = None

    def __str__(self) -> str:
        cell = [] if self.cell is None else [f"cell {self.cell}"]
        return ":".join([self.path, *cell, *([str(self.line)] if self.line else [])])


@dataclass(frozen=True)
class Remedy:
    """What to do: `text` begins with a verb; `value` is what to paste (a command, `NAME=value`, a key: value)."""

    kind: Literal["edit", "command", "variable", "config", "advice"]
    text: str
    value: str | None = None
    safe: bool = False


@dataclass(frozen=True)
class Finding:
    """One answer of one check.  A check gives message, remedy and place; diagnose adds the rest from the check."""

    message: str
    remedy: Remedy
    where: Location | None = None
    construct: str = ""
    """What was found, in the words of `Patch.mends` (`attribute:seen_tokens`); empty: the check's id."""
    patch: str | None = None
    """Id of the patch that mends it; diagnose looks it up by the construct."""
    replaces: str = ""
    """In a file that is not Python: the text at `where` that `remedy.value` takes the place of."""
    severity: Severity | None = None
    """None: the check's own."""
    id: str = ""
    family: str = ""
    title: str = ""


@dataclass(frozen=True)
class Skip:
    """Something that was not examined: `id` is a check's id or a path, `reason` says why."""

    id: str
    reason: str


@dataclass(frozen=True)
class Package:
    """An installed distribution, read from its metadata folder."""

    name: str
    """Normalised as in PEP 503: lower case, dashes."""
    version: str
    path: str = ""
    """The `*.dist-info` or `*.egg-info` it was read from."""
    requires: tuple[str, ...] = ()
    """Its `Requires-Dist` lines, verbatim."""
    editable: str | None = None
    """Source folder of an editable install."""


@dataclass(frozen=True)
class Python:
    """The interpreter that will run the fine-tune."""

    executable: str = ""
    version: str = "3.11.0"
    prefix: str = ""
    kind: Literal["venv", "uv", "conda", "system"] = "system"
    paths: tuple[str, ...] = ()
    """Its site-packages folders, in import order."""


@dataclass(frozen=True)
class Holder:
    """A process that holds memory of a GPU, in bytes; 0: not told."""

    pid: int
    memory: int = 0
    name: str = ""
    """Its program, where it can be seen from here."""


@dataclass(frozen=True)
class Gpu:
    """One accelerator; memory in bytes."""

    name: str
    memory: int
    free: int
    capability: str | None = None
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True)
class Machine:
    """Hardware and driver; `cuda` is the newest CUDA the driver supports."""

    system: str = "Linux"
    gpus: tuple[Gpu, ...] = ()
    driver: str | None = None
    cuda: str | None = None
    backend: Literal["cuda", "rocm", "mps", "none"] = "none"
    memory: int | None = None
    disk_free: int | None = None
    wsl: bool = False
    """Whether Linux runs inside Windows."""
    hidden: str | None = None
    """Under WSL: a library of a Linux driver that is found before Windows' own."""
    note: str | None = None
    """Why the GPU could not be asked, where it could not."""


class _Text:
    """A text kept as UTF-8: for one emoji in a file, Python would spend four bytes on each of its characters."""

    def __get__(self, source: Source | None, owner: type[Source]) -> str | None:
        data = source.__dict__["_text"] if source else None
        return None if data is None else data.decode("utf-8", "surrogatepass")

    def __set__(self, source: Source, text: str | None) -> None:
        source.__dict__["_text"] = None if text is None else text.encode("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Source:
    """A Python file that is examined.

    `text` is None where no check had a reason to read it (none of its needles is in the bytes).
    """

    path: str
    kind: Literal["remote-code", "script", "notebook", "text"]
    """`text`: a shell script, a Dockerfile, a configuration: read line by line."""
    text: str | None = cast("str | None", _Text())
    digest: str = ""
    """SHA-256 of the file's bytes."""
    repository: str | None = None
    """Hub id (`microsoft/Phi-3-mini-4k-instruct`) of remote code, or the local folder's name."""
    revision: str | None = None
    """Commit of the hub repository, or the digest folder transformers 5 makes for a local one."""
    model: str | None = None
    """Folder whose config.json goes with this file."""
    blob: str | None = None
    """Target, where the path is a link into the hub's content-addressed blobs: never written through."""
    imported: bool = True
    """Whether this very copy is imported (modules cache, script); transformers copies snapshots and model folders."""

    @property
    def size(self) -> int:
        """Bytes of the text as UTF-8; 0 where it was not kept."""
        return len(self.__dict__["_text"] or b"")


@dataclass(frozen=True)
class Launch:
    """A configuration of `accelerate launch`: its plain values by key."""

    path: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Export:
    """A variable that a shell script sets; `line` from 1."""

    path: str
    line: int
    name: str
    value: str


@dataclass(frozen=True)
class ModelFacts:
    """A model folder or hub snapshot; no tensor is read."""

    path: str
    config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: Mapping[str, Any] = field(default_factory=dict)
    """tokenizer_config.json."""
    generation: Mapping[str, Any] = field(default_factory=dict)
    tensors: Mapping[str, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    """Name to (safetensors dtype, shape), from the headers."""
    files: tuple[str, ...] = ()
    repository: str | None = None
    revision: str | None = None
    weights_metadata: Mapping[str, str] = field(default_factory=dict)
    special_tokens: Mapping[str, Any] = field(default_factory=dict)
    """special_tokens_map.json."""
    templates: Mapping[str, str] = field(default_factory=dict)
    """Chat templates that have files of their own, by name; the plain one is `default`."""
    added_tokens: tuple[str, ...] = ()
    """The special tokens of tokenizer.json, where it was read."""
    post_processor: Mapping[str, Any] = field(default_factory=dict)
    """The post-processor of tokenizer.json, where it was read."""


@dataclass(frozen=True)
class Row:
    """A row of a data set as an example: `number` from 1, the line in JSON Lines; `text` says which it is."""

    number: int
    text: str = ""


@dataclass(frozen=True)
class Seen:
    """In how many rows something was seen, the first of them, and a count of what it is about (tokens, turns)."""

    rows: int
    examples: tuple[Row, ...] = ()
    amount: int = 0


@dataclass(frozen=True)
class Shown:
    """A row as the model gets it: its tokens as text, and which of them, from and to, are learnt."""

    number: int
    pieces: tuple[str, ...] = ()
    learnt: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class DataFacts:
    """A data set, counted.  Lengths are in tokens, 0 where nothing was tokenised."""

    path: str
    layout: str = ""
    """sharegpt, messages, alpaca, question-answer, prompt-completion, text, tokens; several with commas."""
    rows: int = 0
    seen: Mapping[str, Seen] = field(default_factory=dict)
    """What was seen, and how often: `empty-answer`, `foreign-end:<|im_end|>`, ...: doctor/scan/survey.py lists them."""
    model: str | None = None
    """Folder of the model whose template and tokenizer it was judged by."""
    limit: int | None = None
    """Tokens that fit into one row of training."""
    limit_from: str = ""
    """Where the limit comes from: `--max-length`, or a key of the model."""
    longest: int = 0
    """Tokens that the longest row needs up to the end of its last answer."""
    median: int = 0
    end: str = ""
    """The token that ends an answer in the model's template."""
    ends: tuple[str, ...] = ()
    """The tokens that may end a turn."""
    header: str = ""
    """What comes before an answer in the model's template."""
    languages: Mapping[str, int] = field(default_factory=dict)
    """Language or script of the answers to rows."""
    holdout: bool = False
    """Whether it is held out from training, by its name."""
    shown: tuple[Shown, ...] = ()
    repository: str | None = None
    """Hub id of the model, where it has one."""

    @property
    def reader(self) -> str:
        """The name of the model it was judged by."""
        return self.repository or (self.model or "").replace("\\", "/").rstrip("/").rpartition("/")[2]

    def of(self, kind: str) -> Iterator[tuple[str, Seen]]:
        """What was seen of a kind, each with what stands after its colon, the commonest first."""
        found = [(name.partition(":")[2], seen) for name, seen in self.seen.items() if name.partition(":")[0] == kind]
        yield from sorted(found, key=lambda pair: -pair[1].rows)

    def share(self, seen: Seen) -> str:
        """In how many of the rows, and in which.

        >>> DataFacts("d.jsonl", rows=40).share(Seen(2, (Row(3), Row(7))))
        '2 of 40 rows (3, 7)'
        """
        named = [f"{row.number:,}" for row in seen.examples if row.number]
        more = ", ..." if seen.rows > len(named) else ""
        numbers = f" ({', '.join(named)}{more})" if named else ""
        return f"{seen.rows:,} of {self.rows:,} row{'s' * (self.rows != 1)}{numbers}"

    def place(self, seen: Seen) -> Location:
        """Where it was first seen: the line, where a row is a line."""
        number = seen.examples[0].number if seen.examples else 0
        lines = self.path.endswith((".jsonl", ".ndjson"))
        return Location(self.path, number if lines and number else None)


@dataclass(frozen=True)
class Facts:
    """What the scan saw.  `project` names the modules and packages in the working directory."""

    python: Python = Python()
    packages: Mapping[str, Package] = field(default_factory=dict)
    duplicates: Mapping[str, tuple[Package, ...]] = field(default_factory=dict)
    """Distributions of which the path has several versions: every copy, the imported one first."""
    machine: Machine = Machine()
    binaries: Binaries = field(default_factory=Binaries)
    variables: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    data: tuple[DataFacts, ...] = ()
    launches: tuple[Launch, ...] = ()
    """Configurations of accelerate: the default one, and those among the targets."""
    exports: tuple[Export, ...] = ()
    """What shell scripts among the targets set."""
    project: tuple[str, ...] = ()
    directory: str = ""
    skipped: tuple[Skip, ...] = ()
    modules_cache: str = ""
    """Where transformers puts, and imports, remote code (`HF_MODULES_CACHE`)."""
    hub_cache: str = ""
    """Where huggingface-hub keeps snapshots and blobs (`HF_HUB_CACHE`)."""
    targets: tuple[str, ...] = ()
    """The files and folders that were asked for; none: the caches."""
    model: str | None = None
    """The folder of the model that was asked for by `--model`."""
    vram: int | None = None
    """Bytes of GPU memory to judge by instead of this machine's (`--vram`)."""
    max_length: int | None = None
    """Tokens of a training row (`--max-length`)."""
    probes: tuple[Probe, ...] = ()
    """What came of importing the compiled libraries, where `--probe` asked for it."""
    ranks: tuple[Rank, ...] = ()
    """The processes of a distributed launch, this one among them; none where the doctor runs alone."""
    against: str | None = None
    """The release judged instead of the installed one, e.g. `transformers==5.23.0`."""

    def version(self, distribution: str) -> Version | None:
        """The installed (or assumed) version of a distribution, None where absent or not a version."""
        from packaging.version import InvalidVersion, Version

        package = self.packages.get(distribution)
        if package is None:
            return None
        try:
            return Version(package.version)
        except InvalidVersion:
            return None

    @cached_property
    def transformers(self) -> Version:
        """The transformers release to judge by: `--against`, else the installed one, else the newest known."""
        from packaging.version import Version

        return self.version("transformers") or Version(NEWEST)

    def has(self, requirement: str) -> bool:
        """Whether a distribution within the PEP 508 requirement is installed; `transformers` falls back to the newest.

        Pre-releases count: `transformers>=5` is true of 5.0.0rc1.
        """
        from packaging.requirements import Requirement

        wanted = Requirement(requirement)
        name = normalise(wanted.name)
        version = self.transformers if name == "transformers" else self.version(name)
        return version is not None and wanted.specifier.contains(version, prereleases=True)

    def beside(self, source: Source) -> tuple[Source, ...]:
        """The files of remote code in a source's folder, itself among them."""
        return self._folders.get(_folder(source), ())

    @cached_property
    def _folders(self) -> Mapping[str, tuple[Source, ...]]:
        folders: dict[str, tuple[Source, ...]] = {}
        for source in self.sources:
            if source.kind == "remote-code":
                folders[_folder(source)] = (*folders.get(_folder(source), ()), source)
        return folders

    def model_of(self, source: Source) -> ModelFacts | None:
        """The model folder whose config.json is used with a remote-code file."""
        return next((m for m in self.models if m.path == source.model), None) if source.model else None


def _folder(source: Source) -> str:
    return source.path.replace("\\", "/").rpartition("/")[0]


def normalise(name: str) -> str:
    """A distribution name as PEP 503 compares it.

    >>> normalise("huggingface_hub")
    'huggingface-hub'
    """
    return re.sub(r"[-_.]+", "-", name).lower()


def within(requirement: str, version: Version | str) -> bool:
    """Whether a release is in a requirement such as `transformers<5`, pre-releases counted."""
    from packaging.requirements import Requirement

    return Requirement(requirement).specifier.contains(version, prereleases=True)


@dataclass(frozen=True)
class Check:
    """One question.  `run(facts)` for the environment; `read(code, facts)` for one source file that has a needle."""

    id: str
    family: str
    severity: Severity
    doc: str
    """The module's docstring: its first line is the title."""
    run: Callable[[Facts], Iterable[Finding]] | None = None
    read: Callable[[Code, Facts], Iterable[Finding]] | None = None
    needles: tuple[bytes, ...] = ()
    """A file is read only if it holds one of these."""
    confirm: Callable[[bytes], object] | None = None
    """A second look at the bytes, dearer than the needles and cheaper than parsing; a false answer ends it."""
    kinds: tuple[str, ...] = ("remote-code", "script", "notebook")
    passes: Sequence[Facts] = ()
    fails: Sequence[Facts] = ()

    @property
    def title(self) -> str:
        return self.doc.partition("\n")[0].rstrip(".")


def _register(function: Callable[..., Iterable[Finding]], **fields: Any) -> Check:
    module = sys.modules[function.__module__]
    if not module.__doc__:
        raise TypeError(f"{module.__name__}: a check needs a docstring: title, why it matters, what to do, reference")
    return Check(id=module.__name__.rpartition(".")[2].replace("_", "-"), doc=module.__doc__, **fields)


def check(
    family: str,
    severity: Severity,
    *,
    passes: Sequence[Facts],
    fails: Sequence[Facts],
    read: Callable[[Code, Facts], Iterator[Finding]] | None = None,
    needles: Sequence[bytes] = (),
) -> Callable[[Callable[[Facts], Iterator[Finding]]], Check]:
    """Make a check of the environment out of a function of Facts; its id is the file's name in kebab case.

    `read` asks the same question of scripts that hold one of the needles.
    """
    return lambda function: _register(
        function,
        family=family,
        severity=severity,
        run=function,
        read=read,
        needles=tuple(needles),
        kinds=("script", "notebook"),
        passes=passes,
        fails=fails,
    )


def source_check(
    family: str,
    severity: Severity,
    *,
    needles: Sequence[bytes],
    passes: Sequence[Facts],
    fails: Sequence[Facts],
    kinds: Sequence[str] = ("remote-code", "script", "notebook"),
    confirm: Callable[[bytes], object] | None = None,
) -> Callable[[Callable[[Code, Facts], Iterator[Finding]]], Check]:
    """Make a check of one source file out of a function of its Code and the Facts.

    It is called only for files of these kinds whose bytes hold one of the needles, and pass `confirm` if given.
    """
    return lambda function: _register(
        function,
        family=family,
        severity=severity,
        read=function,
        needles=tuple(needles),
        kinds=tuple(kinds),
        confirm=confirm,
        passes=passes,
        fails=fails,
    )


def complete(finding: Finding, of: Check) -> Finding:
    """A check's answer with the check's id, family, title and severity filled in."""
    return replace(finding, id=of.id, family=of.family, title=of.title, severity=finding.severity or of.severity)
