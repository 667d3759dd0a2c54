"""What a plan holds for given findings, with the real catalogue."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from doctor.diagnose import Diagnosis, diagnose
from doctor.fix.plan import Edit, Plan, plan
from doctor.model import Facts, Finding, Location, Remedy, Severity, Source
from doctor.spelling import remote_code

OLD = "limit = past_key_values.get_max_length()\n"
PATCH = "cache-get-max-length"
FOLDER = "/models/x"


def source(path: str, text: str | None = OLD, encoding: str = "utf-8", **fields: str) -> Source:
    digest = hashlib.sha256((text or "").encode(encoding)).hexdigest()
    found = Source(path, "remote-code", text, digest, imported=False)
    return replace(found, **fields)  # type: ignore[arg-type]


def finding(path: str, patch: str | None = PATCH) -> Finding:
    remedy = Remedy("edit", "rewrite the call", safe=True)
    return Finding(
        "get_max_length is gone", remedy, Location(path, 1, 9), "attribute:get_max_length", patch, Severity.ERROR
    )


def plan_for(*sources: Source, findings: tuple[Finding, ...] | None = None) -> Plan:
    """Of findings in the first source, unless told."""
    facts = Facts(sources=sources, directory="/models", modules_cache="/h/modules")
    return plan(Diagnosis(findings or (finding(sources[0].path),), ()), facts)


def test_a_flagged_file_is_rewritten() -> None:
    made = plan_for(source(f"{FOLDER}/modeling_x.py"))
    (edit,) = made.edits
    assert edit.patches == (PATCH,)
    assert "_doctor_max_length(past_key_values)" in edit.after
    assert edit.digest == hashlib.sha256(OLD.encode()).hexdigest()
    assert made.left == ()


def test_siblings_are_rewritten_too_and_strangers_are_not() -> None:
    modeling, sibling = source(f"{FOLDER}/modeling_x.py"), source(f"{FOLDER}/cache_x.py", "# sibling\n" + OLD)
    stranger, clean = (
        source("/models/y/modeling_y.py", "# y\n" + OLD),
        source(f"{FOLDER}/configuration_x.py", "x = 1\n"),
    )
    unread = source(f"{FOLDER}/tokenization_x.py", None)
    made = plan_for(modeling, sibling, stranger, clean, unread)
    assert [edit.path for edit in made.edits] == [f"{FOLDER}/cache_x.py", f"{FOLDER}/modeling_x.py"]
    assert made.left == ()


def test_a_file_that_is_not_python_3_is_left_with_the_reason() -> None:
    made = plan_for(source(f"{FOLDER}/modeling_x.py", "print 'x'.get_max_length()\n"))
    assert made.edits == ()
    assert [(left.path, left.reason) for left in made.left] == [(f"{FOLDER}/modeling_x.py", "is not Python 3: line 1")]


def test_what_is_no_notebook_is_left() -> None:
    made = plan_for(source("/models/train.ipynb", kind="notebook"))
    assert made.left[0].reason == "is no notebook: it is no JSON object"


def test_a_form_that_the_patch_does_not_know_is_left() -> None:
    made = plan_for(source(f"{FOLDER}/modeling_x.py", "f = cache.get_max_length\n"))
    assert made.edits == ()
    assert f"{PATCH} does not know this form" in made.left[0].reason


def test_a_file_that_was_not_scanned_is_left() -> None:
    made = plan_for(source(f"{FOLDER}/modeling_x.py"), findings=(finding("/elsewhere.py"),))
    assert made.left[0].path == "/elsewhere.py:1"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("# -*- coding: latin-1 -*-\n# ü\n" + OLD, "latin-1"),
        ("# ü\n" + OLD, "utf-8-sig"),
        ("# ü 模\n" + OLD, "utf-8"),
    ],
)
def test_the_encoding_is_kept(text: str, encoding: str) -> None:
    (edit,) = plan_for(source(f"{FOLDER}/modeling_x.py", text, encoding)).edits
    assert edit.data == edit.after.encode(encoding)


def test_a_text_that_does_not_give_back_its_bytes_is_left() -> None:
    made = plan_for(source(f"{FOLDER}/modeling_x.py", digest="0" * 64))
    assert made.edits == ()
    assert "does not give back the bytes" in made.left[0].reason


def test_remedies_without_a_patch_are_sorted_by_their_kind() -> None:
    def told(kind: str, value: str | None = None) -> Finding:
        return Finding("it is so", Remedy(kind, f"do {kind}", value), id=f"id-{kind}")  # type: ignore[arg-type]

    made = plan_for(
        source("/x.py", "x"),
        findings=(
            told("command", "pip install 'a<2'"),
            told("command", "pip install 'a<2'"),
            told("variable", "export HF_DEACTIVATE_ASYNC_LOAD=1"),
            told("config", "rope_type: longrope"),
            told("advice"),
        ),
    )
    assert made.commands == ("pip install 'a<2'",)
    assert made.variables == {"HF_DEACTIVATE_ASYNC_LOAD": "1"}
    assert made.config == ("rope_type: longrope",)
    assert [str(left) for left in made.left] == ["id-advice: it is so; do advice"]


def test_the_diff_shows_paths_as_users_know_them() -> None:
    made = Plan(
        (
            Edit("/models/x/a.py", "d", "one\ntwo\n", "one\n2\n", ()),
            Edit("/other/b.py", "d", "x\r\n\x0cy", "x\r\n\x0cz", ()),
        ),
        directory="/models",
    )
    assert made.diff() == (
        "--- x/a.py\n+++ x/a.py\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n"
        "--- /other/b.py\n+++ /other/b.py\n@@ -1,2 +1,2 @@\n x\r\n"
        "-\x0cy\n\\ No newline at end of file\n+\x0cz\n\\ No newline at end of file\n"
    )


def test_a_created_copy_is_compared_with_what_it_is_made_from_once() -> None:
    commit = "a" * 40
    snapshot = source(
        f"/h/hub/models--acme--x-1/snapshots/{commit}/modeling_x.py", blob="/h/hub/models--acme--x-1/blobs/b"
    )
    from doctor.model import Package

    facts = Facts(
        packages={"transformers": Package("transformers", "4.47.1")}, sources=(snapshot,), modules_cache="/h/modules"
    )
    made = plan(Diagnosis((finding(snapshot.path),), ()), facts)
    assert [edit.digest for edit in made.edits] == [None, None]
    assert made.diff().count(f"--- {snapshot.path}\n+++ /h/modules/transformers_modules/acme/x-1/{commit}/") == 1
    assert made.diff().count("# the same change in /h/modules/transformers_modules/acme/x_hyphen_1/") == 1


def test_a_folder_and_its_copy_are_both_rewritten() -> None:
    copy = source("/h/modules/transformers_modules/x/modeling_x.py")
    folder = source(f"{FOLDER}/modeling_x.py")
    made = plan_for(copy, folder)
    assert [edit.path for edit in made.edits] == [copy.path, folder.path]


def test_a_copy_of_an_unknown_folder_is_left_once() -> None:
    made = plan_for(source("/h/modules/transformers_modules/x/modeling_x.py"))
    assert made.edits == ()
    assert len(made.left) == 1


def test_a_form_that_would_change_the_numbers_is_left_and_says_why() -> None:
    text = (
        "class M(PreTrainedModel):\n"
        "    def _get_initial_cache_position(self, ids, model_kwargs):\n"
        "        return {**model_kwargs, 'n': (ids != 0).sum()}\n"
    )
    facts = remote_code(text)
    diagnosis = diagnose(facts)
    assert "initial-cache-position-override" in {finding.patch for finding in diagnosis.findings}
    made = plan(diagnosis, facts)
    assert made.edits == ()
    (left,) = [left for left in made.left if left.path == "remote/modeling.py"]
    assert "asks more of ids than its length and device" in left.reason
