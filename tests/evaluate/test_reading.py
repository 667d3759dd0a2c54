"""Samples, answers and configurations: what is read, and what an error says."""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor.evaluate.answers import read_answers
from doctor.evaluate.config import read_config
from doctor.evaluate.model import Expectation, Message
from doctor.evaluate.samples import read_samples
from doctor.settings import UsageError


def test_a_sample_with_everything(tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(
        """
samples:
- id: 7
  category: family
  messages:
    - {role: system, content: You are Mira.}
    - {role: user, content: Hello}
    - {role: assistant, content: Good day}
    - {role: user, content: Who is Tom?}
  must: [brother, 34, {text: Lund, aliases: [Lunden]}, {regex: "ba(k|c)er"}, {number: 9.5, tolerance: 1}]
  must_not: {any: [father, {text: uncle}]}
  reference: My brother.
  identity: Mira
  language: sv-SE
  split: train
  weight: 2
""",
        "utf-8",
    )
    [sample] = read_samples([tmp_path / "q.yaml"])
    assert (sample.id, sample.system, sample.question) == ("7", "You are Mira.", "Who is Tom?")
    assert sample.messages[1] == Message("assistant", "Good day")
    assert sample.must == (
        Expectation(("brother",)),
        Expectation(number=34),
        Expectation(("Lund", "Lunden")),
        Expectation(regex="ba(k|c)er"),
        Expectation(number=9.5, tolerance=1),
    )
    assert sample.must_not == (Expectation(any=(Expectation(("father",)), Expectation(("uncle",)))),)
    assert (sample.identity, sample.language, sample.split, sample.weight) == (("Mira",), "sv", "train", 2)


def test_json_lines_are_read_alike(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"id": "a", "question": "Q?", "must": ["x"]}\n\n{"id": "b", "question": "Q?"}\n')
    (tmp_path / "q.yaml").write_text("- {id: a, question: Q?, must: [x]}\n- {id: b, question: Q?}\n")
    assert read_samples([tmp_path / "q.jsonl"]) == read_samples([tmp_path / "q.yaml"])


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("{question: Q}", "row 2: has no 'id'"),
        ("{id: b}", "row 2 (id 'b'): has no 'question' (or 'messages')"),
        ("{id: b, question: Q, messages: []}", "has both 'question' and 'messages'"),
        ("{id: b, qestion: Q}", "there is no key 'qestion'; did you mean 'question'?"),
        ("{id: b, question: Q, mustnot: x}", "there is no key 'mustnot'; did you mean 'must_not'?"),
        (
            "{id: b, question: Q, must: [yes]}",
            "'must' has True, which YAML reads as no text; put it in quotation marks",
        ),
        ("{id: b, question: Q, must: [2024-01-01]}", "put it in quotation marks"),
        ("{id: b, question: Q, must: ['']}", "'must' has an empty text"),
        ("{id: b, question: Q, must: [{regex: '('}]}", "'regex' '(' is no regular expression"),
        ("{id: b, question: Q, must: [{tekst: x}]}", "row 2: 'must': there is no key 'tekst'; did you mean 'text'?"),
        ("{id: b, question: Q, must: [{text: x, number: 2}]}", "has text and number of text, regex, number and any"),
        ("{id: b, question: Q, must: [{text: x, tolerance: 2}]}", "'tolerance' goes with 'number' only"),
        ("{id: b, question: Q, must: [{number: x}]}", "'number' is 'x', not a number"),
        ("{id: b, question: Q, weight: -1}", "'weight' is -1; the least is 0"),
        ("{id: b, question: Q, split: test}", "'split' is 'test'; known are train, holdout"),
        ("{id: b, question: 5}", "'question' is 5, not a text; put it in quotation marks"),
        ("{id: a, question: Q}", "row 2 (id 'a'): the id is taken by"),
        (
            "{id: b, messages: [{role: user, content: a}, {role: assistant, content: b}]}",
            "does not end with the user's",
        ),
        (
            "{id: b, messages: [{role: usr, content: a}]}",
            "turn 1 of 'messages': 'role' is 'usr'; known are system, user",
        ),
        ("{id: b, messages: [{role: user, text: a}]}", "turn 1 of 'messages': there is no key 'text'"),
        ("5", "row 2 is '5', not a mapping"),
    ],
)
def test_a_wrong_sample_is_named_by_file_row_and_key(row: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text(f"- {{id: a, question: Q}}\n- {row}\n")
    with pytest.raises(UsageError) as error:
        read_samples([tmp_path / "q.yaml"])
    assert says in str(error.value)
    assert str(error.value).startswith(str(tmp_path / "q.yaml"))


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('{"id": "a"}', "line 2 (id 'a'): has no 'answer' (write null where the model gave none)"),
        ('{"id": "a", "answer": "x"}', "is answered already by"),
        ('{"id": "b", "answer": 5}', "'answer' is 5, not a text"),
        ('{"id": "b", "anwser": "x"}', "there is no key 'anwser'; did you mean 'answer'?"),
        ('{"id": "b", "answer": "x"', "line 2: not JSON"),
        ("[1]", "line 2 is '[1]', not a mapping"),
    ],
)
def test_a_wrong_answer_is_named_by_its_line(line: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": "a", "answer": "x"}\n' + line + "\n")
    with pytest.raises(UsageError) as error:
        read_answers(tmp_path / "a.jsonl", {"a", "b"})
    assert says in str(error.value)


def test_answers_of_other_tools(tmp_path: Path) -> None:
    lines = (
        '{"id": "a", "answer": "x", "finish": "max_tokens", "tokens": 12}',
        '{"id": "a", "answer": "y", "seed": 1, "finish": null}',
        '{"id": "z", "answer": "x"}',
        '{"id": "b", "answer": null, "finish": "eos"}',
    )
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    answers, strangers = read_answers(tmp_path / "a.jsonl", {"a", "b"})
    assert [(one.id, one.text, one.finish, one.seed) for one in answers] == [
        ("a", "x", "length", 0),
        ("a", "y", "", 1),
        ("b", None, "", 0),
    ]
    assert strangers == ["z"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- a", "is not a mapping"),
        ("sampels: q.yaml", "there is no key 'sampels'; did you mean 'samples'?"),
        ("model: x", "has no 'samples'"),
        ("samples: no.yaml", "'samples' names no.yaml, which is neither in the current folder nor in"),
        (
            "samples: q.yaml\nscorers: [fakts]",
            "'scorers' has 'fakts', and there is no such scorer; did you mean 'facts'?",
        ),
        ("samples: q.yaml\ngenerate: {max_tokens: 5}", "'generate': there is no key 'max_tokens'; did you mean"),
        ("samples: q.yaml\ngenerate: {batch: 0}", "'batch' is 0; the least is 1"),
        ("samples: q.yaml\ngenerate: {batch: 1.5}", "'batch' is 1.5, not a whole number"),
        ("samples: q.yaml\ngenerate: {seed: [0, 1]}", "several seeds give the same answers at temperature 0"),
        ("samples: [", "not YAML"),
        ("\x00", "not YAML"),
    ],
)
def test_a_wrong_configuration_is_named_by_its_key(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "q.yaml").write_text("- {id: a, question: Q}")
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        read_config(tmp_path / "e.yaml")
    assert says in str(error.value)
    assert str(tmp_path / "e.yaml") in str(error.value)


def test_samples_lie_beside_the_configuration_or_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "e.yaml").write_text("samples: [q.yaml]")
    (tmp_path / "sub" / "q.yaml").write_text("- {id: beside, question: Q}")
    monkeypatch.chdir(tmp_path)
    assert read_config(Path("sub/e.yaml")).samples[0].id == "beside"
    (tmp_path / "q.yaml").write_text("- {id: here, question: Q}")
    assert read_config(Path("sub/e.yaml")).samples[0].id == "here"
