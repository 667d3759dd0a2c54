"""Diagnose: order, suppression, crashes, skips, and releases that are assumed."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from doctor.code import Code
from doctor.diagnose import CRASHED, assume, checks, diagnose, known, wanted
from doctor.model import Check, Facts, Finding, Location, Package, Remedy, Severity, Source

ADVICE = Remedy("advice", "look at it")


def environment(name: str, *findings: Finding, severity: Severity = Severity.WARNING) -> Check:
    return Check(name, "test", severity, f"{name}.", run=lambda facts: iter(findings))


def crash(facts: Facts) -> Iterator[Finding]:
    yield Finding("seen before the crash", ADVICE)
    raise KeyError("gone")


def words(code: Code, facts: Facts) -> Iterator[Finding]:
    for number, line in enumerate(code.text.splitlines(), 1):
        if "bad" in line:
            yield Finding(f"line {number} is bad", ADVICE, Location(code.source.path, number))


WORDS = Check("bad-word", "test", Severity.ERROR, "Bad.", read=words, needles=(b"bad",))


def source(text: str, path: str = "a.py") -> Source:
    return Source(path, "script", text)


def test_the_worst_comes_first_then_the_place() -> None:
    found = diagnose(
        Facts(),
        among=[
            environment("hint", Finding("h", ADVICE), severity=Severity.HINT),
            environment("late", Finding("l", ADVICE, Location("b.py", 2)), severity=Severity.ERROR),
            environment("early", Finding("e", ADVICE, Location("b.py", 1)), severity=Severity.ERROR),
            environment("warning", Finding("w", ADVICE)),
        ],
    ).findings
    assert [finding.message for finding in found] == ["e", "l", "w", "h"]
    assert [finding.id for finding in found] == ["early", "late", "warning", "hint"]


def test_a_finding_may_be_worse_than_its_check() -> None:
    (finding,) = diagnose(Facts(), among=[environment("x", Finding("m", ADVICE, severity=Severity.ERROR))]).findings
    assert finding.severity is Severity.ERROR


def test_the_same_answer_is_given_once() -> None:
    twice = environment("x", Finding("m", ADVICE), Finding("m", ADVICE))
    assert len(diagnose(Facts(), among=[twice]).findings) == 1


def test_a_crashed_check_is_a_finding_and_the_rest_still_runs() -> None:
    crashing = Check("crashing", "test", Severity.HINT, "Crashing.", run=crash)
    found = diagnose(Facts(), among=[crashing, environment("x", Finding("m", ADVICE))]).findings
    assert [finding.id for finding in found] == [CRASHED, "x"]
    assert found[0].severity is Severity.ERROR
    assert "crashing crashed: KeyError: 'gone' (test_diagnose.py:" in found[0].message


def test_a_check_that_crashes_on_one_file_reads_the_others() -> None:
    def read(code: Code, facts: Facts) -> Iterator[Finding]:
        if code.source.path == "a.py":
            raise RuntimeError("no")
        yield from words(code, facts)

    check = Check("bad-word", "test", Severity.ERROR, "Bad.", read=read, needles=(b"bad",))
    found = diagnose(Facts(sources=(source("bad"), source("bad", "b.py"))), among=[check]).findings
    assert [(f.id, f.where.path if f.where else None) for f in found] == [(CRASHED, "a.py"), ("bad-word", "b.py")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("bad = (", "not Python 3"), ("print 'bad'", "not Python 3"), ("bad\x00", "null bytes"), ("bad " + "(" * 900, "")],
)
def test_a_file_that_cannot_be_parsed_is_one_skip(text: str, reason: str) -> None:
    diagnosis = diagnose(Facts(sources=(source(text),)), among=[WORDS])
    assert diagnosis.findings == ()
    assert [skip.id for skip in diagnosis.skipped] == ["a.py"]
    assert reason in diagnosis.skipped[0].reason


def test_a_file_without_the_needle_is_not_parsed() -> None:
    assert diagnose(Facts(sources=(source("x = ("),)), among=[WORDS]).skipped == ()


def test_a_file_that_is_not_confirmed_is_not_parsed() -> None:
    check = Check(
        "b", "test", Severity.ERROR, "B.", read=words, needles=(b"bad",), confirm=lambda data: b"worse" in data
    )
    assert diagnose(Facts(sources=(source("bad = ("),)), among=[check]).skipped == ()
    assert diagnose(Facts(sources=(source("bad = ( # worse"),)), among=[check]).skipped != ()


def test_a_check_reads_only_its_kinds() -> None:
    check = Check("b", "test", Severity.ERROR, "B.", read=words, needles=(b"bad",), kinds=("remote-code",))
    assert diagnose(Facts(sources=(source("bad"),)), among=[check]).findings == ()


@pytest.mark.parametrize(
    ("comment", "found"),
    [
        ("# doctor: ignore[bad-word]", 0),
        ("# doctor: ignore[other, bad-word]", 0),
        ("# doctor: ignore", 0),
        ("#doctor:ignore[bad-word]", 0),
        ("# doctor: ignore[other]", 1),
        ("# doctor, ignore me", 1),
    ],
)
def test_a_comment_on_the_line_switches_a_check_off(comment: str, found: int) -> None:
    assert len(diagnose(Facts(sources=(source(f"x = 'bad'  {comment}\n"),)), among=[WORDS]).findings) == found


def test_a_comment_on_another_line_does_not() -> None:
    text = "# doctor: ignore[bad-word]\nx = 'bad'\n"
    assert len(diagnose(Facts(sources=(source(text),)), among=[WORDS]).findings) == 1


def test_select_and_ignore() -> None:
    asked = [environment("a", Finding("a", ADVICE)), environment("b", Finding("b", ADVICE))]
    assert [f.id for f in diagnose(Facts(), select=["a"], among=asked).findings] == ["a"]
    assert [f.id for f in diagnose(Facts(), ignore=["a"], among=asked).findings] == ["b"]


def test_a_finding_names_the_patch_that_mends_it() -> None:
    text = "n = past_key_values.seen_tokens"
    facts = Facts(sources=(Source("m.py", "remote-code", text),))
    (finding,) = diagnose(facts, select=["removed-attribute"]).findings
    assert (finding.construct, finding.patch) == ("attribute:seen_tokens", "cache-seen-tokens")


def test_the_garbage_collector_is_left_as_it_was() -> None:
    facts = Facts(sources=(source("bad"),))
    diagnose(facts, among=[WORDS])
    assert gc.isenabled()


def test_every_check_that_reads_has_needles_of_some_length() -> None:
    for check in checks():
        assert all(len(needle) > 6 for needle in check.needles), check.id


def test_what_only_a_patch_knows_is_wanted_where_files_may_be_fixed() -> None:
    assert wanted("remote-code")(b"partial_rotary_factor")
    assert not wanted("remote-code")(b"def reset_parameters(")
    assert wanted("remote-code", to_fix=True)(b"def reset_parameters(")


def test_remote_code_without_a_second_look_is_not_wanted() -> None:
    assert wanted("remote-code")(b"isinstance(config, self.config_class)")
    assert not wanted("remote-code")(b"isinstance(x, dict)")
    assert wanted("remote-code", to_fix=True)(b"isinstance(x, dict)")


def test_the_index_names_the_checks_as_they_are() -> None:
    indexed = {check.id: check for check in known()}
    assert list(indexed) == [check.id for check in checks()]
    for check in checks():
        of = indexed[check.id]
        assert (of.family, of.severity, of.title, of.needles, of.kinds) == (
            check.family, check.severity, check.title, check.needles, check.kinds
        )  # fmt: skip
        for function in ("run", "read", "confirm"):
            assert bool(getattr(of, function)) == bool(getattr(check, function))


def test_an_assumed_release_replaces_the_installed_one() -> None:
    installed = Package("transformers", "4.47.1", "/x", ("huggingface-hub<1.0,>=0.24.0",))
    facts = assume(Facts(packages={"transformers": installed}), "transformers==5.23.0")
    assert str(facts.transformers) == "5.23.0"
    assert facts.against == "transformers==5.23.0"
    assert facts.packages["transformers"].requires == ()


def test_an_assumed_release_is_judged_by_what_it_requires() -> None:
    hub = {"huggingface-hub": Package("huggingface-hub", "0.36.2"), "tokenizers": Package("tokenizers", "0.21.4")}
    facts = Facts(packages={**hub, "transformers": Package("transformers", "4.47.1", path="/site")})
    found = diagnose(assume(facts, "transformers==5.23.0"), select=["package-out-of-range"]).findings
    assert [finding.message.split()[0] for finding in found] == ["huggingface-hub", "tokenizers"]
    assert diagnose(assume(facts, "transformers==4.47.1"), select=["package-out-of-range"]).findings == ()


def test_a_release_assumed_where_none_is_installed_would_bring_its_own_requirements() -> None:
    facts = Facts(packages={"huggingface-hub": Package("huggingface-hub", "0.36.2")})
    assert diagnose(assume(facts, "transformers==5.23.0"), select=["package-out-of-range"]).findings == ()


@pytest.mark.parametrize("requirement", ["transformers", "transformers>=5", "transformers==5.*", "not a requirement !"])
def test_an_assumed_release_must_be_one_release(requirement: str) -> None:
    with pytest.raises(ValueError, match=r"requirement|no single release"):
        assume(Facts(), requirement)


def test_remote_code_that_imports_a_package_of_a_check_is_read() -> None:
    from doctor.checks.optional_import_demanded import PACKAGES
    from doctor.diagnose import REACHING

    assert {name.encode() for name in PACKAGES} <= set(REACHING)
