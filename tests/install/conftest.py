"""A package index in a folder, of wheels made on the spot, and an environment that a real pip installs into."""

from __future__ import annotations

import base64
import hashlib
import importlib.metadata
import os
import venv
import zipfile
from pathlib import Path

import pytest


class Index:
    """A folder of wheels, and the environment beside it."""

    def __init__(self, folder: Path, site: Path, prefix: Path) -> None:
        self.folder, self.site, self.prefix = folder, site, prefix
        self.python = prefix / "bin" / "python"

    def wheel(self, name: str, version: str, *requires: str, broken: bool = False) -> Path:
        """Put one distribution there; `broken`: its metadata can be read, its files not be installed."""
        stem = name.replace("-", "_")
        info = f"{stem}-{version}.dist-info"
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        extras = {text.partition('extra == "')[2].partition('"')[0] for text in requires} - {""}
        lines += [*(f"Provides-Extra: {extra}" for extra in sorted(extras)), *(f"Requires-Dist: {r}" for r in requires)]
        files = {
            f"{stem}/__init__.py": f"__version__ = {version!r}\n",
            f"{info}/METADATA": "\n".join(lines) + "\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        record = [f"{path},{_digest(text)},{len(text)}" for path, text in files.items()]
        files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,"]) + "\n"
        path = self.folder / f"{stem}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for file, text in files.items():
                archive.writestr(file, text)
        if broken:
            path.write_bytes(path.read_bytes().replace(b"__version__ =", b"__version__ !"))
        return path

    def forget(self, pattern: str) -> None:
        """Take wheels out of the index."""
        for path in self.folder.glob(pattern):
            path.unlink()

    def install(self, *wheels: Path) -> None:
        """Unpack wheels into the environment, as a user's pip did without asking whether they go together."""
        for wheel in wheels:
            zipfile.ZipFile(wheel).extractall(self.site)

    def versions(self) -> dict[str, str]:
        """What is installed, by the metadata folders that pip left."""
        stems = (path.name.removesuffix(".dist-info").split("-") for path in self.site.glob("*.dist-info"))
        return {name: version for name, version in stems if name != "pip"}


def _digest(text: str) -> str:
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """An index and a fresh environment; pip asks no other index, and the journal is in the temporary folder."""
    folder, prefix, work = (tmp_path / name for name in ("wheels", "env", "work"))
    venv.create(prefix, symlinks=True)
    for path in (folder, work):
        path.mkdir()
    site = next(prefix.glob("lib/python3.*/site-packages"))
    pip = importlib.metadata.distribution("pip")
    for name in ("pip", f"pip-{pip.version}.dist-info"):
        (site / name).symlink_to(str(pip.locate_file(name)))
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_CONSTRAINT", "PIP_INDEX_URL", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)
    settings = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "UV_NO_INDEX": "1"}
    ours = {"HF_HOME": str(tmp_path / "hf"), "DOCTOR_STATE_DIR": str(tmp_path / "state"), "COLUMNS": "100"}
    for name, value in {**settings, **ours, "UV_FIND_LINKS": str(folder)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(work)
    return Index(folder, site, prefix)
