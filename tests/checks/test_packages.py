"""Requirements between distributions, and what is around them: markers, extras, commands that lead out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from doctor.diagnose import assume, diagnose
from doctor.model import Facts, Finding, Gpu, Machine, Package, Python

RANGE = "package-out-of-range"


def find(*packages: Package, python: str = "3.11.7", check: str = RANGE, system: str = "Linux") -> tuple[Finding, ...]:
    facts = Facts(Python(version=python), {package.name: package for package in packages}, machine=Machine(system))
    return diagnose(facts, select=[check]).findings


def needs(*lines: str, name: str = "mine", version: str = "1.0") -> Package:
    return Package(name, version, requires=lines)


HUB = Package("huggingface-hub", "2.4.0")
TRANSFORMERS = needs("huggingface-hub<1.0,>=0.34.0", name="transformers", version="4.57.6")
DATASETS = needs("huggingface-hub<3.0,>=1.31.0", name="datasets", version="5.2.0")


def test_the_message_has_both_versions_and_the_command_a_range() -> None:
    (finding,) = find(HUB, TRANSFORMERS)
    assert finding.message == (
        "huggingface-hub 2.4.0 is installed, but transformers 4.57.6 requires huggingface-hub>=0.34.0,<1.0"
    )
    assert finding.remedy.value == "pip install 'huggingface-hub>=0.34.0,<1.0'"


def test_several_ranges_become_one() -> None:
    (finding,) = find(HUB, TRANSFORMERS, needs("huggingface-hub (<1.0,>=0.16.4)", name="tokenizers"))
    assert "transformers 4.57.6 requires" in finding.message and "; tokenizers 1.0 requires" in finding.message
    assert finding.remedy.value == "pip install 'huggingface-hub>=0.34.0,<1.0'"


def test_who_asks_for_the_opposite_is_resolved_anew() -> None:
    (finding,) = find(HUB, TRANSFORMERS, DATASETS)
    assert finding.remedy.value == "pip install 'huggingface-hub>=0.34.0,<1.0' datasets"


def test_ranges_that_exclude_each_other_are_left_to_pip() -> None:
    (finding,) = find(Package("huggingface-hub", "1.10.0"), TRANSFORMERS, DATASETS)
    assert finding.remedy.value == "pip install huggingface-hub transformers datasets"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("dill>=0.4", 1),
        ("Dill >= 0.4", 1),
        ("dill (>=0.4)", 1),
        ("dill[graph]>=0.4", 1),
        ("dill~=0.4.0", 1),
        ("dill==0.3.*", 0),
        ("dill===0.3.8", 0),
        ("dill", 0),
        ("dill @ git+https://example.org/dill", 0),
        ("other>=9", 0),
        ("dill>=0.4; python_version < '3.11'", 0),
        ("dill>=0.4; python_version < '3.12'", 1),
        ("dill>=0.4; python_full_version == '3.11.7'", 1),
        ("dill>=0.4 ; platform_system == 'Windows'", 0),
        ("dill>=0.4 ; sys_platform == 'linux'", 1),
        ("dill>=0.4; extra == 'graph'", 0),
        ('dill>=0.4 ; python_version > "3" and extra == "graph"', 0),
        ("dill>=0.4; this is no marker", 0),
        ("dill>=not.a.version", 0),
        ("", 0),
    ],
)
def test_requirement_lines(line: str, found: int) -> None:
    assert len(find(Package("dill", "0.3.8"), needs(line))) == found


def test_markers_are_those_of_the_examined_interpreter() -> None:
    line = "dill>=0.4; python_version < '3.11'"
    assert find(Package("dill", "0.3.8"), needs(line), python="3.10.14")
    assert find(Package("dill", "0.3.8"), needs("dill>=0.4; os_name == 'nt'"), system="Windows")


def test_an_extra_counts_once_an_installed_distribution_asks_for_it() -> None:
    extra = needs("dill>=0.4; extra == 'Graph_Tools'", "mine[graph-tools]; extra == 'all'")
    assert not find(Package("dill", "0.3.8"), extra)
    assert find(Package("dill", "0.3.8"), extra, needs("mine[graph.tools]", name="other"))
    assert find(Package("dill", "0.3.8"), extra, needs("mine[all]>=0.1", name="other"))
    assert not find(Package("dill", "0.3.8"), extra, needs("mine[tests]", name="other"))


def test_pre_releases_and_local_versions_count() -> None:
    assert not find(Package("torch", "2.13.0+cpu"), needs("torch==2.13.0"))
    assert not find(Package("torch", "2.14.0.dev20261101+cu130"), needs("torch>=2.13"))
    assert not find(Package("torch", "no version"), needs("torch>=2.13"))


def test_an_assumed_transformers_is_judged_by_its_own_requirements() -> None:
    installed = replace(TRANSFORMERS, path="/site/transformers.dist-info")
    facts = Facts(packages={"transformers": installed, "huggingface-hub": Package("huggingface-hub", "0.36.2")})
    assert not diagnose(facts, select=[RANGE]).findings
    (finding,) = diagnose(assume(facts, "transformers==5.4.0"), select=[RANGE]).findings
    assert "transformers 5.4.0 requires huggingface-hub>=1.5.0,<2.0" in finding.message


@pytest.mark.parametrize(
    ("cuda", "index"), [("13.0", "cu130"), ("12.8", "cu128"), ("12.5", "cu124"), ("10.2", "cu118"), (None, "cu126")]
)
def test_the_torch_build_is_no_newer_than_the_driver(cuda: str | None, index: str) -> None:
    machine = Machine(gpus=(Gpu("Tesla T4", 1, 1),), cuda=cuda, backend="cuda")
    facts = Facts(packages={"torch": Package("torch", "2.13.0+cpu")}, machine=machine)
    (finding,) = diagnose(facts, select=["cpu-only-torch"]).findings
    assert finding.remedy.value is not None and finding.remedy.value.endswith("/whl/" + index)


def test_a_secret_is_not_pasted_into_a_remedy() -> None:
    packages = {"transformers": Package("transformers", "5.23.0")}
    facts = Facts(packages=packages, variables={"HF_HUB_READ_TOKEN": "(set)"})
    (finding,) = diagnose(facts, select=["variable-ignored"]).findings
    assert finding.remedy.text == 'run `export HF_TOKEN="$HF_HUB_READ_TOKEN"`'
    assert finding.remedy.value is None


def test_a_path_with_spaces_is_quoted() -> None:
    packages = {"transformers": Package("transformers", "5.23.0")}
    facts = Facts(packages=packages, variables={"TRANSFORMERS_CACHE": "/data/my models"})
    (finding,) = diagnose(facts, select=["variable-ignored"]).findings
    assert finding.remedy.text == "run `export HF_HUB_CACHE='/data/my models'`"
