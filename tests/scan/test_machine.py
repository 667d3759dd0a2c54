"""The machine, from files of /sys and /proc and from what nvidia-smi prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doctor.model import Gpu, Holder, Machine
from doctor.scan import machine
from doctor.scan.machine import MIB, parse_smi

CARD = "NVIDIA GeForce GTX 1650, 4096, 3900, 550.54.14, 7.5\n"


def program(place: Any, body: str) -> str:
    """A stand-in nvidia-smi; the folder to put on PATH."""
    file = place.put("bin/nvidia-smi", f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file.parent)


def look(place: Any, path: str = "") -> Machine:
    return machine.look({"PATH": path}, str(place.root / "not/there/yet"), str(place.root / "root"))


def test_a_machine_without_an_accelerator(place: Any) -> None:
    found = look(place)
    assert (found.backend, found.gpus, found.driver, found.cuda, found.note) == ("none", (), None, None, None)
    assert found.memory and found.memory > 2**28
    assert found.disk_free == pytest.approx(shutil.disk_usage(place.root).free, rel=0.05)


def test_nvml_is_not_imported_without_a_driver(place: Any) -> None:
    code = "import sys\nfrom doctor.scan import machine\n"
    code += f"machine.look({{'PATH': ''}}, '/', {str(place.root)!r})\n"
    code += "assert not {'pynvml', 'subprocess'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nvidia_smi_where_nvml_is_absent(place: Any) -> None:
    path = program(place, f'case "$*" in *query*) printf "{CARD}";; *) echo "| CUDA Version: 12.4     |";; esac')
    found = look(place, path)
    card = Gpu("NVIDIA GeForce GTX 1650", 4096 * MIB, 3900 * MIB, "7.5")
    assert (found.gpus, found.driver, found.cuda, found.backend) == ((card,), "550.54.14", "12.4", "cuda")
    assert found.memory == look(place).memory


def test_an_old_driver_does_not_know_the_compute_capability(place: Any) -> None:
    body = 'case "$*" in *compute_cap*) echo \'Field "compute_cap" is not a valid field to query.\'; exit 2;;'
    path = program(place, body + ' *query*) echo "Tesla K80, 11441, 11439, 418.67";; esac')
    found = look(place, path)
    assert found.gpus == (Gpu("Tesla K80", 11441 * MIB, 11439 * MIB),)
    assert (found.driver, found.cuda) == ("418.67", None)


def test_a_driver_that_does_not_answer(place: Any) -> None:
    said = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."
    found = look(place, program(place, f'echo "{said}"; exit 9'))
    assert (found.backend, found.gpus) == ("none", ())
    assert found.note == f"nvidia-smi: exit 9: {said}"


def test_an_nvidia_smi_that_hangs(place: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "TIME_LIMIT", 0.2)
    found = look(place, program(place, "exec /bin/sleep 30"))
    assert found.backend == "none"
    assert found.note and found.note.count("timed out") == 1


def test_a_driver_whose_library_does_not_load(place: Any) -> None:
    place.put("root/proc/driver/nvidia/version", "NVRM version: x")
    found = look(place)
    assert found.backend in ("none", "cuda")
    assert found.note is None or found.note.startswith("NVML: ")


def test_an_amd_card(place: Any) -> None:
    place.put("root/dev/kfd")
    place.put("root/sys/module/amdgpu/version", "6.7.0\n")
    card, board = "root/sys/class/drm/card1/device", "root/sys/class/drm/card0/device"
    for name, value in {"vendor": "0x1002", "mem_info_vram_total": "1000", "mem_info_vram_used": "300"}.items():
        place.put(f"{card}/{name}", value + "\n")
    place.put(f"{board}/vendor", "0x8086\n")
    found = look(place)
    assert (found.backend, found.driver, found.gpus) == ("rocm", "6.7.0", (Gpu("AMD GPU", 1000, 700),))


@pytest.mark.parametrize(("limit", "expected"), [("134217728", 2**27), ("max", None), ("9" * 30, None)])
def test_the_memory_of_a_container_is_its_limit(place: Any, limit: str, expected: int | None) -> None:
    whole = look(place).memory
    place.put("root/sys/fs/cgroup/memory.max", limit + "\n")
    assert look(place).memory == (expected or whole)


def test_two_cards_and_a_board_without_memory_of_its_own() -> None:
    rows = "NVIDIA H100, 81559, 81000, 570.1, 9.0\nNVIDIA GB10, [N/A], [N/A], 570.1, [N/A]\nnonsense\n"
    found = parse_smi(rows, "CUDA Version: N/A ", Machine())
    assert found.gpus == (Gpu("NVIDIA H100", 81559 * MIB, 81000 * MIB, "9.0"), Gpu("NVIDIA GB10", 0, 0))
    assert (found.driver, found.cuda) == ("570.1", None)


def test_no_card_is_listed() -> None:
    assert parse_smi("No devices were found\n", "", Machine()).backend == "none"


@pytest.mark.skipif(shutil.which("cc") is None or sys.platform != "linux", reason="builds a stand-in library")
def test_nvml_itself_through_a_stand_in_library(place: Any) -> None:
    source = Path(__file__).parents[1] / "data" / "scan" / "nvml.c"
    command = ["cc", "-shared", "-fPIC", "-o", str(place.root / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True)
    place.put("root/dev/nvidiactl")
    code = "from doctor.scan import machine\n"
    code += f"m = machine.look({{'PATH': ''}}, '/', {str(place.root / 'root')!r})\n"
    code += "print(m.gpus, m.driver, m.cuda, m.backend, m.note)"
    variables = {**os.environ, "LD_LIBRARY_PATH": str(place.root)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=variables, check=True)
    init = Path("/proc/1/comm").read_text("utf-8").strip()
    card = Gpu("Stand-in", 4 * 2**30, 3 * 2**30, "7.5", (Holder(1, 2**30, init),))
    assert done.stdout.strip() == f"{(card,)!r} 550.54.14 12.4 cuda None"


def test_wsl_and_a_linux_driver_that_hides_that_of_windows(place: Any) -> None:
    assert not look(place).wsl
    place.put("root/proc/sys/kernel/osrelease", "5.15.153.1-microsoft-standard-WSL2\n")
    lent = place.put("root/usr/lib/wsl/lib/libcuda.so.1")
    found = look(place)
    assert (found.wsl, found.hidden) == (True, None)
    folder = place.root / "root" / "usr" / "lib" / "x86_64-linux-gnu"
    folder.mkdir(parents=True)
    (folder / "libcuda.so.1").symlink_to(lent)
    assert look(place).hidden is None
    (folder / "libcuda.so.1").unlink()
    (folder / "libcuda.so.1").touch()
    assert look(place).hidden == str(folder / "libcuda.so.1")
