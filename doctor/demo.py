"""`doctor demo`: the real fault, planted in a scratch folder, found, mended, and taken back.

The fault is Phi-3's modeling code as transformers 4.44.2 shipped it, used as remote code: on transformers 5 it fails
with KeyError: 'type'.  The weights are random and tiny.  Every command shown is the doctor's own, run as a user would.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import re
import shlex
import shutil
import signal
import site
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from doctor import demo_fault
from doctor.commands.terminal import line, stdout
from doctor.demo_fault import COMMIT, COMPARE, CONFIG, ORIGIN, REPOSITORY, USE, WEIGHTS, Stopped

if TYPE_CHECKING:
    from rich.console import Console

STEPS = 9
TOLERANCE = 1e-5


def demo(wheel: str | None = None) -> int:
    """Run the demo; 0 where every step went as announced.  `wheel`: transformers 4.44.2 from disk, not the network."""
    console, began = stdout(), time.perf_counter()
    try:
        release = _installed()
        with _scratch() as root:
            line(console, ("doctor demo", "bold"), f" · Python {sys.version.split()[0]}, transformers {release}")
            line(console, (f"Everything happens in {root}; its home folder, ~ below, is there too.", "dim"))
            _Story(console, root, release).tell(wheel)
        if root.exists():
            raise Stopped(f"{root} could not be removed")
    except Stopped as stopped:
        sys.stderr.write(f"doctor demo: {stopped}\n")
        return 1
    line(console)
    seconds = time.perf_counter() - began
    line(console, (f"✓ Failed, found, mended, equal, taken back: {seconds:.0f} s.", "bold green"), f" {root} is gone.")
    line(console, "  Your own environment: ", ("doctor check --python PATH_OF_ITS_FOLDER", "bold green"))
    return 0


def _installed() -> str:
    """The transformers release of this interpreter."""
    try:
        importlib.metadata.version("torch")
        return importlib.metadata.version("transformers")
    except importlib.metadata.PackageNotFoundError as error:
        command = f"{shlex.quote(sys.executable)} -m pip install 'tune-doctor[demo]'"
        raise Stopped(f"it loads a model, and {error.name} is not installed here; run: {command}") from error


@contextlib.contextmanager
def _scratch() -> Iterator[Path]:
    """A folder that is gone afterwards, also after Ctrl-C, a signal to end, or an error."""

    def end(number: int, _: object) -> NoReturn:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), end) for name in names}
    root = Path(tempfile.mkdtemp(prefix="doctor-demo-"))
    try:
        yield root
    finally:
        shutil.rmtree(root, ignore_errors=True)
        for name, old in before.items():
            signal.signal(getattr(signal, name), old)


class _Story:
    """The steps, in order, and what they share."""

    def __init__(self, console: Console, root: Path, release: str) -> None:
        self.console, self.root, self.release = console, root, release
        self.number, self.project = 0, root / "home/project"
        self.home = root / "home"
        self.hub = self.home / ".cache/huggingface"
        self.snapshot = self.hub / f"hub/models--{REPOSITORY.replace('/', '--')}/snapshots/{COMMIT}"
        for folder in (self.project, self.snapshot, root / "tmp"):
            folder.mkdir(parents=True)
        for name, text in {"weights.py": WEIGHTS, "use.py": USE, "compare.py": COMPARE}.items():
            (self.project / name).write_text(text, "utf-8")
        self.environment = _environment(root, self.home, self.hub)

    def tell(self, wheel: str | None) -> None:
        """All of it; raises Stopped at the first step that does not do what it should."""
        code = self.from_file(wheel) if wheel else self.fetched()
        self.plant(code)
        self.fails()
        before = self.digests()
        self.doctor("Ask the doctor", "check", expect=1)
        self.doctor("Mend it", "fix", "--yes")
        self.doctor("Ask again", "check")
        self.works()
        self.doctor("Take it back", "undo", then=lambda: self.same(before))
        self.runs(then=lambda: self.same(before))

    def from_file(self, wheel: str) -> dict[str, str]:
        """Phi-3's code out of a wheel on disk."""
        with self.step(f"Take Phi-3's code from {wheel}"):
            return demo_fault.code(Path(wheel))

    def fetched(self) -> dict[str, str]:
        """Phi-3's code out of a wheel from the package registry."""
        words = ["pip", "download", "--no-deps", f"transformers=={ORIGIN}"]
        options = ["--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check", "--dest", str(self.root)]
        with self.step(f"Fetch Phi-3's code as transformers {ORIGIN} shipped it: one wheel, about 10 MB, by pip"):
            self.command(*words)
            # pip needs the user's own home, where its configuration and credentials are.
            variables = {**os.environ, "TMPDIR": str(self.root)}
            call = [sys.executable, "-m", *words, *options, "--retries", "1", "--timeout", "15"]
            with self.console.status("fetching"):
                done = subprocess.run(call, capture_output=True, text=True, env=variables)
            wheel = next(self.root.glob("*.whl"), None)
            if wheel is None:
                said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
                raise Stopped(
                    f"pip could not fetch transformers {ORIGIN} ({said}); where there is no network, run "
                    f"`{' '.join(words)}` elsewhere, then: doctor demo --wheel FILE"
                )
            return demo_fault.code(wheel)

    def plant(self, code: dict[str, str]) -> None:
        """A model repository in the scratch hub cache, as a download would have left it."""
        with self.step(f"Plant it as {REPOSITORY}, a model with remote code, in a scratch hub cache"):
            self.python("weights.py")
            files = {name: text.encode() for name, text in code.items()}
            files["config.json"] = json.dumps(CONFIG, indent=2).encode()
            files["model.safetensors"] = (self.project / "made/model.safetensors").read_bytes()
            shutil.rmtree(self.project / "made")
            demo_fault.publish(self.snapshot, files)
            size = sum(map(len, files.values())) // 1024
            self.good(f"{', '.join(files)}: {size} KiB, random weights")

    def fails(self) -> None:
        """The run as its user sees it."""
        with self.step(f"Use it on transformers {self.release}: it fails"):
            self.command("python", "use.py")
            done = self.child([sys.executable, "use.py"])
            if done.returncode == 0:
                raise Stopped(
                    f"transformers {self.release} still runs this code, so there is nothing to mend; "
                    "4.54 and newer do not, so run: pip install -U transformers"
                )
            rows = done.stderr.rstrip().splitlines()
            frames = [re.sub(r'".*/', '"', row.strip()) for row in rows if "modeling_phi3.py" in row]
            for row in (*frames[-1:], rows[-1]):
                line(self.console, ("  " + row, "red"))

    def doctor(self, title: str, *words: str, expect: int = 0, then: Callable[[], None] | None = None) -> None:
        """One command of the doctor, its output as it comes."""
        with self.step(title):
            self.command("doctor", *words)
            self.console.file.flush()
            done = self.child([sys.executable, "-m", "doctor", *words], capture=False)
            if done.returncode == 1 != expect and not self.left():
                line(self.console, ("  What remains is of this environment, not of the planted model.", "dim"))
            elif done.returncode != expect:
                raise Stopped(f"`doctor {' '.join(words)}` exited with {done.returncode} instead of {expect}")
            if then:
                then()

    def left(self) -> list[str]:
        """Ids of the errors that the doctor still finds in the scratch folder."""
        done = self.child([sys.executable, "-m", "doctor", "check", "--format", "json"])
        errors = [found for found in json.loads(done.stdout)["findings"] if found["severity"] == "error"]
        return [found["id"] for found in errors if found["where"] and found["where"]["path"].startswith(str(self.root))]

    def works(self) -> None:
        """The same run, mended; its numbers beside those of the library's own class."""
        with self.step("Load it, generate, and compare with transformers' own class"):
            self.command("python", "use.py")
            self.good(_last(self.python("use.py").stdout))
            self.command("python", "compare.py")
            difference = float(_last(self.python("compare.py").stdout))
            if not difference <= TOLERANCE:
                raise Stopped(f"the logits differ from those of transformers' own Phi3ForCausalLM by {difference:g}")
            self.good(
                f"largest difference of a logit to transformers' own Phi3ForCausalLM, same weights: {difference:g}"
            )

    def runs(self, then: Callable[[], None]) -> None:
        """The patches at import time instead."""
        with self.step("Or run it without touching a file"):
            self.command("doctor", "run", "--", "python", "use.py")
            done = self.python("-m", "doctor", "run", "--", sys.executable, "use.py")
            for row in done.stderr.splitlines():
                if row.startswith("doctor: "):
                    line(self.console, "  " + row)
            self.good(_last(done.stdout))
            then()

    def same(self, before: dict[str, str]) -> None:
        """Every Python file of the caches is what it was."""
        if self.digests() != before:
            raise Stopped("the files differ from what they were before the fix")
        self.good(f"{len(before)} files are what they were, byte for byte (SHA-256)")

    def digests(self) -> dict[str, str]:
        """Digest of every Python file of the scratch caches."""
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(self.hub.rglob("*.py"))}

    def python(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A script that must succeed."""
        done = self.child([sys.executable, *words])
        if done.returncode:
            said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise Stopped(f"{words[-1]} failed: {said}")
        return done

    def child(self, words: Sequence[str], capture: bool = True) -> subprocess.CompletedProcess[str]:
        with self.console.status("running") if capture else contextlib.nullcontext():
            return subprocess.run(words, env=self.environment, cwd=self.project, capture_output=capture, text=True)

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[None]:
        """A numbered step: its title before, its time after."""
        self.number += 1
        began = time.perf_counter()
        line(self.console)
        line(self.console, (f"{self.number}/{STEPS} ", "bold cyan"), (title, "bold"))
        yield
        line(self.console, (f"  {time.perf_counter() - began:.1f} s", "dim"))

    def command(self, *words: str) -> None:
        line(self.console, ("  $ " + " ".join(words), "green"))

    def good(self, text: str) -> None:
        line(self.console, ("  ✓ ", "green"), text)


def _last(text: str) -> str:
    return text.rstrip().rpartition("\n")[2]


def _environment(root: Path, home: Path, hub: Path) -> dict[str, str]:
    """Variables under which nothing outside the scratch folder is read as a cache or written."""
    ours = ("HF_", "TRANSFORMERS_", "DOCTOR_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):  # the environment under examination is this interpreter's
        kept.pop(name, None)
    return {
        **kept,
        "HOME": str(home),
        "PYTHONUSERBASE": site.getuserbase(),
        "TMPDIR": str(root / "tmp"),
        "HF_HOME": str(hub),
        "HF_HUB_OFFLINE": "1",
        "DOCTOR_STATE_DIR": str(root / "state"),
        "DOCTOR_CACHE_DIR": str(root / "cache"),
    }
