"""The shape of the project: what may import what, what a unit has, what the wheel holds."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import doctor.breakages
from doctor.diagnose import checks
from doctor.model import Check
from doctor.patch import Patch, catalogue, rewrite

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "doctor": "doctor",
    **{name: f"doctor/{name}" for name in ("patches", "trainer", "evaluate", "examples")},
}
"""Root folders and where the wheel puts them."""

EXAMINED = {"torch", "transformers", "peft", "datasets", "accelerate", "bitsandbytes", "safetensors", "tokenizers"}
"""What the doctor examines, and so must not import."""

MAY_IMPORT_THE_STACK = ("doctor/demo", "trainer/", "evaluate/")

MAY_IMPORT_TOKENIZERS = "doctor/chat/mask.py"
"""The doctor's own, of its extra `data`: never those of the environment that is examined."""

NEVER_IMPORTED_BY = {
    "doctor/model.py": ("scan", "checks", "breakages", "patch", "diagnose", "fix", "report", "live", "cli", "commands"),
    "doctor/code.py": ("scan", "checks", "breakages", "patch", "diagnose", "fix", "report", "live", "cli", "commands"),
    "doctor/chat/": (
        "scan", "checks", "breakages", "patch", "patches", "diagnose", "fix", "report", "live", "cli", "commands",
    ),
    "doctor/scan/": ("checks", "breakages", "patch", "patches", "diagnose", "fix", "report", "live", "cli", "commands"),
    "doctor/checks/": (
        "scan", "checks", "breakages", "patch", "patches", "diagnose", "fix", "report", "live", "cli", "commands",
    ),
    "patches/": ("scan", "checks", "breakages", "patches", "diagnose", "fix", "report", "live", "cli", "commands"),
    "doctor/diagnose.py": ("scan", "fix", "report", "live", "cli", "commands"),
    "doctor/memory/": ("scan", "checks", "breakages", "patch", "diagnose", "fix", "report", "live", "cli", "commands"),
    "doctor/fix/": ("scan", "report", "live", "verify", "cli", "commands"),
    "doctor/install/": ("scan", "report", "live", "verify", "cli", "commands"),
    "doctor/ranks/": ("scan", "fix", "install", "report", "live", "verify", "cli", "commands"),
    "doctor/verify/": ("scan", "report", "live", "cli", "commands"),
    "doctor/report/": ("scan", "live", "cli", "commands"),
    "evaluate/": ("scan", "checks", "breakages", "patch", "patches", "diagnose", "fix", "live", "cli", "commands"),
    "trainer/": (
        "scan", "checks", "breakages", "patch", "patches", "diagnose", "fix", "report", "live", "verify", "evaluate",
        "cli", "commands",
    ),
    "doctor/live/": ("scan", "report", "cli", "commands"),
}  # fmt: skip
"""Folders and files, and the parts of the doctor that lie beyond them."""

PROMISED = (
    "rope-scaling-type-key", "rope-default-unhandled", "native-class-available", "init-overwrites-loaded-weights",
    "buffer-left-uninitialised", "package-out-of-range", "removed-import", "removed-attribute", "variable-ignored",
    "import-shadowed", "cpu-only-torch", "bnb-4bit-materialized-before-quantized", "model-does-not-fit",
    "experts-not-quantised", "allocator-warmup-doubles-4bit-load", "chat-separator-mismatch", "system-prompt-dropped",
    "answer-truncated", "no-label-left", "pad-is-eos-masked", "bos-doubled",
)  # fmt: skip
"""Ids that others rely on."""


def modules() -> list[str]:
    """Every module of the four packages, as a path from the root."""
    found = (path for folder in PACKAGES for path in real_files(ROOT / folder) if path.suffix == ".py")
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def real_files(folder: Path) -> Iterator[Path]:
    """The files below a folder, links not followed."""
    for entry in sorted(folder.iterdir()):
        if entry.is_symlink() or entry.name == "__pycache__":
            continue
        yield from real_files(entry) if entry.is_dir() else [entry]


def imported(path: str) -> set[str]:
    """Dotted names a module imports, at its top or inside functions."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", modules())
def test_imports_stay_within_their_layer(path: str) -> None:
    beyond = [part for place, parts in NEVER_IMPORTED_BY.items() if path.startswith(place) for part in parts]
    crossing = {name for name in imported(path) for part in beyond if re.match(rf"doctor\.{part}(\.|$)", name)}
    assert not crossing


@pytest.mark.parametrize("path", modules())
def test_what_is_examined_is_not_imported(path: str) -> None:
    if not path.startswith(MAY_IMPORT_THE_STACK):
        found = {name.partition(".")[0] for name in imported(path)} & EXAMINED
        assert found <= ({"tokenizers"} if path == MAY_IMPORT_TOKENIZERS else set())


@pytest.mark.parametrize("path", modules())
def test_every_module_says_what_it_is(path: str) -> None:
    assert ast.get_docstring(ast.parse((ROOT / path).read_text("utf-8")))


def test_no_module_is_a_drawer() -> None:
    assert not [path for path in modules() if Path(path).stem in {"utils", "util", "helpers", "common", "misc"}]


def loaded_after(statements: str) -> set[str]:
    """Top-level modules in memory of a fresh interpreter after these statements."""
    program = (
        f"import sys\n{statements}\nsys.stderr.write('|' + ' '.join({{m.partition('.')[0] for m in sys.modules}}))"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return set(ran.stderr.rpartition("|")[2].split())


def test_start_up_leaves_heavy_modules_out() -> None:
    assert not loaded_after("import doctor.cli") & {
        *EXAMINED,
        "libcst",
        "pydantic",
        "rich",
        "huggingface_hub",
        "yaml",
        "jinja2",
        "pyarrow",
    }


def test_a_whole_check_leaves_heavy_modules_out() -> None:
    ran = loaded_after("from doctor.cli import main\nassert main(['check']) in (0, 1)")
    assert not ran & {*EXAMINED, "libcst", "pydantic", "huggingface_hub", "jinja2", "pyarrow"}


@pytest.mark.parametrize("name", PROMISED)
def test_promised_ids_exist(name: str) -> None:
    assert name in {check.id for check in checks()}


def test_ids_are_unique() -> None:
    names = [check.id for check in checks()]
    assert sorted(set(names)) == sorted(names)


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.id)
def test_every_check_has_its_page_and_examples(check: Check) -> None:
    assert re.search(r"^Reference: https://", check.doc, re.MULTILINE), "a reference"
    assert len(check.title) <= 110, "a title of one line"
    assert len(check.passes) >= 2, "two cases that are well"
    assert check.fails, "a case that is not"


@pytest.mark.parametrize("patch", catalogue(), ids=lambda patch: patch.id())
def test_every_patch_has_its_page_and_examples(patch: type[Patch]) -> None:
    assert re.search(r"^Reference: https://", sys.modules[patch.__module__].__doc__ or "", re.MULTILINE), "a reference"
    assert [example for example in patch.examples if example.after is not None], "a rewrite"
    assert len([example for example in patch.examples if example.after is None]) >= 2, "two that stay as they are"


UNPROVED: dict[str, str] = {}
"""Patches whose construct no file in miniature can show on a real release, and why."""


@pytest.mark.parametrize("patch", catalogue(), ids=lambda patch: patch.id())
def test_every_patch_has_its_proof(patch: type[Patch]) -> None:
    proof = getattr(patch, "proof", "")
    assert bool(proof) != (patch.id() in UNPROVED), "a proof for tests/live, or the reason why there is none"
    once = rewrite(proof, [patch]).text if proof else ""
    assert not proof or once != proof, "the patch does not know the construct of its proof"
    assert rewrite(once, [patch]).text == once


def test_breakages_are_toml_files() -> None:
    folder = Path(doctor.breakages.__file__).parent
    assert {breakage.id for breakage in doctor.breakages.load()} == {path.stem for path in folder.glob("*.toml")}


def git(*arguments: str) -> str:
    """What git says of the checkout; skips where there is none."""
    try:
        ran = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return ran.stdout


@pytest.mark.parametrize("name", ["patches", "trainer", "evaluate", "examples"])
def test_links_are_stored_as_links(name: str) -> None:
    assert git("ls-files", "-s", f"doctor/{name}").startswith("120000 ")


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's wheel, built from a copy of the tree."""
    copy, out = tmp_path_factory.mktemp("tree") / "tree", tmp_path_factory.mktemp("wheel")
    unwanted = shutil.ignore_patterns(".*", "*.egg-info", "build", "dist", "__pycache__", "tests", "stacks")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=unwanted)
    program = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    ran = subprocess.run(
        [sys.executable, "-c", program, str(out)], cwd=copy, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_the_tree(wheel: Path) -> None:
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    expected = {
        f"{target}/{path.relative_to(ROOT / folder).as_posix()}"
        for folder, target in PACKAGES.items()
        for path in real_files(ROOT / folder)
    }
    assert held == expected


def test_the_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = "import sys, doctor.cli; print(doctor.__file__); sys.exit(doctor.cli.main(['list']))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(tmp_path)), "the wheel's doctor ran, not the checkout's"
    assert "rope-scaling-type-key" in ran.stdout
