"""What one sees of a run while it trains."""

from __future__ import annotations

import io

import pytest

from doctor.trainer import progress as showing
from doctor.trainer.run_folder import Metric, RunFolder


def learning(step: int) -> Metric:
    return {"step": step, "epoch": 1.0, "loss": 2.34567, "tokens_per_second": 1234.5, "memory": 3 << 29, "seconds": 1.0}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    times = iter([100.0, 105.0, 105.0, 107.0, 125.0])
    monkeypatch.setattr("doctor.trainer.progress.time.monotonic", lambda: next(times))
    page = io.StringIO()
    with showing.progress(20, 0, page) as tell:
        tell({"step": 0, "eval_loss": 3.0, "epoch": 0.0, "seconds": 0.0})
        tell(learning(1))
        tell(learning(2))
        tell(learning(5))
    assert page.getvalue().splitlines() == [
        "update 0 of 20: held-out loss 3.0000",
        "update 1 of 20: loss 2.3457 · 1,234 tokens/s · 1.50 GiB · 1 min 35 s left",
        "update 5 of 20: loss 2.3457 · 1,234 tokens/s · 1.50 GiB · 1 min 15 s left",
    ], "a line every ten seconds"


def test_one_live_line_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    with showing.progress(20, 4, page) as tell:
        tell({"step": 4, "eval_loss": 3.0, "epoch": 0.0, "seconds": 0.0})
        tell(learning(5))
    assert " 5/20 loss 2.3457 · 1,234 tokens/s · held-out 3.0000 " in page.getvalue()


def test_a_line_that_was_being_written_is_left_out(tmp_path: object) -> None:
    from pathlib import Path

    folder = RunFolder(Path(str(tmp_path)))
    folder.metrics.write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo', "utf-8")
    assert list(folder.metric_lines()) == [{"step": 1, "loss": 2.0}]
    assert folder.last_checkpoint() is None
    for step, whole in ((2, True), (10, True), (12, False)):
        (folder.checkpoints / f"checkpoint-{step}").mkdir(parents=True)
        if whole:
            (folder.checkpoints / f"checkpoint-{step}" / "whole").touch()
    assert folder.last_checkpoint() == folder.checkpoints / "checkpoint-10"
