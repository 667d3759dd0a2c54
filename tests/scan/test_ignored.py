"""What git ignores is not examined, and git itself agrees on what that is."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from doctor.scan import Request, scan
from doctor.scan.ignored import rules_above

FILES = (
    "a.py", "b.pyc.py", "build/x.py", "src/build/y.py", "out/deep/z.py", "src/keep.py", "src/logs/l.py", "logs/l.py",
    "data/raw/d.py", "data/keep/d.py", "notes?.py", "x1.py", "x2.py", "xa.py", "deep/er/tmp/t.py", "src/own/o.py",
)  # fmt: skip
TOP = """# comment
build/
/logs
out/**
data/*
!data/keep
x[0-9].py
**/tmp/
\\!odd.py
trailing.py\x20\x20
*.pyc.py
"""
OWN = "own\n!keep.py\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in FILES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("import transformers\n", "utf-8")
    (root / ".gitignore").write_text(TOP, "utf-8")
    (root / "src" / ".gitignore").write_text(OWN, "utf-8")
    (root / ".git").mkdir()
    return root


def examined(root: Path) -> set[str]:
    facts = scan(Request((str(root),), directory=str(root), environment={"PATH": "", "HOME": str(root.parent)}))
    return {Path(source.path).relative_to(root).as_posix() for source in facts.sources}


def test_git_agrees(project: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("there is no git here")
    shutil.rmtree(project / ".git")
    subprocess.run(["git", "init", "-q", str(project)], check=True)
    listed = subprocess.run(
        ["git", "-C", str(project), "ls-files", "-co", "--exclude-standard"], capture_output=True, text=True, check=True
    )
    assert examined(project) == {name for name in listed.stdout.splitlines() if name.endswith(".py")}


def test_what_is_left_out_is_said(project: Path) -> None:
    facts = scan(Request((str(project),), directory=str(project), environment={"PATH": ""}))
    reasons = [skip.reason for skip in facts.skipped if skip.id == str(project)]
    assert reasons == ["git ignores 10 of its files and folders, which are not examined: name one to examine it"]


def test_what_is_named_is_examined(project: Path) -> None:
    assert examined(project / "build") == {"x.py"}


def test_a_folder_of_a_repository_keeps_its_rules(project: Path) -> None:
    rules = rules_above(str(project / "src"))
    assert rules is not None
    assert rules.ignore(str(project / "src" / "own"), True) and rules.ignore(str(project / "src" / "build"), True)
    assert not rules.ignore(str(project / "src" / "keep.py"), False)


def test_outside_of_a_repository_nothing_is_ignored(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("a.py\n", "utf-8")
    (tmp_path / "a.py").write_text("x = 1\n", "utf-8")
    assert examined(tmp_path) == {"a.py"}
