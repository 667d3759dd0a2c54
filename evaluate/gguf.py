"""A GGUF file answered for by llama.cpp in this process, through xllamacpp's own server; asked as any server is, but
with token ids: the file's own chat template is rendered here, as that of a model folder is.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from doctor.evaluate.config import Config
from doctor.evaluate.extras import needed
from doctor.evaluate.ledger import Ledger
from doctor.evaluate.model import Asked
from doctor.evaluate.prompt import Prompts, chosen, prompts
from doctor.evaluate.server import Progress, ask
from doctor.settings import UsageError

LETTERS_A_TOKEN = 2
"""Fewer than any tokenizer needs for a language it knows: what is reserved for prompts is rather too much."""
ROOM = 256
"""Tokens that a chat template adds at most, and the step in which room is reserved."""
TEMPERATURE_ONLY = {"top_p": 1, "extra_body": {"top_k": 0, "min_p": 0}}
"""Drawing from all that the model gives a chance, as the other backends do; llama.cpp's own way is narrower."""


def ask_file(config: Config, ledger: Ledger, progress: Progress) -> Asked:
    """The answers of a GGUF file; raises UsageError where it cannot be loaded."""
    with served(config) as (url, content):
        rendered = prompts_of(config, url.removesuffix("/v1"))
        asked = ask(config, ledger, progress, url, content, TEMPERATURE_ONLY, rendered)
    return replace(asked, settings={**asked.settings, "backend": "llama.cpp in process", "url": config.model})


def prompts_of(config: Config, host: str) -> Prompts:
    """Every sample's prompt, by the template and the tokens that llama.cpp read in the file."""
    facts = _answered(f"{host}/props")
    tokens = {name: facts[name] for name in ("bos_token", "eos_token") if facts.get(name)}
    template, how = chosen(config.template, facts.get("chat_template"), tokens, config.model)

    def encode(text: str) -> list[int]:
        asked = {"content": text, "add_special": False, "parse_special": True}
        return list(_answered(f"{host}/tokenize", asked)["tokens"])

    return prompts(config.samples, template, encode, how)


def _answered(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """What our own server says; no proxy stands between."""
    request = urllib.request.Request(url, json.dumps(body).encode() if body else None)
    request.add_header("Content-Type", "application/json")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        told: dict[str, Any] = json.load(answer)
    return told


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
    if (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():  # what torch goes by; llama.cpp takes all cores
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = int(threads)
    exact = config.load.dtype == "float32"
    if exact:  # llama.cpp's own way keeps the cache in 16 bits, which flash attention asks for as well
        settings.cache_type_k = settings.cache_type_v = llama.ggml_type.GGML_TYPE_F32
        settings.flash_attn_type = llama.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    settings.hostnames = ["127.0.0.1"]
    settings.port = 0
    settings.ui = False
    settings.special = True  # control tokens within an answer are seen, as everywhere
    settings.verbosity = -1
    try:
        server = llama.Server(settings)
    except RuntimeError as error:
        raise UsageError(f"{config.path}: llama.cpp cannot load {path}: {error}") from error
    try:
        yield (
            f"{server.listening_address}/v1",
            f"{path.resolve()} {facts.st_size} {facts.st_mtime_ns}{' float32' * exact}",
        )
    finally:
        del server


def _context(config: Config) -> int:
    """Tokens of room for the longest conversation and its answer."""
    letters = max(len(sample.system) + sum(len(turn.content) for turn in sample.messages) for sample in config.samples)
    wanted = letters // LETTERS_A_TOKEN + config.generate.max_new_tokens + ROOM
    return -(-wanted // ROOM) * ROOM
