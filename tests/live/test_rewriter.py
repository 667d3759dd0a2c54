"""The worker that patches one file for an interpreter without the doctor."""

import json
import subprocess
import sys

import pytest

from doctor.live import rewriter

OLD = "def kind(self):\n    return self.config.rope_scaling['type']  # \xe9\n"


@pytest.mark.parametrize(
    ("encoding", "head", "end"),
    [
        ("utf-8", "", "\n"),
        ("utf-8", "", "\r\n"),
        ("utf-8-sig", "", "\n"),
        ("latin-1", "# -*- coding: latin-1 -*-\n", "\n"),
    ],
)
def test_encoding_and_line_ends_stay(encoding, head, end):
    source = (head + OLD).replace("\n", end).encode(encoding)
    text, patches = rewriter.patched(source)
    assert "rope-scaling-type-key" in patches
    assert text.startswith(b"\xef\xbb\xbf") == (encoding == "utf-8-sig")
    assert "\xe9".encode(encoding.removesuffix("-sig")) in text
    assert text.count(b"\r\n") == (text.count(b"\n") if end == "\r\n" else 0)
    compile(text, "patched.py", "exec")


def test_what_it_made_it_leaves_alone():
    text, _ = rewriter.patched(OLD.encode())
    assert rewriter.patched(text) == (text, ())


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (b"print 'rope_scaling'\n", "line 1 is not Python 3"),
        (b"# -*- coding: klingon -*-\nrope_scaling\n", "it cannot be decoded"),
        (b"rope_scaling = '\xff'\n", "it cannot be decoded"),
    ],
)
def test_a_file_that_cannot_be_read_gives_the_reason(source, reason):
    with pytest.raises(ValueError, match=reason):
        rewriter.patched(source)


def test_as_a_program_it_needs_no_path_and_no_environment():
    call = [sys.executable, "-I", rewriter.__file__]
    done = subprocess.run(call, input=OLD.encode(), capture_output=True, env={}, cwd="/", check=True)
    header, _, text = done.stdout.partition(b"\n")
    assert json.loads(header)["reason"] == ""
    assert text == rewriter.patched(OLD.encode())[0]
    done = subprocess.run(call, input=b"x = 1\n", capture_output=True, env={}, cwd="/", check=True)
    assert done.stdout == b'{"patches": [], "reason": ""}\n'
