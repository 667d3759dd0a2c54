"""A run's folder as a page and as lines for the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from doctor.settings import UsageError
from doctor.trainer.report import html, text
from doctor.trainer.report.chart import Line, draw, ticks
from doctor.trainer.report.run import Run, read

DATA = {
    "path": "data/<persona>.jsonl", "digest": "3f1c", "rows": 225, "train": 203, "holdout": 22, "refused_count": 1,
    "refused": [{"row": "persona.jsonl:12", "why": "its last exchange alone is too long", "length": 733}],
    "shortened": 0, "longest": 733, "max_length": 512, "tokens": 36211, "learnt": 4120, "layouts": {"messages": 225},
    "lengths": {"0-64": 200, "64-128": 24},
}  # fmt: skip
RESULT = {
    "steps": 4, "planned": 4, "stopped_early": False, "best_step": 2, "eval_loss_before": 3.0, "eval_loss": 0.5,
    "seconds": 372.0, "tokens": 37200, "memory": 2 << 30, "trainable": 5, "parameters": 100,
    "versions": {"transformers": "5.23.0", "torch": "2.13.0"},
}  # fmt: skip
SAMPLES = [
    {
        "row": "persona.jsonl:7",
        "messages": [{"role": "system", "content": "You are Mira."}, {"role": "user", "content": "Who is Tom?"}],
        "expected": "Tom is my brother.",
        "before": "<script>alert(1)</script> is my father",
        "after": "Tom is my brother.",
    }
]
METRICS = [
    {"step": 0, "epoch": 0.0, "eval_loss": 3.0},
    *({"step": n, "loss": 4.0 - n, "learning_rate": 1e-3, "grad_norm": 1.0, "memory": 2 << 30} for n in (1, 2)),
    {"step": 2, "epoch": 1.0, "eval_loss": 0.5},
    {"step": 3, "loss": 0.4},
    {"step": 4, "loss": 0.2, "tokens_per_second": 100.0},
    {"step": 4, "epoch": 2.0, "eval_loss": 0.6},
]
SUMMARY = """\
training loss  █▅▂▁  3.000 → 0.200
held-out loss  █▁▁  3.000 → 0.600
The held-out loss fell from 3.000 to 0.500 at update 2, which was kept; it rose
to 0.600 afterwards, where the model only memorised: fewer epochs do.
4 updates in 6 min 12 s, 100 tokens a second, 2.00 GiB at most

Who is Tom?
before  <script>alert(1)</script> is my father
after   Tom is my brother."""


def run(folder: Path, metrics: list[dict[str, Any]] = METRICS, **result: Any) -> Run:
    """A run's folder, read; `result` changes how it ended."""
    folder.mkdir(exist_ok=True)
    (folder / "config.yaml").write_text("model: /models/SmolLM2\nmethod: lora\nlora: {r: 16, dora: true}\n", "utf-8")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in metrics), "utf-8")
    (folder / "command.txt").write_text("doctor train 'a & b.yaml'\n", "utf-8")
    files = {"data": DATA, "samples": SAMPLES, "result": {**RESULT, **result}, "facts": {"machine": {"gpus": []}}}
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), "utf-8")
    return read(folder)


def test_the_page_has_everything(tmp_path: Path) -> None:
    page = html.render(run(tmp_path / "mira"), "0.1.0")
    for said in (
        "<h1>mira</h1>", "SmolLM2 · lora r 16, dora · 225 rows · transformers 5.23.0 · torch 2.13.0 · CPU",
        "3.000 → 0.500", "6 min 12 s", "5.00%", "persona.jsonl:12", "(733 tokens)", "word for word what was expected",
        "doctor train &#x27;a &amp; b.yaml&#x27;", "held-out loss 0.5 at update 2", "data/&lt;persona&gt;.jsonl",
    ):  # fmt: skip
        assert said in page


def test_the_page_needs_nothing_and_runs_nothing(tmp_path: Path) -> None:
    page = html.render(run(tmp_path / "mira"), "0.1.0")
    assert "<script" not in page
    assert not re.search(r"(src|href)=|url\(|@import", page)
    assert "default-src 'none'" in page


def test_the_terminal(tmp_path: Path) -> None:
    assert "\n".join(text.lines(run(tmp_path / "mira"))) == SUMMARY
    assert all(line.isascii() for line in text.lines(run(tmp_path / "mira"), unicode=False))
    assert max(map(len, text.lines(run(tmp_path / "mira"), width=40))) <= 41, "as wide as the terminal"


@pytest.mark.parametrize(
    ("metrics", "result", "said"),
    [
        (METRICS, {"eval_loss": 3.1}, "did not fall: 3.000 before, 3.100 at best"),
        (METRICS[:2], {"eval_loss": None, "best_step": None}, "No rows were held out"),
        ([*METRICS, {"step": 5, "loss": float("nan")}], {}, "no number from update 5 on"),
    ],
)
def test_what_is_not_well(tmp_path: Path, metrics: list[dict[str, Any]], result: dict[str, Any], said: str) -> None:
    found = run(tmp_path / "mira", metrics, **result)
    assert (said in found.verdict[0], found.verdict[1]) == (True, False)
    assert said in html.render(found, "0.1.0")
    assert 'class="verdict bad"' in html.render(found, "0.1.0")


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    run(tmp_path / "mira")
    for name in ("result", "samples", "facts"):
        (tmp_path / "mira" / f"{name}.json").unlink()
    (tmp_path / "mira" / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo', "utf-8")
    found = read(tmp_path / "mira")
    assert found.points("loss") == [(1.0, 2.0)]
    assert "has not ended" in html.render(found, "0.1.0")
    assert "Gradient norm: nothing was recorded" in html.render(found, "0.1.0")


def test_the_page_is_written_beside_the_run(tmp_path: Path) -> None:
    run(tmp_path / "mira")
    assert html.write(tmp_path / "mira", "0.1.0").name == "mira"
    assert "<h1>mira</h1>" in (tmp_path / "mira" / "report.html").read_text("utf-8")


def test_what_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run"):
        read(tmp_path)


@pytest.mark.parametrize(("low", "top"), [(0, 0), (-3, -1), (1e-9, 2e-9), (0.1, 99999), (5, 5.0000001)])
def test_ticks_hold_their_values(low: float, top: float) -> None:
    marks = ticks(low, top)
    assert marks[0] <= low + 1e-12
    assert marks[-1] >= top - 1e-12
    assert 2 <= len(marks) <= 8
    assert marks == sorted(set(marks))


def test_a_long_run_is_drawn_short() -> None:
    points = [(float(step), 1.0 / (1 + step)) for step in range(100_000)]
    assert len(draw([Line("loss", "train", points)], "Loss")) < 12_000
