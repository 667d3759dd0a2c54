"""Compiled libraries, read and never loaded: small ones made on the spot stand in for torch and its extensions."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doctor.binaries import Binaries
from doctor.model import Package
from doctor.scan import binaries
from doctor.scan.elf import Library, NotElf

needs_cc = pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="compiles libraries")
VERSION = "__version__ = '2.10.0+cu128'\ncuda: Optional[str] = '12.8'\nhip: Optional[str] = None\n"


def compiled(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    command = ["cc", "-shared", "-fPIC", "-nostdlib", "-Wl,--hash-style=gnu", "-x", "c", "-o", str(path), "-"]
    subprocess.run(command, input=source, text=True, check=True)


@pytest.fixture
def site(place: Any) -> Path:
    place.put("site/torch/version.py", VERSION)
    return Path(place.root) / "site"


def packages(site: Path, *names: str) -> dict[str, Package]:
    return {name: Package(name, "1", str(site / f"{name}-1.dist-info")) for name in ("torch", *names)}


@needs_cc
def test_an_extension_that_wants_what_this_torch_lacks(site: Path) -> None:
    many = "".join(f"int _ZN3c10{index}fooEv(void) {{ return {index}; }}\n" for index in range(200))
    compiled(site / "torch" / "lib" / "libc10.so", many + "int _ZN2at4goodEv(void) { return 1; }")
    wants = "int {0}(void); int printf(void); int run(void) {{ return {0}() + printf(); }}"
    compiled(site / "flash_attn_2_cuda.cpython-311.so", wants.format("_ZN3c105ErrorC2E"))
    compiled(site / "torchvision" / "_C.so", wants.format("_ZN2at4goodEv"))
    compiled(site / "torchvision" / "image.so", wants.format("_ZN2at3badEv"))
    found = binaries.read(packages(site, "flash-attn", "torchvision"), gpu=False)
    assert found.undefined == {str(site / "flash_attn_2_cuda.cpython-311.so"): "_ZN3c105ErrorC2E"}
    with Library(str(site / "torch" / "lib" / "libc10.so")) as library:
        assert all(library.defines(f"_ZN3c10{index}fooEv".encode()) for index in range(200))
        assert not any(library.defines(f"_ZN3c10{index}fooEv".encode()) for index in range(200, 400))
        assert not list(library.needs(binaries.TORCH_SYMBOL))


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"MZ" * 50, b"\x7fELF\x02\x01" + b"\0" * 200, b"\x7fELF\x02\x01" * 90]
)
def test_what_is_no_library(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x.so").write_bytes(data)
    with pytest.raises(NotElf):
        Library(str(tmp_path / "x.so"))


def test_what_torch_and_bitsandbytes_were_built_for(site: Path, place: Any) -> None:
    kernels = b"sm_90\0junk sm_\0sm_70 sm_75 sm_90a compute_120\0"
    (site / "torch" / "lib").mkdir()
    (site / "torch" / "lib" / "libtorch_python.so").write_bytes(kernels)
    place.put("site/bitsandbytes/libbitsandbytes_cuda128.so")
    place.put("site/bitsandbytes/__init__.py")
    found = binaries.read(packages(site, "bitsandbytes"), gpu=True)
    arches = ("sm_70", "sm_75", "sm_90a", "compute_120")
    assert found == Binaries("12.8", None, arches, ("libbitsandbytes_cuda128.so",))
    assert binaries.read(packages(site), gpu=False).arches == ()
    assert binaries.read({}, gpu=True) == Binaries()
