"""Remote code that an upgrade broke: planted, found, mended, compared, taken back.

The fault is Phi-3's modeling code as transformers 4.44.2 shipped it, used as remote code: on transformers 5 it fails
with KeyError: 'type'.  The weights are random and tiny.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from doctor.commands.terminal import line
from doctor.demo import fault
from doctor.demo.fault import COMMIT, COMPARE, CONFIG, ORIGIN, REPOSITORY, USE, WEIGHTS
from doctor.demo.story import Stopped, Story, last

STEPS = 9
TOLERANCE = 1e-5


class Rescue(Story):
    """The steps of the first part."""

    def __init__(self, console: Console, root: Path, release: str, steps: int = STEPS) -> None:
        super().__init__(console, root, steps)
        self.release = release
        self.snapshot = self.hub / f"hub/models--{REPOSITORY.replace('/', '--')}/snapshots/{COMMIT}"
        self.snapshot.mkdir(parents=True)
        for name, text in {"weights.py": WEIGHTS, "use.py": USE, "compare.py": COMPARE}.items():
            (self.project / name).write_text(text, "utf-8")

    def tell(self, wheel: str | None) -> None:
        """All of it; raises Stopped at the first step that does not do what it should."""
        code = self.from_file(wheel) if wheel else self.from_registry()
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
            return fault.code(Path(wheel))

    def from_registry(self) -> dict[str, str]:
        """Phi-3's code out of a wheel from the package registry."""
        with self.step(f"Fetch Phi-3's code as transformers {ORIGIN} shipped it: one wheel, about 10 MB, by pip"):
            return fault.code(self.fetched(f"transformers=={ORIGIN}", "--wheel"))

    def plant(self, code: dict[str, str]) -> None:
        """A model repository in the scratch hub cache, as a download would have left it."""
        with self.step(f"Plant it as {REPOSITORY}, a model with remote code, in a scratch hub cache"):
            self.python("weights.py")
            files = {name: text.encode() for name, text in code.items()}
            files["config.json"] = json.dumps(CONFIG, indent=2).encode()
            files["model.safetensors"] = (self.project / "made/model.safetensors").read_bytes()
            shutil.rmtree(self.project / "made")
            fault.publish(self.snapshot, files)
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
            code = self.run(*words)
            if code == 1 != expect and not self.left():
                line(self.console, ("  What remains is of this environment, not of the planted model.", "dim"))
            elif code != expect:
                raise Stopped(f"`doctor {' '.join(words)}` exited with {code} instead of {expect}")
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
            self.good(last(self.python("use.py").stdout))
            self.command("python", "compare.py")
            difference = float(last(self.python("compare.py").stdout))
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
            self.good(last(done.stdout))
            then()

    def same(self, before: dict[str, str]) -> None:
        """Every Python file of the caches is what it was."""
        if self.digests() != before:
            raise Stopped("the files differ from what they were before the fix")
        self.good(f"{len(before)} files are what they were, byte for byte (SHA-256)")

    def digests(self) -> dict[str, str]:
        """Digest of every Python file of the scratch caches."""
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(self.hub.rglob("*.py"))}
