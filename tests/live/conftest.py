"""A doctor with a catalogue of three small patches of its own, and remote code for it, as transformers lays it out."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import doctor

RENAMES = '''
"""old_name() became new_name()."""

import libcst as cst

from doctor.patch import Patch


class Renames(Patch):
    old, new = "transformers<5", "transformers>=4.47"
    needles = (b"old_name",)
    helpers = {"_doctor_new_name": "def _doctor_new_name():\\n    return 'patched'\\n"}
    examples = ()

    def leave_Name(self, original: cst.Name, updated: cst.Name) -> cst.Name:
        return self.helper("_doctor_new_name") if updated.value == "old_name" else updated
'''

OPTIONAL = '''
"""An optional package is imported only where it is installed."""

import libcst as cst

from doctor.patch import Patch


class Optional(Patch):
    old, new = "transformers<5", "transformers>=4.47"
    needles = (b"import package_nobody_has\\n",)
    examples = ()

    def leave_SimpleStatementLine(self, original, updated):
        if cst.Module([updated]).code != "import package_nobody_has\\n":
            return updated
        guarded = "try:\\n    import package_nobody_has as _\\nexcept ImportError:\\n    package_nobody_has = None\\n"
        return cst.parse_statement(guarded)
'''

REFUSES = '''
"""A construct that cannot be rewritten."""

import libcst as cst

from doctor.patch import Patch, Refusal


class Refuses(Patch):
    old, new = "transformers<5", "transformers>=4.47"
    needles = (b"impossible",)
    examples = ()

    def leave_Name(self, original: cst.Name, updated: cst.Name) -> cst.Name:
        if updated.value == "impossible":
            raise Refusal("line 3: impossible() has no equal")
        return updated
'''

MINIATURE = '''
import hashlib, importlib.util, os, sys
from pathlib import Path

CACHE = os.environ["HF_MODULES_CACHE"]
if CACHE not in sys.path:
    sys.path.append(CACHE)


def load(module_path):
    """What get_class_in_module of transformers does, 4.47 to 5.x."""
    name = os.path.normpath(module_path)[:-3].replace(os.path.sep, ".")
    file = Path(CACHE) / module_path
    spec = importlib.util.spec_from_file_location(name, location=file)
    digest = hashlib.sha256(bytes(file) + file.read_bytes()).hexdigest()
    module = sys.modules.get(name)
    if module is None:
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
    if getattr(module, "__transformers_module_hash__", "") != digest:
        spec.loader.exec_module(module)
        module.__transformers_module_hash__ = digest
    return module
'''

MODEL = '''"""Remote code."""

from .configuration_tiny import word


class Model:
    def answer(self):
        return old_name()

    def fail(self):
        raise LookupError("from the model")


def where():
    return word
'''


@dataclass(frozen=True)
class Bench:
    """A folder with remote code in a modules cache, a script that loads it, and a doctor to run it with."""

    root: Path
    doctor: Path

    @property
    def module(self) -> Path:
        return self.root / "modules/transformers_modules/tiny/modeling_tiny.py"

    def write(self, name: str, text: str) -> Path:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def environment(self, **variables: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "HF_MODULES_CACHE": str(self.root / "modules"),
            "DOCTOR_CACHE_DIR": str(self.root / "cache"),
            **variables,
        }

    def plain(self, *command: str) -> subprocess.CompletedProcess[str]:
        """The command without the doctor."""
        return subprocess.run(command, env=self.environment(), cwd=self.root, capture_output=True, text=True)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`doctor run -- COMMAND`, by the doctor of this bench."""
        call = (
            f"import sys; sys.path.insert(0, {str(self.doctor)!r})\n"
            "from doctor.live import run\n"
            "sys.exit(run(sys.argv[1:], {'REMEDY': '1'}))"
        )
        return subprocess.run(
            [sys.executable, "-c", call, *command],
            env=self.environment(**variables),
            cwd=self.root,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def files(self) -> dict[str, bytes]:
        """Every file of the modules cache but the bytecode of its empty `__init__.py`."""
        cache = self.root / "modules"
        return {
            str(file.relative_to(cache)): file.read_bytes()
            for file in cache.rglob("*.py*")
            if "__init__" not in file.name
        }


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the doctor whose catalogue holds three small patches and nothing else."""
    root = tmp_path_factory.mktemp("house")
    source = Path(doctor.__file__).parent
    shutil.copytree(
        source, root / "doctor", ignore=shutil.ignore_patterns("__pycache__", "patches", "trainer", "evaluate")
    )
    patches = root / "doctor/patches"
    patches.mkdir()
    (patches / "__init__.py").write_text("", "utf-8")
    for name, text in {"renames": RENAMES, "refuses": REFUSES, "optional": OPTIONAL}.items():
        (patches / f"{name}.py").write_text(text.lstrip(), "utf-8")
    return root


@pytest.fixture
def bench(tmp_path: Path, house: Path) -> Bench:
    made = Bench(tmp_path, house)
    folder = "modules/transformers_modules/tiny"
    made.write("modules/transformers_modules/__init__.py", "")
    made.write(f"{folder}/__init__.py", "")
    made.write(f"{folder}/configuration_tiny.py", "word = old_name()\n")
    made.write(f"{folder}/modeling_tiny.py", MODEL)
    made.write("miniature.py", MINIATURE)
    made.write(
        "main.py",
        "from miniature import load\n"
        "module = load('transformers_modules/tiny/modeling_tiny.py')\n"
        "print(module.Model().answer(), module.where())\n",
    )
    return made
