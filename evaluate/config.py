"""evaluate.yaml: what is asked, of whom, and how it is scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from doctor.evaluate.model import Sample
from doctor.evaluate.reading import Row, yaml
from doctor.evaluate.samples import read_samples
from doctor.evaluate.scorers import DEFAULT, names
from doctor.settings import UsageError, nearest

KEYS = ("model", "name", "samples", "scorers", "judge", "generate", "output", "template", "load", "lm_eval")
JUDGE_KEYS = ("url", "model")
LOAD_KEYS = ("quant", "dtype", "device", "merge", "trust_remote_code")
LM_EVAL_KEYS = ("tasks", "limit", "include", "shots", "batch")
QUANTS = ("none", "nf4", "nf4-double", "int8")
DTYPES = ("auto", "bfloat16", "float16", "float32")
DEVICES = ("auto", "cpu", "cuda")
GENERATE_KEYS = ("max_new_tokens", "batch", "seed", "temperature", "timeout")


@dataclass(frozen=True)
class Generate:
    """How the model answers."""

    max_new_tokens: int = 256
    batch: int = 8
    """How many questions are under way at once."""
    seeds: tuple[int, ...] = (0,)
    """One answer to every sample for each."""
    temperature: float = 0.0
    timeout: float = 120.0
    """Seconds after which one answer is given up."""


@dataclass(frozen=True)
class Judge:
    """A model that grades the answers; none where there is no URL."""

    url: str = ""
    model: str = ""
    """Its name at the server; empty: the first it offers."""


@dataclass(frozen=True)
class Load:
    """How the weights of a folder are loaded; nothing of it matters to a server."""

    quant: str = ""
    """How they are held; empty: as the run was trained, else whole."""
    dtype: str = "auto"
    """Of weights that are not quantised; `auto`: as they are stored on a GPU, float32 on a CPU.

    A GGUF file keeps its own weights; `float32` has llama.cpp remember the conversation in 32 bits instead of 16.
    """
    device: str = "auto"
    merge: bool = False
    """Whether an adapter is added into the weights before the first answer."""
    trust_remote_code: bool = False


@dataclass(frozen=True)
class LmEval:
    """Tasks of lm-evaluation-harness that are run beside; none by default."""

    tasks: tuple[str, ...] = ()
    limit: int | None = None
    """Documents of every task at most."""
    include: str = ""
    """A folder of tasks of one's own."""
    shots: int | None = None
    """Examples before each question; None: as the task says."""
    batch: int = 0
    """Documents that are computed at once; 0: as `generate` says."""


@dataclass(frozen=True)
class Config:
    """One evaluation."""

    path: Path
    samples: tuple[Sample, ...]
    scorers: tuple[str, ...] = DEFAULT
    model: str = ""
    """An OpenAI-compatible server's URL, a GGUF file, or a folder; empty where recorded answers are scored."""
    name: str = ""
    """The model's name at the server; empty: the first it offers."""
    generate: Generate = field(default_factory=Generate)
    judge: Judge = field(default_factory=Judge)
    output: str = ""
    """The folder that keeps the answers and the report."""
    template: str = ""
    """The chat template, where the model brings none or another is wanted: a family's name, or a file."""
    load: Load = field(default_factory=Load)
    lm_eval: LmEval = field(default_factory=LmEval)


def read_config(path: Path) -> Config:
    """The configuration with its samples; raises UsageError that names the file, the row and the key."""
    document = yaml(path, "the configuration")
    if not isinstance(document, dict):
        raise UsageError(f"{path} is not a mapping; write `samples: questions.yaml` and `model: ...`")
    row = Row(document, str(path))
    row.only(KEYS)
    judge = _judge(row)
    return Config(
        path,
        samples=tuple(_samples(row, path)),
        scorers=_scorers(row, judge),
        judge=judge,
        model=row.text("model", ""),
        name=row.text("name", ""),
        generate=_generate(row),
        output=row.text("output", ""),
        template=row.text("template", ""),
        load=_load(row),
        lm_eval=_lm_eval(row),
    )


def _samples(row: Row, config: Path) -> list[Sample]:
    named = row.listed("samples")
    if not named:
        row.wrong("has no 'samples': name the file with the questions")
    return read_samples([_file(row, config, name) for name in named])


def _file(row: Row, config: Path, name: Any) -> Path:
    """A file as named from the current folder or, where it is not there, from the configuration's."""
    if not isinstance(name, str):
        row.wrong(f"'samples' has {name!r}, not the name of a file")
    here, beside = Path(name).expanduser(), config.parent / name
    if not here.exists() and not beside.exists():
        row.wrong(f"'samples' names {name}, which is neither in the current folder nor in {config.parent}")
    return here if here.exists() else beside


def _part(row: Row, key: str, known: Sequence[str]) -> Row:
    """A mapping within the configuration; empty where it is not given."""
    values = row.values.get(key) or {}
    if not isinstance(values, dict):
        row.wrong(f"{key!r} is {values!r}, not a mapping of {', '.join(known)}")
    part = Row(values, f"{row.where}: {key!r}")
    part.only(known)
    return part


def _load(row: Row) -> Load:
    part = _part(row, "load", LOAD_KEYS)
    return Load(
        part.choice("quant", QUANTS),
        part.choice("dtype", DTYPES) or "auto",
        part.choice("device", DEVICES) or "auto",
        part.flag("merge"),
        part.flag("trust_remote_code"),
    )


def _lm_eval(row: Row) -> LmEval:
    part = _part(row, "lm_eval", LM_EVAL_KEYS)
    tasks = tuple(Row({"task": task}, part.where).text("task") for task in part.listed("tasks"))
    if part.values and not tasks:
        part.wrong("has no 'tasks': name them as `lm_eval ls tasks` does")
    limit, shots = (
        part.integer(key, 0, 1 if key == "limit" else 0) if key in part.values else None for key in ("limit", "shots")
    )
    return LmEval(tasks, limit, part.text("include", ""), shots, part.integer("batch", 0, 0))


def _judge(row: Row) -> Judge:
    part = _part(row, "judge", JUDGE_KEYS)
    url = part.text("url") if part.values else ""
    if url and not url.startswith(("http://", "https://")):
        part.wrong(f"'url' is {url!r}, which does not begin with http:// or https://")
    return Judge(url, part.text("model", ""))


def _scorers(row: Row, judge: Judge) -> tuple[str, ...]:
    """The rules to ask; the judge is asked where it has a URL, and may be named among them."""
    if "scorers" not in row.values:
        return DEFAULT
    named = row.listed("scorers")
    if "judge" in named and not judge.url:
        row.wrong("'scorers' has 'judge', which needs `judge: {url: ...}`")
    chosen = [name for name in named if name != "judge"]
    if not named:
        row.wrong("'scorers' is empty; leave it out for the usual ones")
    for name in chosen:
        if name not in names():
            hint = nearest(str(name), names()) or f"; known are {', '.join(names())}"
            row.wrong(f"'scorers' has {name!r}, and there is no such scorer{hint}")
    return tuple(dict.fromkeys(chosen))


def _generate(row: Row) -> Generate:
    part = _part(row, "generate", GENERATE_KEYS)
    seeds = [Row({"seed": seed}, part.where).integer("seed", 0, 0) for seed in part.listed("seed")] or [0]
    temperature = part.number("temperature", 0.0, 0.0)
    if len(set(seeds)) != len(seeds):
        part.wrong(f"'seed' has one twice: {seeds}")
    if len(seeds) > 1 and not temperature:
        part.wrong("several seeds give the same answers at temperature 0; set 'temperature', or one seed")
    return Generate(
        max_new_tokens=part.integer("max_new_tokens", 256, 1),
        batch=part.integer("batch", 8, 1),
        seeds=tuple(seeds),
        temperature=temperature,
        timeout=part.number("timeout", 120.0, 0.1),
    )
