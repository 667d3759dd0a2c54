"""Python files: which are read, what is kept of them, and what happens to those that cannot be read."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from doctor.scan.files import SOURCE_LIMIT, Unreadable, read_bytes


def wanted(*needles: bytes) -> Any:
    return lambda kind: lambda data: any(needle in data for needle in needles)


def paths(facts: Any, root: Path) -> list[str]:
    return [source.path.removeprefix(f"{root}/") for source in facts.sources]


def test_only_the_text_of_files_with_a_needle_is_kept(place: Any) -> None:
    hit, clean = place.put("p/a.py", "x = needle\n"), place.put("p/b.py", "x = 1\n")
    facts = place.scan(place.root / "p", wanted=wanted(b"other", b"needle"))
    first, second = facts.sources
    assert (first.path, first.text, first.kind) == (str(hit), "x = needle\n", "script")
    assert first.digest == hashlib.sha256(hit.read_bytes()).hexdigest()
    assert (second.path, second.text, second.digest) == (str(clean), None, "")


def test_files_are_wanted_by_kind(place: Any) -> None:
    place.model("p/m", auto_map=place.auto_map)
    for name in ("p/m/modeling_x.py", "p/train.py"):
        place.put(name, "needle")
    facts = place.scan(place.root / "p", wanted=lambda kind: lambda data: kind == "script")
    assert [source.path for source in facts.sources if source.text] == [str(place.root / "p/train.py")]


def test_all_remote_code_of_a_folder_is_kept_where_some_is_wanted(place: Any) -> None:
    place.model("p/m", auto_map=place.auto_map)
    place.model("p/n", auto_map=place.auto_map)
    for name in ("p/m/modeling_x.py", "p/m/deeper/x.py", "p/n/modeling_x.py"):
        place.put(name, "x = 1")
    place.put("p/m/layers.py", "needle")
    facts = place.scan(place.root / "p", wanted=wanted(b"needle"))
    kept = [source.path.removeprefix(f"{place.root}/") for source in facts.sources if source.text]
    assert kept == ["p/m/layers.py", "p/m/modeling_x.py"]
    assert all(source.digest for source in facts.sources if source.text)


def test_folders_that_are_not_entered(place: Any) -> None:
    place.put("p/src/train.py", "x = 1")
    for folder in (".git", ".tox", "node_modules", "__pycache__", "lib/site-packages"):
        place.put(f"p/{folder}/x.py", "x = 1")
    place.venv("p/env")
    place.put("p/env/x.py", "x = 1")
    facts = place.scan(place.root / "p")
    assert paths(facts, place.root) == ["p/src/train.py"]
    assert facts.skipped == ()


def test_an_environment_as_a_target(place: Any) -> None:
    place.venv("env")
    reason = f"is a Python environment: examine it with --python {place.root}/env"
    assert place.skips(place.scan(place.root / "env")) == {"env": reason}


def test_code_in_a_model_folder_is_remote_code_where_its_config_says_so(place: Any) -> None:
    place.model("remote", auto_map=place.auto_map)
    place.model("plain")
    place.model("tokenizer")
    place.put("tokenizer/tokenizer_config.json", '{"auto_map": {"AutoTokenizer": ["tokenization_x.X", null]}}')
    for name in ("remote/layers/x.py", "remote/modeling_x.py", "plain/train.py", "tokenizer/tokenization_x.py"):
        place.put(name, "x = 1")
    facts = place.scan(*(place.root / name for name in ("remote", "plain", "tokenizer")))
    kinds = {source.path.removeprefix(f"{place.root}/"): (source.kind, source.repository) for source in facts.sources}
    assert kinds == {
        "remote/layers/x.py": ("remote-code", "remote"),
        "remote/modeling_x.py": ("remote-code", "remote"),
        "plain/train.py": ("script", None),
        "tokenizer/tokenization_x.py": ("remote-code", "tokenizer"),
    }
    (one,) = place.scan(place.root / "remote/modeling_x.py").sources
    assert (one.kind, one.model, one.imported) == ("remote-code", str(place.root / "remote"), False)


def test_targets_that_overlap_are_read_once(place: Any) -> None:
    file = place.put("p/a.py", "x = 1")
    assert len(place.scan(file, place.root / "p", f"{place.root}/p/../p/a.py").sources) == 1


def test_targets_are_relative_to_the_working_directory(place: Any) -> None:
    place.put("cwd/a.py", "x = 1")
    assert paths(place.scan("a.py"), place.root) == ["cwd/a.py"]
    with pytest.raises(ValueError, match=r"cwd/none\.py does not exist: give a file or a folder that does"):
        place.scan("none.py")


def test_targets_of_other_kinds(place: Any) -> None:
    (reason,) = place.skips(place.scan(place.put("notes.odt"))).values()
    assert reason.startswith("is no Python file or notebook")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"x = 'caf\xc3\xa9'\r\n", "x = 'café'\r\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n"),
        (b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\x80'\n", None),
        (b"\n\n# coding: latin-1\nx = '\xc3\xa9'\n", "\n\n# coding: latin-1\nx = 'é'\n"),
        (b"x = 1\n# coding: latin-1\ny = '\xc3\xa9'\n", "x = 1\n# coding: latin-1\ny = 'é'\n"),
    ],
)
def test_encodings(place: Any, content: bytes, text: str | None) -> None:
    (source,) = place.scan(place.put("a.py", content)).sources
    assert source.text == (text if text is not None else content.decode("cp1252"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x = '\xe9'\n", "is not utf-8: byte 0xe9 at offset 5"),
        (b"\xff\xfex\x00", "is not utf-8: byte 0xff at offset 0"),
        (b"# coding: klingon\n", "declares the encoding 'klingon', which Python does not know"),
        (b"# coding: rot13\n", "declares the encoding 'rot13', which Python does not know"),
        (b"# coding: ascii\nx = '\xc3\xa9'", "is not ascii: byte 0xc3 at offset 21"),
        (b"x = 1\n" * 2_000_000, "is 12.0 MB; files over 10 MB are not read"),
    ],
    ids=["latin-1", "utf-16", "unknown", "no-text", "ascii", "huge"],
)
def test_files_that_are_not_text(place: Any, content: bytes, reason: str) -> None:
    place.put("p/a.py", content)
    facts = place.scan(place.root / "p")
    assert (place.skips(facts), facts.sources) == ({"p/a.py": reason}, ())


def test_a_sparse_file_of_fifty_megabytes_is_not_read(place: Any) -> None:
    with place.put("p/a.py").open("wb") as file:
        file.truncate(50_000_000)
    assert place.skips(place.scan(place.root / "p")) == {"p/a.py": "is 50.0 MB; files over 10 MB are not read"}
    assert SOURCE_LIMIT == 10_000_000


def test_a_target_with_nothing_in_it_is_said_so(place: Any) -> None:
    path = place.put("p/a.py")
    for target in (path, path.parent):
        facts = place.scan(target)
        assert [skip.id for skip in facts.skipped] == [str(target)]
        assert facts.skipped[0].reason.startswith("holds no script, notebook,")


def test_targets_within_each_other_and_named_twice_are_read_once(place: Any) -> None:
    path, other = place.put("p/a.py", "x = 1"), place.put("p/b.py")
    facts = place.scan(path.parent, path, path, path.parent)
    assert ([source.path for source in facts.sources], facts.skipped) == ([str(path)], ())
    assert [skip.id for skip in place.scan(path.parent, other).skipped] == [str(other)]


def test_things_that_only_look_like_files(place: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    place.put("p/folder.py/inside.py", "x = 1")
    os.mkfifo(place.root / "p/pipe.py")
    (place.root / "p/loop.py").symlink_to("loop.py")
    (place.root / "p/gone.py").symlink_to("nowhere.py")
    (place.root / "p/null.py").symlink_to("/dev/null")
    listener = socket.socket(socket.AF_UNIX)
    old = Path.cwd()
    os.chdir(place.root / "p")  # the name of a socket may have 108 characters at most
    try:
        listener.bind("socket.py")
    finally:
        os.chdir(old)
        listener.close()
    facts = place.scan(place.root / "p")
    assert paths(facts, place.root) == ["p/folder.py/inside.py"]
    assert place.skips(facts) == {
        "p/gone.py": "is gone, or links to a file that is",
        "p/loop.py": "is a link that leads back to itself",
        "p/null.py": "is a device, not a file",
        "p/pipe.py": "is a pipe, not a file",
        "p/socket.py": "is a socket or a device, not a file",
    }
    for name in place.skips(facts):
        alone = place.skips(place.scan(place.root / name))
        assert list(alone) == [name]


def test_folders_that_lead_in_circles(place: Any) -> None:
    place.put("p/a/x.py", "x = 1")
    (place.root / "p/a/up").symlink_to(place.root / "p")
    (place.root / "p/self").symlink_to("self")
    (place.root / "p/root").symlink_to("/")
    (place.root / "p/again").symlink_to("a")
    facts = place.scan(place.root / "p")
    assert paths(facts, place.root) == ["p/a/x.py"]
    assert place.skips(facts) == {
        "p/a/up": f"is a link to {place.root}/p, a folder around it",
        "p/root": "is a link to /, a folder around it",
        "p/self": "is a link that leads back to itself",
    }


def test_a_linked_folder_elsewhere_is_read(place: Any) -> None:
    place.put("models/x.py", "x = 1")
    (place.root / "p").mkdir()
    (place.root / "p/models").symlink_to(place.root / "models")
    assert paths(place.scan(place.root / "p"), place.root) == ["p/models/x.py"]


def test_a_name_that_is_not_text(place: Any) -> None:
    place.put("p/plain.py", "x = 1")
    try:
        (place.root / "p" / os.fsdecode(b"caf\xe9.py")).write_text("x = 1")
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert len(place.scan(place.root / "p").sources) == 2


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_what_this_user_may_not_read(place: Any) -> None:
    place.put("p/a.py", "x = 1").chmod(0)
    place.put("p/closed/b.py", "x = 1")
    (place.root / "p/closed").chmod(0)
    reason = "may not be read by this user"
    assert place.skips(place.scan(place.root / "p")) == {"p/a.py": reason, "p/closed": reason}


def test_a_file_that_vanishes(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match="is gone, or links to a file that is"):
        read_bytes(str(tmp_path / "a.py"))


def test_files_that_come_and_go_during_the_scan(place: Any) -> None:
    (place.root / "p").mkdir()
    done = threading.Event()

    def churn() -> None:
        while not done.is_set():
            for index in range(20):
                place.put(f"p/{index}/a.py", "x = 1")
            for index in range(20):
                (place.root / f"p/{index}/a.py").unlink()
                (place.root / f"p/{index}").rmdir()

    thread = threading.Thread(target=churn)
    thread.start()
    try:
        for _ in range(20):
            facts = place.scan(place.root / "p")
            reasons = {skip.reason for skip in facts.skipped if skip.id != str(place.root / "p")}
            assert reasons <= {"is gone, or links to a file that is"}
    finally:
        done.set()
        thread.join()
