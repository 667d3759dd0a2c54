"""`doctor run`: what happens to the command, and to the remote code it imports."""

import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from doctor import live

PYTHON = sys.executable


def other_pythons() -> list[str]:
    """The interpreters beside ours; asked for their path, because a pyenv shim may stand for none."""
    names = ("python3.9", "python3.10", "python3.12", "python3.13")
    found = [shutil.which(name) for name in names]
    asked = [subprocess.run([p, "-c", "import sys; print(sys.executable)"], capture_output=True) for p in found if p]
    return [done.stdout.decode().strip() for done in asked if done.returncode == 0]


def test_remote_code_is_patched_and_no_file_is_changed(bench):
    before = bench.files()
    done = bench.run(PYTHON, "main.py")
    assert done.stdout == "patched patched\n", done.stderr
    assert done.returncode == 0
    assert done.stderr == (
        "doctor: patched modeling_tiny.py in memory (1 patch); no file was changed\n"
        "doctor: patched configuration_tiny.py in memory (1 patch); no file was changed\n"
    )
    assert bench.files() == before


def test_without_the_doctor_the_same_script_fails(bench):
    done = bench.plain(PYTHON, "main.py")
    assert "NameError: name 'old_name' is not defined" in done.stderr


def test_the_users_bytecode_is_neither_read_nor_written(bench):
    plain = bench.plain(PYTHON, "main.py")
    assert plain.returncode == 1
    before = bench.files()
    assert any(name.endswith(".pyc") for name in before)
    assert bench.run(PYTHON, "main.py").returncode == 0
    assert bench.files() == before


@pytest.mark.parametrize("python", other_pythons())
def test_an_interpreter_without_the_doctor(bench, python):
    done = bench.run(python, "-W", "error", "main.py")
    assert done.stdout == "patched patched\n", done.stderr


def test_a_file_outside_transformers_modules_is_never_touched(bench):
    bench.write("mine.py", "def old_name():\n    return 'mine'\nprint(old_name())\n")
    done = bench.run(PYTHON, "-c", "import mine")
    assert (done.stdout, done.stderr) == ("mine\n", "")


def test_a_folder_that_only_bears_the_name_is_not_remote_code(bench):
    bench.write("elsewhere/modeling.py", "old_name = 'mine'\n")
    done = bench.run(
        PYTHON,
        "-c",
        "from importlib.machinery import SourceFileLoader\n"
        "print(SourceFileLoader('transformers_modules.x', 'elsewhere/modeling.py').load_module().old_name)",
    )
    assert done.stdout == "mine\n"


def test_a_healthy_file_is_imported_in_silence(bench):
    bench.module.write_text("class Model:\n    def answer(self): return 'own'\ndef where(): return 'here'\n")
    done = bench.run(PYTHON, "main.py")
    assert (done.stdout, done.stderr) == ("own here\n", "")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("\nprint('own')\nimpossible = 1\n", "line 3: impossible() has no equal"),
        ("print('own')\n# old_name \n\n\n#\xe9", "it cannot be decoded: "),
    ],
)
def test_a_refused_file_is_imported_unchanged_with_one_line(bench, text, reason):
    bench.module.write_bytes(text.encode("latin-1"))
    bench.write("main.py", "from miniature import load\nload('transformers_modules/tiny/modeling_tiny.py')\n")
    done = bench.run(PYTHON, "main.py")
    assert done.stderr.startswith(f"doctor: modeling_tiny.py is imported unchanged: {reason}")
    if "\xe9" not in text:
        assert done.stdout == "own\n"
        assert done.stderr.count("\n") == 1


def test_a_file_that_is_not_python_fails_as_it_would_without_us(bench):
    bench.module.write_text("print 'old_name'\n")
    plain = bench.plain(PYTHON, "main.py")
    done = bench.run(PYTHON, "main.py")
    said, _, rest = done.stderr.partition("\n")
    assert said == "doctor: modeling_tiny.py is imported unchanged: line 1 is not Python 3"
    assert done.returncode == 1
    assert rest.splitlines()[-1] == plain.stderr.splitlines()[-1]


def test_tracebacks_of_other_modules_do_not_show_the_hook(bench):
    bench.write("broken.py", "def f(:\n")
    plain = bench.plain(PYTHON, "-c", "import broken")
    done = bench.run(PYTHON, "-c", "import broken")
    assert done.stderr == plain.stderr


def test_no_doctor_interpreter_means_the_original(bench):
    script = "import os, runpy; os.environ['DOCTOR_LIVE_PYTHON'] = '/nowhere/python'; runpy.run_path('main.py')"
    done = bench.run(PYTHON, "-c", script)
    reason = "is imported unchanged: the doctor's interpreter /nowhere/python is not there"
    assert f"doctor: modeling_tiny.py {reason}" in done.stderr
    assert "NameError" in done.stderr


def test_the_patched_source_is_made_once(bench):
    assert bench.run(PYTHON, "main.py").returncode == 0
    made = {file: file.stat().st_mtime_ns for file in (bench.root / "cache").rglob("*.py")}
    script = "import os, runpy; os.environ['DOCTOR_LIVE_PYTHON'] = ''; runpy.run_path('main.py')"
    assert bench.run(PYTHON, "-c", script).stdout == "patched patched\n"
    assert {file: file.stat().st_mtime_ns for file in (bench.root / "cache").rglob("*.py")} == made


def test_a_torn_store_is_made_again(bench):
    assert bench.run(PYTHON, "main.py").returncode == 0
    for file in (bench.root / "cache").rglob("*.py"):
        file.write_text("", "utf-8")
    assert bench.run(PYTHON, "main.py").stdout == "patched patched\n"


def test_a_changed_file_is_patched_anew(bench):
    assert bench.run(PYTHON, "main.py").returncode == 0
    bench.module.write_text(bench.module.read_text() + "Model.answer = lambda self: old_name() + '!'\n")
    assert bench.run(PYTHON, "main.py").stdout == "patched! patched\n"


def test_a_read_only_cache(bench):
    for folder in (bench.root / "modules").rglob("*"):
        folder.chmod(0o555 if folder.is_dir() else 0o444)
    try:
        assert bench.run(PYTHON, "main.py").stdout == "patched patched\n"
    finally:
        for folder in (bench.root / "modules").rglob("*"):
            folder.chmod(0o755)


def test_a_doctor_cache_that_cannot_be_written(bench):
    bench.write("cache", "a file, not a folder")
    done = bench.run(PYTHON, "main.py", TMPDIR=str(bench.root))
    assert done.stdout == "patched patched\n"
    assert "cannot be written" in done.stderr
    assert "set DOCTOR_CACHE_DIR" in done.stderr
    (private,) = bench.root.glob("doctor-live-*")
    assert stat.S_IMODE(private.stat().st_mode) == 0o700


def test_eight_ranks_at_once_speak_once(bench):
    bench.write(
        "launch.py",
        "import os, subprocess, sys\n"
        "ranks = [subprocess.Popen([sys.executable, 'main.py'], stdout=-1,\n"
        "         env=dict(os.environ, RANK=str(r), LOCAL_RANK=str(r))) for r in range(8)]\n"
        "print({rank.communicate()[0].decode() for rank in ranks})\n",
    )
    done = bench.run(PYTHON, "launch.py")
    assert done.stdout == "{'patched patched\\n'}\n"
    assert done.stderr.count("\n") == 2


def test_multiprocessing_spawn(bench):
    bench.write(
        "main.py",
        "import multiprocessing\n"
        "from miniature import load\n"
        "def work(_):\n"
        "    return load('transformers_modules/tiny/modeling_tiny.py').Model().answer()\n"
        "if __name__ == '__main__':\n"
        "    print(work(0))\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(work, [1]))\n",
    )
    done = bench.run(PYTHON, "main.py")
    assert done.stdout == "patched\n['patched']\n"
    assert done.stderr.count("\n") == 2


def test_the_users_own_sitecustomize_and_pythonpath_stay(bench):
    bench.write("site/sitecustomize.py", "import sys; sys.mark = __file__\n")
    bench.write("site/extra.py", "")
    done = bench.run(
        PYTHON, "-c", "import sys, extra, sitecustomize; print(sys.mark == sitecustomize.__file__)", PYTHONPATH="site"
    )
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_sitecustomize_that_fails_fails_as_without_us(bench):
    bench.write("site/sitecustomize.py", "raise ValueError('theirs')\n")
    done = bench.run(PYTHON, "main.py", PYTHONPATH="site")
    assert "ValueError: theirs" in done.stderr
    assert done.stdout == "patched patched\n"


def test_a_doctor_within_a_doctor(bench):
    done = bench.run(PYTHON, "-c", "import os; print(os.environ['PYTHONPATH'])")
    again = bench.run(PYTHON, "main.py", PYTHONPATH=done.stdout.strip())
    assert again.stdout == "patched patched\n"
    other = shutil.copytree(bench.doctor, bench.root / "other")
    nested = bench.run(PYTHON, "main.py", PYTHONPATH=str(other / "doctor/live/hook"))
    assert nested.stdout == "patched patched\n"
    assert nested.stderr.count("\n") == 2


def test_tracebacks_show_the_lines_that_ran(bench):
    bench.write(
        "main.py", "from miniature import load\nload('transformers_modules/tiny/modeling_tiny.py').Model().fail()\n"
    )
    done = bench.run(PYTHON, "main.py")
    assert '    raise LookupError("from the model")\n' in done.stderr
    assert "modeling_tiny.py" in done.stderr


def test_inspect_sees_the_source_that_runs(bench):
    bench.write(
        "main.py",
        "import inspect\n"
        "from miniature import load\n"
        "model = load('transformers_modules/tiny/modeling_tiny.py').Model\n"
        "print(inspect.getsource(model))\n"
        "print(inspect.getsource(model.answer))\n"
        "print(inspect.getsourcefile(model))\n",
    )
    done = bench.run(PYTHON, "main.py")
    assert done.stdout.startswith("class Model:\n    def answer(self):\n        return _doctor_new_name()\n")
    assert done.stdout.count("return _doctor_new_name()") == 2
    assert done.stdout.endswith(f"{bench.module}\n")


def test_variables_are_set_where_they_are_not(bench):
    script = "import os; print(os.environ['REMEDY'])"
    assert bench.run(PYTHON, "-c", script).stdout == "1\n"
    assert bench.run(PYTHON, "-c", script, REMEDY="0").stdout == "0\n"


def test_the_look_for_missing_packages_reads_the_patched_source(bench):
    """transformers imports every package a file names outside of `try`, and fails where one is absent."""
    bench.write("transformers/__init__.py", "")
    bench.write(
        "transformers/dynamic_module_utils.py",
        "import re\n"
        "def get_imports(filename):\n"
        "    return re.findall(r'^import (\\w+)$', open(filename).read(), re.M)\n",
    )
    bench.module.write_text("import package_nobody_has\n")
    script = f"from transformers.dynamic_module_utils import get_imports; print(get_imports({str(bench.module)!r}))"
    done = bench.run(PYTHON, "-c", script)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("code", [0, 3, 255])
def test_the_exit_code_is_the_commands(bench, code):
    assert bench.run("sh", "-c", f"exit {code}").returncode == code


def test_a_killed_command_is_killed(bench):
    assert bench.run("sh", "-c", "kill -9 $$").returncode == -signal.SIGKILL


def test_stdin_and_arguments_reach_the_command(bench):
    done = bench.run("printf", "%s|", "a b", "--", "-x")
    assert done.stdout == "a b|--|-x|"


def test_a_signal_that_python_ignores_is_not_ignored_in_the_command(bench):
    if not Path("/proc/self/status").exists():
        pytest.skip("no /proc")
    done = bench.run("grep", "SigIgn", "/proc/self/status")
    ignored = int(done.stdout.split()[1], 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))


def test_a_command_that_is_not_there(bench):
    done = bench.run("no-such-command", "--flag")
    assert (done.returncode, done.stderr) == (127, "doctor: no-such-command: command not found\n")


def test_a_script_instead_of_a_command(bench):
    done = bench.run("main.py", "--flag")
    assert done.returncode == 127
    assert done.stderr.endswith("write: doctor run -- python main.py --flag\n")
    done = bench.run("./main.py")
    assert (done.returncode, "not executable" in done.stderr) == (126, True)
    (bench.root / "main.py").chmod(0o755)
    done = bench.run("./main.py")
    assert (done.returncode, "not a program" in done.stderr) == (126, True)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("python -I train.py", "-I"),
        ("python3.12 -u -sE train.py", "-sE"),
        ("/usr/bin/python -S -c pass", "-S"),
        ("python -W ignore -X dev -I x", "-I"),
        ("python -P train.py", ""),
        ("python train.py -I", ""),
        ("python -m module -E", ""),
        ("python -cI", ""),
        ("accelerate launch -I", ""),
        ("pythonic -I", ""),
    ],
)
def test_options_that_keep_the_hook_out(command, option):
    assert live._unhooked(command.split()) == option


def test_an_isolated_python_is_named(bench):
    done = bench.run(PYTHON, "-I", "-c", "print('ran')")
    assert done.stdout == "ran\n"
    assert "-I ignores PYTHONPATH: remote code is imported unpatched" in done.stderr


def test_the_hook_costs_next_to_nothing(bench):
    loaded = "import sys; print(*sorted(sys.modules))"
    with_hook = set(bench.run(PYTHON, "-c", loaded).stdout.split())
    plain = bench.plain(PYTHON, "-c", loaded)
    assert with_hook - set(plain.stdout.split()) <= {"sitecustomize"}


def test_another_catalogue_has_another_store(bench, tmp_path):
    assert bench.run(PYTHON, "main.py").returncode == 0
    other = shutil.copytree(bench.doctor, tmp_path / "other")
    patch = other / "doctor/patches/renames.py"
    patch.write_text(patch.read_text().replace("return 'patched'", "return 'anew'"))
    again = type(bench)(bench.root, other).run(PYTHON, "main.py")
    assert again.stdout == "anew anew\n"
    assert len(list((bench.root / "cache/live").iterdir())) == 2
