"""What runs say of a fix: equal, other numbers, or nothing that can be said."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from doctor.verify.verdict import Run, judge, largest_difference

RunOf = Callable[..., Run]


@pytest.fixture
def ran(tmp_path: Path) -> RunOf:
    """A run with these logits."""

    def make(code: Any, *numbers: float, how: Any = "loaded", release: str = "5.23.0", **fields: Any) -> Run:
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.f32"
        long = fields.pop("long", numbers)
        file.write_bytes(array("f", [*numbers, *numbers, *long]).tobytes())
        counts = (len(numbers), len(numbers), len(long))
        return Run(code, how, release, release, logits=str(file), counts=counts, **fields)

    return make


def failed(code: Any, how: Any = "loaded", release: str = "5.23.0") -> Run:
    return Run(code, how, release, release, failed="load: ImportError: cannot import name 'x'")


def test_equal(ran: RunOf) -> None:
    state, reason, difference, notes = judge([ran("after", 1, 2, tokens=[3]), ran("before", 1, 2, tokens=[3])])
    assert (state, difference, notes) == ("equal", 0.0, ())
    assert reason.endswith("max |diff| 0; same tokens")


def test_rounding_is_no_difference_and_more_is(ran: RunOf) -> None:
    before = ran("before", 1, 100)
    assert judge([ran("after", 1, 100.005), before])[0] == "equal"
    state, reason, difference, _ = judge([ran("after", 1, 100.5), before])
    assert (state, difference) == ("differs", pytest.approx(0.5))
    assert "by up to 0.5" in reason


def test_before_fails_and_the_library_s_class_is_the_truth(ran: RunOf) -> None:
    state, reason, _, notes = judge([ran("after", 1), failed("before"), failed("before", "built"), ran("native", 1)])
    assert state == "equal" and "transformers' own class on 5.23.0" in reason
    assert notes == ("the file before the fix on 5.23.0 fails: load: ImportError: cannot import name 'x'",)


def test_before_fails_and_an_older_release_is_the_truth(ran: RunOf) -> None:
    runs = [ran("after", 1), failed("before"), ran("native", 9), ran("after", 1, release="4.44.2")]
    state, reason, _, notes = judge([*runs, ran("before", 1, release="4.44.2")])
    assert state == "equal" and "the file before the fix on 4.44.2" in reason
    assert "transformers' own class on 5.23.0 is another model: logits differ by up to 8" in notes


def test_the_library_s_class_may_be_another_model_beyond_its_borders(ran: RunOf) -> None:
    state, reason, difference, _ = judge([ran("after", 1, long=[2]), failed("before"), ran("native", 1, long=[5])])
    assert (state, difference) == ("unverified", 3.0)
    assert "short inputs give the logits of transformers' own class" in reason
    assert judge([ran("after", 1.5), failed("before"), ran("native", 1)])[0] == "differs"
    assert judge([ran("after", 1, long=[2]), ran("before", 1, long=[5])])[0] == "differs"


def test_nothing_to_compare_with_is_not_equal(ran: RunOf) -> None:
    state, reason, difference, _ = judge([ran("after", 1), failed("before"), failed("native")])
    assert (state, difference) == ("unverified", None)
    assert "nothing ran before" in reason


def test_a_load_of_transformers_5_that_was_silently_wrong_does_not_count(ran: RunOf) -> None:
    state, reason, _, notes = judge([ran("after", 1), ran("before", 7), ran("before", 1, how="built")])
    assert state == "equal" and "its class called directly" in reason
    assert notes == ("the file before the fix on 5.23.0 is wrong without an error: logits differ by up to 6",)


def test_what_transformers_4_loads_counts_most(ran: RunOf) -> None:
    runs = [ran("after", 1), ran("before", 1, how="built"), ran("before", 2, release="4.47.1")]
    assert judge(runs)[0] == "differs"


def test_garbage_and_random_weights_are_no_truth(ran: RunOf) -> None:
    before = [ran("before", nan), ran("before", 1, how="built", missing=("lm_head.weight",))]
    assert judge([ran("after", 1), *before])[0] == "unverified"


@pytest.mark.parametrize("wrong", [{"missing": ("lm_head.weight",)}, {"silent": "TypeError: x"}, {"tokens": [4]}])
def test_a_fixed_file_that_is_wrong_without_an_error_is_refused(ran: RunOf, wrong: dict[str, Any]) -> None:
    assert judge([ran("after", 1, **{"tokens": [3], **wrong}), ran("before", 1, tokens=[3])])[0] == "differs"


def test_numbers_that_are_none_are_refused(ran: RunOf) -> None:
    assert judge([ran("after", nan), ran("before", 1)])[0] == "differs"


def test_a_fix_that_breaks_what_ran_is_refused(ran: RunOf) -> None:
    assert judge([failed("after"), ran("before", 1)])[0] == "differs"
    other = [failed("after", release="4.44.2"), ran("before", 1, release="4.44.2")]
    assert judge([ran("after", 1), failed("before"), *other])[0] == "differs"


def test_what_fails_before_and_after_is_not_verified(ran: RunOf) -> None:
    assert judge([failed("after"), failed("before")])[0] == "unverified"
    other = [failed("after", release="4.44.2"), failed("before", release="4.44.2")]
    state, _, _, notes = judge([ran("after", 1), ran("before", 1), *other])
    assert state == "equal" and any(note.startswith("the fixed file on 4.44.2 fails") for note in notes)


def test_differences_that_are_not_numbers() -> None:
    assert largest_difference(array("f", [1]), array("f", [1, 2])) == inf
    assert largest_difference(array("f", [1, nan]), array("f", [1, 1])) == inf
    assert largest_difference(array("f"), array("f")) == 0
