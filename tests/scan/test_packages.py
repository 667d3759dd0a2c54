"""Distributions, read from metadata as it is found in the wild."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from doctor.model import Package, normalise


def packages(place: Any) -> Any:
    return place.scan(python=str(place.root / "venv")).packages


def test_name_version_and_requirements(place: Any) -> None:
    folder = place.distribution(place.venv(), "Hugging_Face.Hub", "1.0", "filelock", 'x; extra == "y"')
    expected = Package("hugging-face-hub", "1.0", str(folder), ("filelock", 'x; extra == "y"'))
    assert packages(place) == {"hugging-face-hub": expected}


def test_the_header_wins_over_the_name_of_the_folder(place: Any) -> None:
    site = place.venv()
    place.put(site / "torch-2.3.0.dist-info/METADATA", "Name: torch\r\nVersion: 2.3.0+cu121\r\n\r\nName: other\r\n")
    assert packages(place)["torch"].version == "2.3.0+cu121"


def test_a_header_without_version_leaves_the_folder_s(place: Any) -> None:
    place.put(place.venv() / "x-1.5-py3.11.egg-info/PKG-INFO", "Metadata-Version: 1.0\nName: x\n")
    assert packages(place)["x"].version == "1.5"


def test_eggs_of_three_kinds(place: Any) -> None:
    site = place.venv()
    place.put(site / "one.egg-info/PKG-INFO", "Name: one\nVersion: 1\n")
    place.put(site / "one.egg-info/requires.txt", 'a>1\n\n[x]\nb\n\n[:python_version < "3"]\nc\n[y:os_name=="nt"]\nd\n')
    place.put(site / "two-2-py3.11.egg-info", "Name: two\nVersion: 2\n")
    place.put(site / "three-3-py3.11.egg/EGG-INFO/PKG-INFO", "Name: three\nVersion: 3\n")
    place.put(site / "easy-install.pth", "./three-3-py3.11.egg\n")
    found = packages(place)
    assert {name: package.version for name, package in found.items()} == {"one": "1", "two": "2", "three": "3"}
    assert found["one"].requires == (
        "a>1",
        'b; extra == "x"',
        'c; (python_version < "3")',
        'd; (os_name=="nt") and extra == "y"',
    )
    assert all(package.editable is None for package in found.values())


def test_an_editable_install_of_pip(place: Any) -> None:
    site = place.venv()
    folder = place.distribution(site, "mine", "1.0")
    source = place.root / "my source/src"
    origin = {"url": (place.root / "my source").as_uri(), "dir_info": {"editable": True}}
    place.put(folder / "direct_url.json", json.dumps(origin))
    place.put(site / "__editable__.mine-1.0.pth", str(source))
    place.put(source / "mine.egg-info/PKG-INFO", "Name: mine\nVersion: 0.9\n")
    facts = place.scan(python=str(place.root / "venv"))
    assert facts.packages["mine"].editable == str(place.root / "my source")
    assert facts.packages["mine"].version == "1.0"
    assert facts.duplicates == {}


def test_an_editable_install_of_setup_py_develop(place: Any) -> None:
    site = place.venv()
    place.put("source/old.egg-info/PKG-INFO", "Name: old\nVersion: 0.9\n")
    place.put(site / "old.egg-link", f"{place.root}/source\n.")
    place.put(site / "easy-install.pth", f"{place.root}/source\n")
    assert packages(place)["old"].editable == str(place.root / "source")


def test_an_install_from_a_folder_is_not_editable(place: Any) -> None:
    folder = place.distribution(place.venv(), "x", "1")
    place.put(folder / "direct_url.json", json.dumps({"url": "file:///x", "dir_info": {}}))
    assert packages(place)["x"].editable is None


def test_metadata_that_is_broken(place: Any) -> None:
    site = place.venv()
    (site / "bare-1.0.dist-info").mkdir()
    place.put(site / "empty-1.0.dist-info/METADATA")
    place.put(site / "binary-1.0.dist-info/METADATA", b"\x00\xff" * 100)
    place.put(site / "nameless-.dist-info/METADATA", "Name: nameless\n")
    (site / "folder-1.0.dist-info/METADATA").mkdir(parents=True)
    (site / "loop-1.0.dist-info").symlink_to("loop-1.0.dist-info")
    place.put(site / "~ip-23.0.dist-info/METADATA", "Name: pip\nVersion: 23.0\n")
    url = place.distribution(site, "url", "1.0")
    place.put(url / "direct_url.json", "{half")
    facts = place.scan(python=str(place.root / "venv"))
    skips = {key.rpartition("/")[2]: reason for key, reason in place.skips(facts).items()}
    assert list(facts.packages) == ["url"]
    assert skips == {
        "bare-1.0.dist-info": "holds no METADATA: the distribution was not counted",
        "empty-1.0.dist-info": "METADATA is empty: the distribution was not counted",
        "binary-1.0.dist-info": "METADATA holds no metadata: the distribution was not counted",
        "nameless-.dist-info": "METADATA gives no name and version: the distribution was not counted",
        "folder-1.0.dist-info": "METADATA is a folder, not a file: the distribution was not counted",
        "loop-1.0.dist-info": "is a link that leads back to itself",
        "~ip-23.0.dist-info": "is left over from an interrupted pip, which renames what it removes: delete it",
        "direct_url.json": "is not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)",
    }


def test_two_versions_in_one_folder(place: Any) -> None:
    site = place.venv()
    new, old = place.distribution(site, "numpy", "2.1.0"), place.distribution(site, "numpy", "1.26.4")
    os.utime(old, (1, 1))
    facts = place.scan(python=str(place.root / "venv"))
    assert facts.packages["numpy"].version == "2.1.0"
    assert [package.path for package in facts.duplicates["numpy"]] == [str(new), str(old)]


def test_two_versions_on_the_path(place: Any) -> None:
    base = place.prefix("base")
    place.distribution(base, "numpy", "1.26.4")
    place.distribution(base, "pip", "24.0")
    site = place.venv(system_site="true", home=str(place.root / "base/bin"))
    place.distribution(site, "numpy", "2.1.0")
    place.distribution(site, "pip", "24.0")
    facts = place.scan(python=str(place.root / "venv"))
    assert facts.packages["numpy"].version == "2.1.0"
    assert {name: [p.version for p in copies] for name, copies in facts.duplicates.items()} == {
        "numpy": ["2.1.0", "1.26.4"]
    }


def test_the_same_as_importlib_metadata_says_of_this_interpreter(place: Any) -> None:
    expected: dict[str, tuple[str, list[str]]] = {}
    for found in importlib.metadata.distributions(path=[p for p in sys.path if p.endswith("-packages")]):
        expected.setdefault(normalise(found.metadata["Name"]), (found.version, sorted(found.requires or [])))
    facts = place.scan(python=sys.executable)
    seen = {name: (package.version, sorted(package.requires)) for name, package in facts.packages.items()}
    assert {name: (version, _plain(lines)) for name, (version, lines) in seen.items() if name in expected} == {
        name: (version, _plain(lines)) for name, (version, lines) in expected.items()
    }


def _plain(requires: list[str]) -> list[str]:
    return [re.sub(r"[\s()'\"]", "", line) for line in requires]


def test_nothing_is_written_beside_what_is_read(place: Any) -> None:
    place.distribution(place.venv(), "x", "1")
    before = sorted(path for path in (place.root / "venv").rglob("*"))
    packages(place)
    assert sorted(path for path in (place.root / "venv").rglob("*")) == before
    assert isinstance(before[0], Path)
