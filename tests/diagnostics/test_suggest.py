"""Suggestions for misspelled names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.diagnostics.suggest import Suggester, closest, edit_distance

OPS = ("conv", "bn", "relu", "maxpool", "avgpool", "linear", "flatten", "softmax", "sigmoid", "dropout", "bottleneck")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("cnov", "conv"),
        ("Conv", "conv"),
        ("max_pool", "maxpool"),
        ("bottelneck", "bottleneck"),
        ("conv2d", "conv"),
        ("rleu", "relu"),
        ("soft-max", "softmax"),
        ("transformer", None),
        ("x", None),
        ("", None),
        ("attention", None),
    ],
)
def test_a_typing_error_gets_a_suggestion_and_another_word_does_not(typed: str, meant: str | None) -> None:
    assert closest(typed, OPS) == meant


def test_of_equally_near_names_the_one_with_the_same_beginning_wins() -> None:
    assert closest("strida", ["xtride", "stride", "strids"]) == "stride"


def test_a_very_long_name_is_not_compared() -> None:
    assert closest("a" * 10_000, ["a" * 10_001]) is None


# The classic examples of Levenshtein's distance, and Damerau's swap.
@pytest.mark.parametrize(
    ("a", "b", "distance"),
    [("kitten", "sitting", 3), ("saturday", "sunday", 3), ("ab", "ba", 1), ("", "abc", 3), ("ca", "abc", 3)],
)
def test_the_distance_is_the_published_one(a: str, b: str, distance: int) -> None:
    assert edit_distance(a, b) == distance


@given(st.text("ab", max_size=6), st.text("ab", max_size=6))
def test_the_distance_is_symmetric_and_zero_only_between_equals(a: str, b: str) -> None:
    assert edit_distance(a, b) == edit_distance(b, a)
    assert (edit_distance(a, b) == 0) == (a == b)


def test_the_nearest_of_very_many_long_names_is_found_in_bounded_time() -> None:
    names = [f"{'ab' * 33}{number:05d}" for number in range(2_500)]
    start = time.process_time()
    for number in range(0, 2_500, 500):
        assert closest(f"{names[number]}x", names) == names[number]
        assert closest(f"{'ab' * 30}x{'ab' * 3}{number:05d}", names) == names[number]
    assert time.process_time() - start < 3


def test_a_suggestion_is_made_once_for_an_error_that_is_found_again() -> None:
    suggester = Suggester(most=2)
    assert [suggester.closest(name, ["conv", "relu"]) for name in ("cnv", "cnv", "rel", "conb", "cnv")] == [
        "conv",
        "conv",
        "relu",
        None,
        "conv",
    ]
