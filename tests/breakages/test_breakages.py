"""The files of known-bad combinations: what they say, and the conditions they know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.breakages import Breakage, breakages, read
from doctor.diagnose import diagnose
from doctor.model import Facts, Machine, Package

BY_ID = {breakage.id: breakage for breakage in breakages()}
BNB = BY_ID["bnb-4bit-materialized-before-quantized"]
SICK = BNB.example(BNB.hits[0])


def test_the_index_holds_the_files() -> None:
    assert breakages() == read()


@pytest.mark.parametrize("breakage", BY_ID.values(), ids=BY_ID)
def test_each_says_where_it_was_seen(breakage: Breakage) -> None:
    assert breakage.evidence in ("verified", "read")
    assert breakage.reference.startswith("https://")
    assert breakage.hits and len(breakage.misses) >= 2
    assert not breakage.title.endswith(".") and breakage.why.strip().endswith(".")


def test_a_4bit_load_on_5_0_names_both_versions_and_the_variable() -> None:
    (finding,) = diagnose(SICK, select=[BNB.id]).findings
    assert finding.message.startswith("transformers 5.0.0 and bitsandbytes 0.50.2 are installed: ")
    assert finding.remedy.kind == "variable"
    assert finding.remedy.value == "HF_DEACTIVATE_ASYNC_LOAD=1"


@pytest.mark.parametrize(("value", "found"), [("1", 0), ("true", 0), ("", 1), ("0", 1), ("False", 1)])
def test_the_variable_that_cures_it_silences_it(value: str, found: int) -> None:
    facts = replace(SICK, variables={"HF_DEACTIVATE_ASYNC_LOAD": value})
    assert len(diagnose(facts, select=[BNB.id]).findings) == found


def test_nothing_is_said_of_packages_that_are_not_there() -> None:
    # Without transformers installed, the newest is judged; a combination needs the real one.
    assert diagnose(Facts(packages={"peft": Package("peft", "0.11.1")})).findings == ()


def test_a_condition_on_the_accelerator() -> None:
    breakage = replace(BNB, when={"backend": ["cuda"]})
    assert not list(breakage.run(SICK))
    assert list(breakage.run(replace(SICK, machine=Machine(backend="cuda"))))


def test_a_condition_on_what_is_not_installed() -> None:
    breakage = replace(BNB, when={"absent": ["gptqmodel"]})
    assert list(breakage.run(SICK))
    assert not list(breakage.run(replace(SICK, packages={**SICK.packages, "gptqmodel": Package("gptqmodel", "7.0.0")})))


def test_one_alternative_is_enough() -> None:
    breakage = replace(BNB, affects=[["nothing"], ["bitsandbytes"]], when={})
    (finding,) = breakage.run(SICK)
    assert finding.message.startswith("bitsandbytes 0.50.2 is installed: ")


def test_local_versions_and_release_candidates_count() -> None:
    packages = {
        "transformers": Package("transformers", "5.1.0rc1"),
        "bitsandbytes": Package("bitsandbytes", "0.50.2+cu"),
    }
    assert list(BNB.run(Facts(packages=packages)))


def test_an_unreadable_version_is_no_version() -> None:
    packages = {"transformers": Package("transformers", "unknown"), "bitsandbytes": Package("bitsandbytes", "0.50.2")}
    assert not list(BNB.run(Facts(packages=packages)))
