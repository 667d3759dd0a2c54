"""One library of NVIDIA is installed for two versions of CUDA, into the same folder.

Why it matters: `nvidia-cudnn-cu12` and `nvidia-cudnn-cu13` both write nvidia/cudnn/lib/libcudnn.so.9.  The one that
was installed last wins, torch loads it, and fails with "symbol lookup error" or computes without cuDNN; uninstalling
either takes the files of both.

What to do: keep the one that torch names in its metadata: uninstall both, then install that one.

Reference: https://docs.nvidia.com/deeplearning/cudnn/installation/latest/linux.html
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from doctor.model import Facts, Finding, Package, Remedy, Severity, check

NAME = re.compile(
    r"nvidia-(cudnn|nccl|cusparselt|nvshmem|cublas|cuda-runtime|cuda-nvrtc|cufft|curand|cusolver|cusparse)-cu(\d+)$"
)
OWN_FOLDER = 13
"""From CUDA 13 on, the toolkit's libraries lie in nvidia/cu13, and only these still share a folder with CUDA 12."""
SHARED = ("cudnn", "nccl", "cusparselt", "nvshmem")


def _facts(*names: str) -> Facts:
    packages = {name: Package(name, "9.1") for name in names}
    packages["torch"] = Package("torch", "2.10.0", requires=("nvidia-cudnn-cu12==9.10; platform_system == 'Linux'",))
    return Facts(packages=packages)


@check(
    "gpu",
    Severity.WARNING,
    passes=[
        Facts(),
        _facts("nvidia-cudnn-cu12", "nvidia-nccl-cu12"),
        _facts("nvidia-cublas-cu12", "nvidia-cublas-cu13"),
    ],
    fails=[
        _facts("nvidia-cudnn-cu12", "nvidia-cudnn-cu13"),
        _facts("nvidia-cublas-cu11", "nvidia-cublas-cu12"),
        _facts("nvidia-cudnn-cu11", "nvidia-cudnn-cu12"),
    ],
)
def cuda_runtime_twice(facts: Facts) -> Iterator[Finding]:
    """Compare the distributions of NVIDIA's libraries that write to one folder."""
    versions: dict[str, list[int]] = defaultdict(list)
    for name in facts.packages:
        if match := NAME.match(name):
            versions[match[1]].append(int(match[2]))
    for library, found in versions.items():
        same = sorted(v for v in found if library in SHARED or v < OWN_FOLDER)
        if len(same) < 2:
            continue
        names = [f"nvidia-{library}-cu{version}" for version in same]
        asked = " ".join(facts.packages["torch"].requires) if "torch" in facts.packages else ""
        kept = next((name for name in names if name in asked), names[-1])
        command = f"pip uninstall {' '.join(names)} && pip install {kept}=={facts.packages[kept].version}"
        yield Finding(f"{' and '.join(names)} write the same files", Remedy("command", f"run `{command}`", command))
