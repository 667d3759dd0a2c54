"""The page of a data set: each token in the colour of its label, the line where it is cut, nothing raw from outside."""

from __future__ import annotations

import re
from dataclasses import replace

from doctor.diagnose import Diagnosis, diagnose
from doctor.model import DataFacts, Facts, Finding, Location, Remedy, Row, Seen, Severity, Shown
from doctor.report import Report, render

PIECES = ("<|user|>\n", "Is <b>", " it?", "</s>", "<|assistant|>", "Yes", ",", " it is", "\x1b[31m", "</s>")
DATA = DataFacts(
    "/home/ada/train.jsonl",
    layout="messages",
    rows=9,
    seen={"cut": Seen(1, (Row(3, "Is it?"),), 2)},
    model="/models/small",
    limit=8,
    limit_from="--max-length",
    longest=10,
    median=5,
    end="</s>",
    header="<|assistant|>",
    shown=(Shown(3, PIECES, ((5, 10),)),),
)
FACTS = Facts(data=(DATA,), directory="/home/ada")


def page() -> str:
    return render(Report(FACTS, diagnose(FACTS)), "html")


def test_every_token_is_there_in_its_colour() -> None:
    tokens = re.findall(r"<i class=(\w+)>(.*?)</i>", page().partition("<div class=row>")[2], re.DOTALL)
    assert [name for name, _ in tokens] == ["p"] * 5 + ["l"] * 3 + ["xl"] * 2
    assert [text for _, text in tokens][:2] == ["&lt;|user|&gt;↵\n", "Is &lt;b&gt;"]


def test_the_line_stands_where_the_row_is_cut() -> None:
    assert re.search(r" it is</i><b class=cut>--max-length 8: what follows is cut off</b><i class=xl>", page())
    assert "Row 3 as small reads it: 3 tokens learnt, 2 tokens of answers lost" in page()


def test_nothing_from_outside_is_raw() -> None:
    assert "<b>" not in page() and "\x1b" not in page() and "<script" not in page() and "http" not in page()
    assert "answer-truncated" in page()


def test_each_message_has_its_lines_and_remedy_and_the_command_stands_once(well: Report) -> None:
    found = tuple(
        Finding(
            f"{name} is gone", Remedy("edit", f"write `new_{name}`"), Location("/home/ada/runs/a.py", line),
            severity=Severity.ERROR, id="a", title="t", patch="evaluation-strategy",
        )
        for name, line in (("one", 3), ("two", 5), ("one", 9))
    )  # fmt: skip
    page = render(replace(well, diagnosis=Diagnosis(found, ())), "html")
    assert (
        "<p><b>lines 3, 9</b>: one is gone</p><p>→ write <code>new_one</code></p>"
        "<p><b>line 5</b>: two is gone</p><p>→ write <code>new_two</code></p><pre>doctor fix</pre></article>"
    ) in page
