"""What the compiled libraries of an environment were built for, read from the files; none of them is loaded."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatch
from os.path import basename, dirname, isfile, join

from doctor.binaries import Binaries
from doctor.model import Package
from doctor.scan.files import names, optional_lines

TORCH_SYMBOL = re.compile(rb"_ZT?[ISV]?NK?(?:2at|3c10|5torch)")
"""How the mangled names begin of what torch's own libraries define."""
TORCH_LIBRARIES = (
    "libc10.so",
    "libtorch_cpu.so",
    "libtorch_python.so",
    "libc10_cuda.so",
    "libtorch_cuda.so",
    "libtorch.so",
)
EXTENSIONS = {
    "flash-attn": ("flash_attn_2_cuda*.so",),
    "flash-attn-3": ("flash_attn_3/_C*.so",),
    "torchvision": ("torchvision/_C*.so",),
    "torchaudio": ("torchaudio/lib/libtorchaudio.so", "torchaudio/lib/_torchaudio.so"),
    "causal-conv1d": ("causal_conv1d_cuda*.so",),
    "mamba-ssm": ("selective_scan_cuda*.so",),
    "xformers": ("xformers/_C*.so",),
    "vllm": ("vllm/_C*.so",),
    "auto-gptq": ("autogptq_cuda*.so", "exllama*kernels*.so"),
}
"""The libraries of distributions that are compiled against one torch."""
ARCHES = re.compile(rb"sm_\d+[a-z]?(?: (?:sm|compute)_\d+[a-z]?)*(?=\0)")


def read(packages: Mapping[str, Package], gpu: bool) -> Binaries:
    """What is known of torch and what is compiled for it; `gpu`: whether the kernels' list is of interest."""
    torch = _folder(packages, "torch")
    if not torch:
        return Binaries()
    said = dict(
        re.findall(r"^(cuda|hip)\b[^=\n]*= *'([^']+)'", "\n".join(optional_lines(join(torch, "version.py"))), re.M)
    )
    own = _folder(packages, "bitsandbytes")
    return Binaries(
        cuda=said.get("cuda"),
        hip=said.get("hip"),
        arches=_arches(join(torch, "lib", "libtorch_python.so")) if gpu and "cuda" in said else (),
        bitsandbytes=tuple(name for name in names(own) if name.startswith("libbitsandbytes_")) if own else (),
        undefined=_undefined(packages, join(torch, "lib")),
    )


def _folder(packages: Mapping[str, Package], name: str) -> str:
    package = packages.get(name)
    return join(dirname(package.path), name) if package and package.path and not package.editable else ""


def _arches(path: str) -> tuple[str, ...]:
    """The GPUs that torch's kernels are compiled for: the text that `torch.cuda.get_arch_list()` splits."""
    import mmap

    with suppress(OSError, ValueError), open(path, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = [match[0] for match in ARCHES.finditer(data)]
        return tuple(max(found, key=len).decode().split()) if found else ()
    return ()


def _undefined(packages: Mapping[str, Package], folder: str) -> dict[str, str]:
    """File of an extension to the first name that it wants of torch and this torch does not define."""
    files = [file for name in EXTENSIONS if (package := packages.get(name)) for file in _extensions(name, package)]
    if not files:
        return {}
    from doctor.scan.elf import unmet

    return unmet(files, [path for name in TORCH_LIBRARIES if isfile(path := join(folder, name))], TORCH_SYMBOL)


def _extensions(name: str, package: Package) -> list[str]:
    if not package.path:
        return []
    site = dirname(package.path)
    patterns = [pattern.rpartition("/") for pattern in EXTENSIONS[name]]
    return [
        join(site, folder, file)
        for folder, _, pattern in patterns
        for file in names(join(site, folder))
        if fnmatch(basename(file), pattern) and os.path.splitext(file)[1] == ".so"
    ]
