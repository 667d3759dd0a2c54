"""Which environment is examined, from its files alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doctor.model import Python, Skip
from doctor.scan.interpreter import locate


def find(place: Any, python: str | Path | None = None, **environment: str) -> Python:
    skipped: list[Skip] = []
    found = locate(str(python) if python else None, {"HOME": str(place.root), **environment}, str(place.root), skipped)
    assert skipped == []
    return found


@pytest.mark.parametrize("given", ["venv", "venv/bin", "venv/bin/python", "./venv/"])
def test_a_virtual_environment_by_folder_and_by_executable(place: Any, given: str) -> None:
    site = place.venv()
    executable = str(place.root / "venv/bin/python")
    assert find(place, given) == Python(executable, "3.11.7", str(place.root / "venv"), "venv", (str(site),))


def test_an_environment_of_uv(place: Any) -> None:
    place.venv(uv="0.13.9", version="", version_info="3.11.9")
    found = find(place, "venv")
    assert (found.kind, found.version) == ("uv", "3.11.9")


def test_virtualenv_writes_five_numbers(place: Any) -> None:
    place.venv(version="", version_info="3.11.9.final.0")
    assert find(place, "venv").version == "3.11.9"


def test_an_environment_that_was_upgraded_in_place(place: Any) -> None:
    site = place.venv(minor="3.12", version="3.11.7")
    assert (find(place, "venv").version, find(place, "venv").paths) == ("3.12", (str(site),))


def test_an_environment_of_conda(place: Any) -> None:
    site = place.prefix("conda", "3.12")
    place.put("conda/conda-meta/python-3.12.4-h955ad1f_1.json", "{}")
    found = find(place, "conda")
    assert (found.kind, found.version, found.paths) == ("conda", "3.12.4", (str(site),))


def test_an_installation_of_pyenv(place: Any) -> None:
    place.prefix("pyenv/versions/3.10.13", "3.10")
    found = find(place, "pyenv/versions/3.10.13/bin/python")
    assert (found.kind, found.version) == ("system", "3.10.13")


@pytest.mark.parametrize(
    ("variable", "local", "expected"),
    [("3.10.13", "", "3.10.13"), ("", "3.12\n", "3.12.1"), ("", "", "3.11.7"), ("3.12:3.10.13", "3.10.13", "3.12.1")],
)
def test_a_shim_of_pyenv_means_the_selected_version(place: Any, variable: str, local: str, expected: str) -> None:
    for version in ("3.10.13", "3.11.7", "3.12.0", "3.12.1"):
        place.prefix(f"pyenv/versions/{version}", version.rpartition(".")[0])
    place.put("pyenv/shims/python", "#!/usr/bin/env bash\n")
    place.put("pyenv/version", "3.11.7\n")
    if local:
        place.put(".python-version", local)
    assert find(place, "pyenv/shims/python", PYENV_VERSION=variable).version == expected


def test_a_shim_that_selects_nothing_installed(place: Any) -> None:
    place.prefix("pyenv/versions/3.11.7")
    place.put("pyenv/shims/python")
    with pytest.raises(ValueError, match=r"pyenv selects 3\.9, which is not under .*: give the executable itself"):
        find(place, "pyenv/shims/python", PYENV_VERSION="3.9")


def test_debian_keeps_its_packages_in_dist_packages(place: Any) -> None:
    place.prefix("usr")
    place.put("usr/include/python3.11/patchlevel.h", '#define PY_VERSION_HEX 1\n#define PY_VERSION      \t"3.11.2"\n')
    place.put("usr/include/python3.11/patchlevel.h", '#define PY_VERSION "3.11.2"\n')
    folders = [place.root / "usr" / sub for sub in ("local/lib/python3.11/dist-packages", "lib/python3/dist-packages")]
    for folder in folders:
        folder.mkdir(parents=True)
    found = find(place, "usr/bin/python")
    assert found.version == "3.11.2"
    site = place.root / "usr/lib/python3.11/site-packages"
    assert found.paths == (str(folders[0]), str(site), str(folders[1]))


def test_fedora_keeps_compiled_packages_in_lib64(place: Any) -> None:
    site = place.prefix("usr")
    compiled = place.root / "usr/lib64/python3.11/site-packages"
    compiled.mkdir(parents=True)
    assert find(place, "usr").paths == (str(compiled), str(site))


def test_of_several_versions_the_executable_decides(place: Any) -> None:
    old, new = place.prefix("usr", "3.9"), place.root / "usr/lib/python3.13/site-packages"
    new.mkdir(parents=True)
    place.put("usr/bin/python3.9")
    place.put("usr/bin/python3.13")
    assert find(place, "usr/bin/python3.9").paths == (str(old),)
    assert find(place, "usr/bin/python3.13").paths == (str(new),)
    assert find(place, "usr").version == "3.13"


def test_a_free_threaded_build_and_windows(place: Any) -> None:
    site = place.prefix("free", "3.13t")
    assert find(place, "free").paths == (str(site),)
    place.put("windows/Lib/os.py")
    place.put("windows/python.exe")
    place.put("windows/Lib/site-packages/x.py")
    assert find(place, "windows").paths == (str(place.root / "windows/Lib/site-packages"),)


def test_a_name_is_looked_up_on_path(place: Any) -> None:
    place.prefix("usr")
    (place.root / "usr/bin/python").chmod(0o755)
    assert find(place, "python", PATH=f"/nowhere{os.pathsep}{place.root}/usr/bin").prefix == str(place.root / "usr")


def test_an_environment_that_sees_its_base(place: Any) -> None:
    base = place.prefix("base")
    user = place.root / "home/.local/lib/python3.11/site-packages"
    user.mkdir(parents=True)
    site = place.venv(system_site="true", home=str(place.root / "base/bin"))
    home = str(place.root / "home")
    assert find(place, "venv", HOME=home).paths == (str(site), str(user), str(base))
    assert find(place, "venv", HOME=home, PYTHONNOUSERSITE="1").paths == (str(site), str(base))


def test_an_environment_made_from_an_environment(place: Any) -> None:
    base = place.prefix("base")
    between = place.venv("between")
    (place.root / "between/bin/python").unlink()
    (place.root / "between/bin/python").symlink_to(place.root / "base/bin/python")
    site = place.venv(system_site="true", home=str(place.root / "between/bin"))
    assert find(place, "venv").paths == (str(site), str(base))
    assert between.is_dir()


def test_the_active_environment_is_the_default(place: Any) -> None:
    place.venv()
    place.prefix("conda")
    (place.root / "conda/conda-meta").mkdir()
    venv, conda = str(place.root / "venv"), str(place.root / "conda")
    assert find(place, VIRTUAL_ENV=venv, CONDA_PREFIX=conda).prefix == venv
    assert find(place, CONDA_PREFIX=conda).prefix == conda
    assert find(place).prefix == sys.prefix


def test_an_active_environment_that_is_gone(place: Any) -> None:
    skipped: list[Skip] = []
    found = locate(None, {"VIRTUAL_ENV": str(place.root / "gone")}, str(place.root), skipped)
    assert found.prefix == sys.prefix
    assert [skip.id for skip in skipped] == ["VIRTUAL_ENV"]


def test_pythonpath_comes_first_in_ones_own_environment_only(place: Any) -> None:
    site, other = place.venv(), place.venv("other")
    (place.root / "extra").mkdir()
    active = {"VIRTUAL_ENV": str(place.root / "venv"), "PYTHONPATH": os.pathsep.join(["", "extra", "/nowhere"])}
    assert find(place, **active).paths == (str(place.root / "extra"), str(site))
    assert find(place, "venv/bin/python", **active).paths == (str(place.root / "extra"), str(site))
    assert find(place, "other", **active).paths == (str(other),)


def test_pth_files_add_folders_and_are_not_executed(place: Any) -> None:
    site = place.venv()
    (place.root / "source").mkdir()
    place.put(
        site / "b.pth", f"# a comment\nimport os; os.mkdir('{place.root}/ran')\n{place.root}/source\n/nowhere\n\n"
    )
    place.put(site / "a.pth", "inner\n")
    place.put(site / ".hidden.pth", str(place.root))
    (site / "inner").mkdir()
    assert find(place, "venv").paths == (str(site), str(site / "inner"), str(place.root / "source"))
    assert not (place.root / "ran").exists()


def test_a_pth_file_that_cannot_be_read(place: Any) -> None:
    site = place.venv()
    (site / "loop.pth").symlink_to("loop.pth")
    (site / "folder.pth").mkdir()
    assert place.skips(place.scan(python=str(place.root / "venv"))) == {
        "venv/lib/python3.11/site-packages/folder.pth": "is a folder, not a file",
        "venv/lib/python3.11/site-packages/loop.pth": "is a link that leads back to itself",
    }


def test_an_environment_whose_interpreter_is_gone(place: Any) -> None:
    place.venv()
    (place.root / "venv/bin/python").unlink()
    (place.root / "venv/bin/python").symlink_to("/gone/python3.11")
    reason = "links to /gone/python3.11, which is gone: make the environment anew"
    assert place.skips(place.scan(python=str(place.root / "venv"))) == {"venv/bin/python": reason}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", "nowhere does not exist: give a Python executable or the folder of an environment"),
        ("text.txt", "text.txt is no Python executable: give one, or the folder of an environment"),
        ("empty", r"empty is no Python environment \(no pyvenv.cfg, no lib/python3.\*\): give a Python executable"),
        ("project", "project is no Python environment, but holds one: give .*/project/.venv"),
        ("target", "target is no Python environment, but a folder of packages: give the interpreter, and put"),
        ("half", "half is no Python environment"),
        ("bare", "bare is no Python environment: it holds a pyvenv.cfg, but no packages; make it anew: python -m venv"),
    ],
)
def test_what_is_no_environment(place: Any, given: str, message: str) -> None:
    place.put("text.txt")
    (place.root / "empty").mkdir()
    place.venv("project/.venv")
    place.distribution(place.root / "target", "x", "1")
    (place.root / "half/bin").mkdir(parents=True)
    place.put("bare/pyvenv.cfg", "version = 3.11.7")
    with pytest.raises(ValueError, match=message) as caught:
        find(place, given)
    assert type(caught.value) is ValueError


@pytest.mark.parametrize("options", [[], ["--system-site-packages"]])
def test_a_real_environment_imports_from_where_we_say(tmp_path: Path, options: list[str]) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", *options, str(tmp_path / "real")], check=True)
    executable = tmp_path / "real/bin/python"
    code = "import json, sys; print(json.dumps([sys.path, sys.version.split()[0]]))"
    command = [str(executable), "-I", "-c", code]
    paths, version = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    found = locate(str(executable), {"PYTHONNOUSERSITE": "1"}, str(tmp_path), [])
    assert found.version == version
    assert list(found.paths) == [p for p in paths if p.endswith("-packages") or ".pth" in p or "site-packages" in p]
