"""The answers of a run, one line each as they come, so that a run that was cut off loses none and asks none twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from doctor.evaluate.model import Answer
from doctor.settings import UsageError

FILE = "answers.jsonl"
MORE = ("tokens", "prompt_tokens", "prompt", "surprise")
"""What a line says of an answer where it is known."""


def key(request: Mapping[str, Any]) -> str:
    """Names an answer by all that it depends on: the model, the conversation, the seed and the limits."""
    asked = json.dumps(request, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(asked.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Ledger:
    """The answers file of a run's folder; one process writes it at a time."""

    def __init__(self, folder: Path, file: str = FILE) -> None:
        self.path = folder / file
        self.known: dict[str, Answer] = {}
        self._file: TextIO | None = None

    @contextmanager
    def open(self, fresh: bool) -> Iterator[Ledger]:
        """Read what is there, or set it aside where `fresh`, and hold the file for writing."""
        from filelock import FileLock, Timeout

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=0):
                if fresh and self.path.exists():
                    self.path.replace(self.path.with_suffix(".old.jsonl"))
                self._read()
                with self.path.open("a", encoding="utf-8") as self._file:
                    yield self
        except Timeout as error:
            raise UsageError(
                f"another evaluation is writing {self.path}; wait for it, or set another 'output'"
            ) from error
        except OSError as error:
            raise UsageError(f"cannot keep the answers in {self.path}: {error.strerror or error}") from error

    def _read(self) -> None:
        """The whole lines; one that was cut off when the run was killed is cut off the file."""
        if not self.path.exists():
            return
        whole = 0
        for line in self.path.read_bytes().splitlines(keepends=True):
            try:
                entry = json.loads(line)
                answer = _answer(entry)
            except (ValueError, KeyError, TypeError):
                if line.endswith(b"\n"):
                    raise UsageError(
                        f"{self.path} holds a line that is no answer: {line[:60]!r}; move the file away"
                    ) from None
                break
            if not line.endswith(b"\n"):
                break
            self.known[entry["key"]] = answer
            whole += len(line)
        with self.path.open("r+b") as file:
            file.truncate(whole)

    def add(self, name: str, answer: Answer) -> None:
        """Write one answer down before anything else is done with it."""
        assert self._file is not None
        entry = {
            "key": name,
            "id": answer.id,
            "seed": answer.seed,
            "answer": answer.text,
            "finish": answer.finish,
            **{more: value for more in MORE if (value := getattr(answer, more)) not in (None, "")},
        }
        self._file.write(json.dumps(entry, ensure_ascii=True) + "\n")
        self._file.flush()
        self.known[name] = answer


def _answer(entry: Mapping[str, Any]) -> Answer:
    more = {name: entry[name] for name in MORE if entry.get(name) is not None}
    return Answer(entry["id"], entry["answer"], entry["finish"], entry["seed"], **more)
