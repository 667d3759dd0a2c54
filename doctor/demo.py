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
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from doctor.commands.terminal import line, stdout

if TYPE_CHECKING:
    from rich.console import Console

ORIGIN = "4.44.2"
"""The release whose Phi-3 files are planted."""
REPOSITORY = "someone/phi3-of-old"
COMMIT = hashlib.sha1(REPOSITORY.encode(), usedforsecurity=False).hexdigest()
FILES = ("configuration_phi3.py", "modeling_phi3.py")
STEPS = 9
TOLERANCE = 1e-5

WEIGHTS = '''"""Random weights in Phi-3's shape, small enough to make in a second."""
import torch, transformers

transformers.logging.set_verbosity_error()
torch.manual_seed(0)
config = transformers.Phi3Config(
    vocab_size=256, hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=128, original_max_position_embeddings=128,
    pad_token_id=0, bos_token_id=1, eos_token_id=2, sliding_window=20, initializer_range=0.15,
)
transformers.Phi3ForCausalLM(config).save_pretrained("made")
'''

USE = f'''"""What a user runs: load the model with its remote code, generate a few tokens."""
import torch, transformers

model = transformers.AutoModelForCausalLM.from_pretrained("{REPOSITORY}", trust_remote_code=True).eval()
ids = torch.arange(3, 27).reshape(2, 12)
tokens = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
print("loaded", type(model).__module__.split(".")[0], "and generated", tokens[0, 12:].tolist())
'''

COMPARE = f'''"""The same weights in transformers' own class: the logits must be equal."""
import torch, transformers

transformers.logging.set_verbosity_error()
ids, found = torch.arange(3, 27).reshape(2, 12), []
for remote in (True, False):
    model = transformers.AutoModelForCausalLM.from_pretrained("{REPOSITORY}", trust_remote_code=remote).eval()
    assert model.__module__.startswith("transformers_modules.") == remote, model.__module__
    with torch.no_grad():
        found.append(model(ids).logits)
print(float((found[0] - found[1]).abs().max()))
'''

CONFIG = {
    "architectures": ["Phi3ForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_phi3.Phi3Config",
        "AutoModelForCausalLM": "modeling_phi3.Phi3ForCausalLM",
    },
    "model_type": "phi3",
    "vocab_size": 256,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "original_max_position_embeddings": 128,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "rms_norm_eps": 1e-05,
    "sliding_window": 20,
    "tie_word_embeddings": False,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "torch_dtype": "float32",
    "transformers_version": ORIGIN,
}
"""config.json as the 4k checkpoints of Phi-3 publish it, with small numbers."""


class Stopped(Exception):
    """The demo cannot go on; the message says why and what to do."""


def demo(wheel: str | None = None) -> int:
    """Run the demo; 0 where every step went as announced.  `wheel`: transformers 4.44.2 from disk, not the network."""
    console, began = stdout(), time.perf_counter()
    try:
        release = _installed()
        with _scratch() as root:
            line(console, ("doctor demo", "bold"), f" · Python {sys.version.split()[0]}, transformers {release}")
            line(console, (f"Everything happens in {root}, which is removed at the end.", "dim"))
            _Story(console, root, release).tell(wheel)
    except Stopped as stopped:
        sys.stderr.write(f"doctor demo: {stopped}\n")
        return 1
    line(console)
    line(console, ("✓ ", "bold green"), f"found, mended, undone in {time.perf_counter() - began:.0f} s; ", GONE)
    return 0


GONE = "the scratch folder is gone and nothing else was touched"


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
        self.project, self.number = root / "project", 0
        self.snapshot = root / "huggingface/hub" / f"models--{REPOSITORY.replace('/', '--')}" / "snapshots" / COMMIT
        for folder in (self.project, self.snapshot, root / "tmp", root / "home"):
            folder.mkdir(parents=True)
        for name, text in {"weights.py": WEIGHTS, "use.py": USE, "compare.py": COMPARE}.items():
            (self.project / name).write_text(text, "utf-8")
        self.environment = _environment(root)

    def tell(self, wheel: str | None) -> None:
        """All of it; raises Stopped at the first step that does not do what it should."""
        self.plant(self.fetch(wheel))
        self.fails()
        before = self.digests()
        self.doctor("Ask the doctor", "check", expect=1)
        self.doctor("Mend it", "fix", "--yes")
        self.doctor("Ask again", "check")
        self.works("Load it, generate, and compare with transformers' own class")
        self.doctor("Take it back", "undo")
        if self.digests() != before:
            raise Stopped("after undo, the files differ from what they were")
        self.good(f"{len(before)} files are what they were, byte for byte (SHA-256 compared)")
        self.step("The same without touching a file")
        self.good(self.shown("python", "use.py", doctor=True))
        if self.digests() != before:
            raise Stopped("`doctor run` changed a file")

    def fetch(self, wheel: str | None) -> Path:
        """The wheel of the old release."""
        if wheel is not None:
            self.step(f"Take Phi-3's code from {wheel}")
            return Path(wheel)
        self.step(f"Fetch Phi-3's code as transformers {ORIGIN} shipped it (one wheel, about 10 MB, by pip)")
        words = ["pip", "download", "--no-deps", "--only-binary=:all:", "--no-cache-dir", "--disable-pip-version-check"]
        words += ["--quiet", "--retries", "1", "--timeout", "15", "--dest", str(self.root), f"transformers=={ORIGIN}"]
        self.command("python -m", *words[:3], words[-1])
        # pip needs the user's own home, where its configuration and credentials are.
        done = subprocess.run(
            [sys.executable, "-m", *words], capture_output=True, text=True, env={**os.environ, "TMPDIR": str(self.root)}
        )
        found = next(self.root.glob("*.whl"), None)
        if found is None:
            said = (done.stderr.strip() or "pip said nothing").splitlines()[-1]
            raise Stopped(
                f"pip could not fetch transformers {ORIGIN} ({said}); where there is no network, run "
                f"`pip download --no-deps transformers=={ORIGIN}` elsewhere, then: doctor demo --wheel FILE"
            )
        return found

    def plant(self, wheel: Path) -> None:
        """A model repository in the scratch hub cache, as a download would have left it."""
        self.step(f"Plant it as {REPOSITORY}, a model with remote code, in a scratch hub cache")
        self.python("weights.py")
        blobs, references = self.snapshot.parents[1] / "blobs", self.snapshot.parents[1] / "refs"
        blobs.mkdir()
        references.mkdir()
        (references / "main").write_text(COMMIT, "utf-8")
        files = {name: text.encode() for name, text in _code(wheel).items()}
        files["config.json"] = json.dumps(CONFIG, indent=2).encode()
        files["model.safetensors"] = (self.project / "made/model.safetensors").read_bytes()
        shutil.rmtree(self.project / "made")
        for name, data in files.items():
            blob = blobs / hashlib.sha256(data).hexdigest()
            blob.write_bytes(data)
            (self.snapshot / name).symlink_to(os.path.relpath(blob, self.snapshot))
        size = sum(map(len, files.values())) // 1024
        self.good(f"{', '.join(files)} ({size} KiB, random weights)")

    def fails(self) -> None:
        """The run as its user sees it."""
        self.step(f"Use it on transformers {self.release}: it fails")
        self.command("python", "use.py")
        done = self.child([sys.executable, "use.py"])
        if done.returncode == 0:
            raise Stopped(
                f"transformers {self.release} still runs this code, so there is nothing to mend; "
                "the fault shows from 4.54 on: pip install -U transformers"
            )
        rows = done.stderr.rstrip().splitlines()
        frames = [row.strip() for row in rows if "modeling_phi3.py" in row]
        for row in (*[re.sub(r'".*/', '"', frame) for frame in frames[-1:]], rows[-1]):
            line(self.console, ("  " + row, "red"))

    def doctor(self, title: str, *words: str, expect: int = 0) -> None:
        """One command of the doctor, its output as it comes."""
        self.step(title)
        self.command("doctor", *words)
        self.console.file.flush()
        done = self.child([sys.executable, "-m", "doctor", *words], capture=False)
        if done.returncode != expect:
            raise Stopped(f"`doctor {' '.join(words)}` exited with {done.returncode} instead of {expect}")

    def works(self, title: str) -> None:
        """The same run, mended; its numbers beside those of the library's own class."""
        self.step(title)
        self.good(self.shown("python", "use.py"))
        difference = float(self.shown("python", "compare.py"))
        if difference > TOLERANCE:
            raise Stopped(f"the logits differ from those of transformers' own Phi3ForCausalLM by {difference:g}")
        self.good(f"largest difference of a logit to transformers' own Phi3ForCausalLM, same weights: {difference:g}")

    def shown(self, *words: str, doctor: bool = False) -> str:
        """Show a command, run it, and return the last line of its output."""
        self.command(*(("doctor", "run", "--") if doctor else ()), *words)
        done = self.python(*words[1:], before=("-m", "doctor", "run", "--", sys.executable) if doctor else ())
        for row in done.stderr.splitlines():
            if row.startswith("doctor: "):
                line(self.console, ("  " + row, "dim"))
        return done.stdout.rstrip().rpartition("\n")[2]

    def python(self, *words: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """A script that must succeed."""
        done = self.child([sys.executable, *before, *words])
        if done.returncode:
            said = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
            raise Stopped(f"{words[0]} failed: {said}")
        return done

    def child(self, words: Sequence[str], capture: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, env=self.environment, cwd=self.project, capture_output=capture, text=True)

    def digests(self) -> dict[str, str]:
        """Digest of every Python file of the scratch caches."""
        files = sorted((self.root / "huggingface").rglob("*.py"))
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    def step(self, title: str) -> None:
        self.number += 1
        line(self.console)
        line(self.console, (f"{self.number}/{STEPS} ", "bold cyan"), (title, "bold"))

    def command(self, *words: str) -> None:
        line(self.console, ("  $ " + " ".join(words), "green"))

    def good(self, text: str) -> None:
        line(self.console, ("  ✓ ", "green"), text)


def _code(wheel: Path) -> dict[str, str]:
    """Phi-3's two files out of the wheel, as a model repository holds them: imports of the library are absolute."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            texts = {name: archive.read(f"transformers/models/phi3/{name}").decode() for name in FILES}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise Stopped(f"{wheel} is not a wheel of transformers {ORIGIN}: {error}") from error
    return {name: _absolute(text) for name, text in texts.items()}


def _absolute(text: str) -> str:
    """`from ...utils import x` of a file in transformers/models/phi3, for a file outside of it.

    >>> _absolute("from ...utils import x\\nfrom .configuration_phi3 import y\\n")
    'from transformers.utils import x\\nfrom .configuration_phi3 import y\\n'
    """
    return re.sub(r"^(\s*from) \.\.\.", r"\1 transformers.", text, flags=re.MULTILINE)


def _environment(root: Path) -> dict[str, str]:
    """Variables under which nothing outside the scratch folder is read as a cache or written."""
    ours = ("HF_", "TRANSFORMERS_", "DOCTOR_", "XDG_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    for name in ("VIRTUAL_ENV", "CONDA_PREFIX"):  # the environment under examination is this interpreter's
        kept.pop(name, None)
    return {
        **kept,
        "HOME": str(root / "home"),
        "PYTHONUSERBASE": site.getuserbase(),
        "TMPDIR": str(root / "tmp"),
        "HF_HOME": str(root / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "DOCTOR_STATE_DIR": str(root / "state"),
        "DOCTOR_CACHE_DIR": str(root / "cache"),
    }
