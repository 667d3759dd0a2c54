"""`[tool.doctor]`: what it says is done, what it gets wrong is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from doctor.diagnose import Diagnosis, checks
from doctor.model import Finding, Location, Remedy, Severity
from doctor.settings import Settings, UsageError, read_settings

ID = "rope-scaling-type-key"


def settings(folder: Path, text: str) -> Settings:
    (folder / "pyproject.toml").write_text(text, "utf-8")
    return read_settings(str(folder))


def test_no_file_means_no_wishes(tmp_path: Path) -> None:
    assert settings(tmp_path, "[project]\nname = 'x'\n") == Settings()


def test_everything(tmp_path: Path) -> None:
    text = f'[tool.doctor]\nselect = ["{ID}"]\nignore = ["{ID}"]\nfail-on = "warning"\n'
    found = settings(tmp_path, text + f'[tool.doctor.per-file-ignores]\n"old/*.py" = ["{ID}"]\n')
    assert found == Settings(str(tmp_path / "pyproject.toml"), (ID,), (ID,), {"old/*.py": (ID,)}, Severity.WARNING)


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    settings(tmp_path, '[tool.doctor]\nfail-on = "hint"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert read_settings(str(below)).fail_on is Severity.HINT
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.other]\n", "utf-8")
    assert read_settings(str(below)) == Settings()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[tool.doctor]\nslect = []\n", "tool.doctor has no key 'slect'; did you mean 'select'?"),
        ('[tool.doctor]\nignore = ["rope-scaling-type-keys"]\n', f"did you mean '{ID}'?"),
        ('[tool.doctor]\nignore = "x"\n', "tool.doctor.ignore is 'x'; write a list of ids"),
        ('[tool.doctor]\nfail-on = "eror"\n', "tool.doctor.fail-on is 'eror'; write one of error, warning, hint"),
        ("[tool.doctor]\nfail-on = []\n", "tool.doctor.fail-on is []; write one of error, warning, hint"),
        ("[tool]\ndoctor = 3\n# tool.doctor\n", "tool.doctor is not a table"),
        ("tool = 3\n# tool.doctor\n", "cannot be read as TOML"),
        ("[tool.doctor\n", "cannot be read as TOML"),
        ("[tool.doctor]\nper-file-ignores = 3\n", "tool.doctor.per-file-ignores is not a table of globs"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UsageError) as wrong:
        settings(tmp_path, text)
    assert says in str(wrong.value)
    assert str(wrong.value).startswith(str(tmp_path / "pyproject.toml"))


def test_per_file_ignores(tmp_path: Path) -> None:
    wishes = Settings(str(tmp_path / "pyproject.toml"), per_file={"old/*.py": ("a",)})

    def finding(name: str, place: str | None) -> Finding:
        return Finding("m", Remedy("advice", "r"), Location(place) if place else None, id=name)

    old, outside = str(tmp_path / "old" / "x.py"), "/elsewhere/old/x.py"
    kept = [finding("b", old), finding("a", outside), finding("a", str(tmp_path / "x.py")), finding("a", None)]
    diagnosis = wishes.without_ignored(Diagnosis((finding("a", old), *kept), ()))
    assert list(diagnosis.findings) == kept


def test_the_id_used_here_exists() -> None:
    assert ID in {check.id for check in checks()}
