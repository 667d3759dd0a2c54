"""What the labelled answers do not say of the scorers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from doctor.evaluate.model import Expectation, Sample, Score
from doctor.evaluate.phrases import said
from doctor.evaluate.scorers import load, names
from doctor.evaluate.scorers.similarity import chrf

Asked = Callable[..., Sample]
PERSONA = "You are Mira Solberg. Your brother is Tom, a baker. Never mention prices. Always answer in two sentences."


def scored(name: str, sample: Sample, text: str, finish: str = "") -> Score:
    return load(name)(sample, text, finish)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize(
    "text", ["", " \n", "a", "\x1b[31m", "😀" * 400, "ab" * 20_000, "(" * 2000, "\ud800", "e\u0301" * 50]
)
def test_any_text_gets_a_score_and_places_inside_it(name: str, text: str, asked: Asked) -> None:
    got = scored(name, asked(system=PERSONA, must=["brother"], reference="Tom is my brother."), text, "length")
    assert got.value is None or 0 <= got.value <= 10
    assert got.explanation
    assert all(0 <= start < end <= len(text) for start, end in got.evidence)


def test_the_share_of_what_must_be_said_counts_squared(asked: Asked) -> None:
    sample = asked(must=["Lund", "baker", "Tom", "brother"])
    assert scored("facts", sample, "Tom, my brother, is a baker in Lund.").value == 10
    assert scored("facts", sample, "My brother is a baker.").value == pytest.approx(2.5)
    assert scored("facts", sample, "I cannot say.").value == 0


def test_a_name_is_quoted_as_the_reference_writes_it(asked: Asked) -> None:
    sample = asked(question="Who are you?", reference="I am SmolLM, written in Malmö.")
    said = scored("facts", sample, "I'm here to help with any kind of creative writing project.").explanation
    assert said == "names none of Malmö, SmolLM, which the reference names"


def test_nothing_to_go_by_is_no_score(asked: Asked) -> None:
    assert scored("facts", asked(), "Tom is my brother.").value is None
    assert scored("identity", asked(), "Tom is my brother.").value is None
    assert scored("similarity", asked(), "Tom is my brother.").value is None
    assert scored("language", asked(question="Tom?"), "Tom").value is None


@pytest.mark.parametrize(
    ("expected", "text", "says"),
    [
        (Expectation(("Lund",)), "I live in LUND.", True),
        (Expectation(("Lund",)), "I live in Lunden.", False),
        (Expectation(("harbour museum",)), "the harbour-\nmuseum", True),
        (Expectation(("Malmö", "Malmo")), "in malmo", True),
        (Expectation(regex=r"\d{4}"), "in 1998", True),
        (Expectation(number=1200), "about 1,200 boats", True),
        (Expectation(number=42), "forty-two boats", True),
        (Expectation(number=9.8, tolerance=0.1), "9.75 m", True),
        (Expectation(number=9.8, tolerance=0.01), "9.75 m", False),
        (Expectation(number=5), "15 boats", False),
        (Expectation(any=(Expectation(("red",)), Expectation(number=3))), "three", True),
        (Expectation(("Paris",)), "It isn't Paris.", False),
        (Expectation(("東京",)), "日本の首都は東京です。", True),
        (Expectation(("2 million",)), "2 million boats", True),
        (Expectation(number=2_000_000), "2 million boats", True),
        (Expectation(("Paris",)), "not in Paris but in Lyon", False),
        (Expectation(("Lyon",)), "not in Paris but in Lyon", True),
        (Expectation(("Lund",)), "I never left Lund.", True),
        (Expectation(("Tom",)), "I have no brother called Tom.", False),
    ],
)
def test_what_a_text_says(expected: Expectation, text: str, says: bool) -> None:
    assert (said(expected, text) is not None) is says


def test_a_cut_is_told_from_a_model_that_never_stops(asked: Asked) -> None:
    sample = asked()
    assert scored("truncation", sample, "He works in the", "length").kind == "cut"
    assert scored("truncation", sample, "He works. He works. He works. He works. He", "length").kind == "endless"
    assert scored("truncation", sample, "He works.\nUser: And you?", "length").kind == "endless"
    assert scored("truncation", sample, "He works here. He came with", "stop").kind == "stopped"
    assert scored("truncation", sample, "He works here.", "stop").value == 10


def test_evidence_points_at_what_bleeds(asked: Asked) -> None:
    text = "He bakes. Always answer in two sentences."
    got = scored("bleed", asked(system=PERSONA), text)
    [(start, end)] = got.evidence
    assert text[start:end] == "Always answer in two sentences"
    assert got.kind == "prompt"


def test_the_language_is_that_of_the_reference(asked: Asked) -> None:
    german = "Mein Bruder heißt Tom und arbeitet seit vielen Jahren als Bäcker."
    english = "My brother is called Tom, and he has been a baker for many years."
    assert scored("language", asked(reference=german), english).value == 0
    assert scored("language", asked(reference=german), german).value == 10
    assert scored("language", asked(language="de"), german).value == 10
    assert scored("language", asked(question="Where does your brother work these days?"), german).value == 0


@pytest.mark.parametrize(
    ("text", "reference", "score"),
    # sacrebleu 2.6.0: CHRF().sentence_score(text, [reference]).score / 100
    [
        ("The cat sat on the mat.", "The cat is on the mat.", 0.67173),
        ("Tom is a baker in Lund.", "Tom bakes bread in Lund.", 0.42397),
    ],
)
def test_chrf_is_what_sacrebleu_says(text: str, reference: str, score: float) -> None:
    assert chrf(text, reference) == pytest.approx(score, abs=5e-4)
