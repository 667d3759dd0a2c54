"""The machine: accelerators, their driver and memory, RAM and disk.

NVML is asked where there is an NVIDIA driver, `nvidia-smi` where NVML cannot be; ROCm, Apple's MPS and no
accelerator at all are states, not errors.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from os.path import dirname, exists, isdir, join, realpath
from typing import TYPE_CHECKING, Any

from doctor.model import Gpu, Holder, Machine
from doctor.scan.interpreter import on_path

if TYPE_CHECKING:
    import subprocess

TIME_LIMIT = 5.0
"""Seconds that nvidia-smi may take."""
QUERY = "name,memory.total,memory.free,driver_version,compute_cap"
FORMAT = "--format=csv,noheader,nounits"
MIB = 1024 * 1024

_DRIVER = (
    "dev/nvidiactl",
    "dev/dxg",
    "proc/driver/nvidia/version",
    "usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1",
    "usr/lib/aarch64-linux-gnu/libnvidia-ml.so.1",
    "usr/lib64/libnvidia-ml.so.1",
    "usr/lib/libnvidia-ml.so.1",
    "usr/lib/wsl/lib/libnvidia-ml.so.1",
    "usr/local/nvidia/lib64/libnvidia-ml.so.1",
    "run/opengl-driver/lib/libnvidia-ml.so.1",
    "Windows/System32/nvml.dll",
)


def look(environment: Mapping[str, str], folder: str, root: str = "/") -> Machine:
    """What this machine has; `folder` is where models are downloaded to, `root` the root of the file system."""
    wsl = "microsoft" in (_line(join(root, "proc/sys/kernel/osrelease")) or "").lower()
    base = Machine(
        _system(), memory=_memory(root), disk_free=_disk(folder), wsl=wsl, hidden=_hidden(root) if wsl else None
    )
    notes: list[str] = []
    if any(exists(join(root, path)) for path in _DRIVER) and (found := _nvml(base, notes)):
        return found
    if (program := on_path("nvidia-smi", environment)) and (found := _smi(base, program, environment, notes)):
        return found
    if exists(join(root, "dev/kfd")):
        return replace(
            base, backend="rocm", gpus=tuple(_amd(root)), driver=_line(join(root, "sys/module/amdgpu/version"))
        )
    if base.system == "Darwin" and os.uname().machine == "arm64":
        return replace(base, backend="mps")
    return replace(base, note="; ".join(notes) or None)


def _hidden(root: str) -> str | None:
    """The libcuda of a Linux driver, which hides the one that Windows lends to WSL."""
    for folder in ("usr/lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu", "usr/lib64"):
        path = join(root, folder, "libcuda.so.1")
        if exists(path) and "/wsl/" not in realpath(path):
            return path
    return None


def _system() -> str:
    names = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
    return names.get(sys.platform, sys.platform)


def _nvml(base: Machine, notes: list[str]) -> Machine | None:
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError as error:
        notes.append(f"NVML: {error}")
        return None
    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError as error:
        notes.append(f"NVML: {error}")
        return None
    try:
        gpus = tuple(_card(index) for index in range(pynvml.nvmlDeviceGetCount()))
        driver, number = _text(pynvml.nvmlSystemGetDriverVersion()), pynvml.nvmlSystemGetCudaDriverVersion()
        cuda = f"{number // 1000}.{number % 1000 // 10}"
        return replace(base, gpus=gpus, driver=driver, cuda=cuda, backend="cuda" if gpus else "none")
    except pynvml.NVMLError as error:
        notes.append(f"NVML: {error}")
        return None
    finally:
        pynvml.nvmlShutdown()


def _card(index: int) -> Gpu:
    import pynvml

    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = _text(pynvml.nvmlDeviceGetName(handle))
    try:
        status = pynvml.nvmlDeviceGetMemoryInfo(handle)
        total, free = int(status.total), int(status.free)
    except pynvml.NVMLError:
        # Boards that share the system's memory (Jetson, GB10) have none of their own to report.
        total = free = 0
    major, minor = pynvml.nvmlDeviceGetCudaComputeCapability(handle)
    return Gpu(name, total, free, f"{major}.{minor}", _holders(handle))


def _holders(handle: Any) -> tuple[Holder, ...]:
    """The processes that compute on a card, the largest first."""
    import pynvml

    try:
        running = pynvml.nvmlDeviceGetComputeRunningProcesses(handle)
    except pynvml.NVMLError:
        return ()
    found = [Holder(each.pid, int(each.usedGpuMemory or 0), _line(f"/proc/{each.pid}/comm") or "") for each in running]
    return tuple(sorted(found, key=lambda holder: -holder.memory))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _smi(base: Machine, program: str, environment: Mapping[str, str], notes: list[str]) -> Machine | None:
    query = _run([program, f"--query-gpu={QUERY}", FORMAT], environment, notes)
    if query and query.returncode:
        # Drivers before 510 do not know compute_cap and refuse the whole query.
        query = _run([program, f"--query-gpu={QUERY.rpartition(',')[0]}", FORMAT], environment, notes)
    if query is None:
        return None
    if query.returncode:
        said = (query.stderr.strip() or query.stdout.strip()).partition("\n")[0]
        notes.append(f"nvidia-smi: exit {query.returncode}: {said}")
        return None
    summary = _run([program], environment, notes)
    found = parse_smi(query.stdout, summary.stdout if summary else "", base)
    return replace(found, note="; ".join(notes) or None)


def parse_smi(query: str, summary: str, base: Machine) -> Machine:
    """A machine from the two outputs of nvidia-smi."""
    rows = [[cell.strip() for cell in line.split(",")] for line in query.splitlines() if line.count(",") >= 3]
    gpus = tuple(
        Gpu(row[0], _mebibytes(row[1]), _mebibytes(row[2]), row[4] if len(row) > 4 and row[4][:1].isdigit() else None)
        for row in rows
    )
    cuda = summary.partition("CUDA Version:")[2].split()
    driver = rows[0][3] if rows else None
    known = cuda[0] if cuda and cuda[0][:1].isdigit() else None
    return replace(base, gpus=gpus, driver=driver, cuda=known, backend="cuda" if gpus else "none")


def _mebibytes(cell: str) -> int:
    return int(cell) * MIB if cell.isdigit() else 0


def _run(
    command: list[str], environment: Mapping[str, str], notes: list[str]
) -> subprocess.CompletedProcess[str] | None:
    import subprocess

    try:
        return subprocess.run(
            command,
            capture_output=True,
            check=False,
            encoding="utf-8",
            env=dict(environment),
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=TIME_LIMIT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        notes.append(f"nvidia-smi: {error}")
        return None


def _amd(root: str) -> Iterator[Gpu]:
    from glob import glob

    for device in sorted(glob(join(root, "sys/class/drm/card*/device"))):
        total = _line(join(device, "mem_info_vram_total")) or ""
        if _line(join(device, "vendor")) == "0x1002" and total.isdigit():
            used = _line(join(device, "mem_info_vram_used")) or "0"
            yield Gpu(_line(join(device, "product_name")) or "AMD GPU", int(total), int(total) - int(used))


def _line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.readline().strip() or None
    except OSError:
        return None


def _memory(root: str) -> int | None:
    """RAM in bytes, or the container's limit where that is lower."""
    try:
        physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return None
    limit = _line(join(root, "sys/fs/cgroup/memory.max")) or _line(
        join(root, "sys/fs/cgroup/memory/memory.limit_in_bytes")
    )
    return min(physical, int(limit)) if limit and limit.isdigit() else physical


def free_memory(root: str = "/") -> int | None:
    """RAM in bytes that a new process may fill: what is available, or left of the container's limit; None: unknown."""
    try:
        with open(join(root, "proc/meminfo"), encoding="utf-8") as file:
            kilobytes = next(row.split()[1] for row in file if row.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return None
    limit, used = (_line(join(root, "sys/fs/cgroup", name)) or "" for name in ("memory.max", "memory.current"))
    left = [int(limit) - int(used)] if limit.isdigit() and used.isdigit() else []
    return min([int(kilobytes) * 1024, *left])


def _disk(folder: str) -> int | None:
    """Free bytes where a folder is, or will be made."""
    while not isdir(folder) and folder != dirname(folder):
        folder = dirname(folder)
    try:
        status = os.statvfs(folder)
    except (AttributeError, OSError):
        return None
    return status.f_bavail * status.f_frsize
