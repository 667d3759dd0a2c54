"""A GGUF file answered for by llama.cpp in this process, through xllamacpp's own server; asked as any server is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from doctor.evaluate.config import Config
from doctor.evaluate.extras import needed
from doctor.settings import UsageError

LETTERS_A_TOKEN = 2
"""Fewer than any tokenizer needs for a language it knows: what is reserved for prompts is rather too much."""
ROOM = 256
"""Tokens that a chat template adds at most, and the step in which room is reserved."""


@contextmanager
def served(config: Config) -> Iterator[tuple[str, str]]:
    """The URL of a server for the file, and what names the file's content; both end with the block."""
    path = Path(config.model).expanduser()
    try:
        facts = path.stat()
    except OSError as error:
        raise UsageError(f"{config.path}: 'model' names {path}, which cannot be read: {error.strerror}") from error
    llama = needed("xllamacpp", "gguf")
    settings = llama.CommonParams()
    settings.model.path = str(path)
    settings.n_parallel = config.generate.batch
    settings.n_ctx = config.generate.batch * _context(config)
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.ui = False
    settings.verbosity = -1
    try:
        server = llama.Server(settings)
    except RuntimeError as error:
        raise UsageError(f"{config.path}: llama.cpp cannot load {path}: {error}") from error
    try:
        yield f"{server.listening_address}/v1", f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}"
    finally:
        del server


def _context(config: Config) -> int:
    """Tokens of room for the longest conversation and its answer."""
    letters = max(len(sample.system) + sum(len(turn.content) for turn in sample.messages) for sample in config.samples)
    wanted = letters // LETTERS_A_TOKEN + config.generate.max_new_tokens + ROOM
    return -(-wanted // ROOM) * ROOM
