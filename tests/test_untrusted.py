"""Values from outside: valid ones are kept, others are rejected or shortened, nothing raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.untrusted import (
    bounded_float,
    bounded_int,
    bounded_ints,
    bounded_text,
    parse_json,
    printable,
    printable_shape,
)

HUGE = 10**5000


def shortened(value: object) -> str:
    """An id; pytest's own fails for such integers."""
    return printable(value, most=20)


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(HUGE), st.just(-HUGE), st.floats(), st.text(), st.binary(),
    st.characters(categories=["Cs", "Cc", "Nd"]), st.lists(st.integers()),
)  # fmt: skip


@pytest.mark.parametrize("value", [0, 7, 100, "0", "7", "100", "007"], ids=shortened)
def test_an_integer_within_bounds_is_kept(value: object) -> None:
    assert bounded_int(value, most=100) == int(value)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    "value",
    [
        -1,
        101,
        HUGE,
        True,
        1.0,
        None,
        b"7",
        "",
        "-1",
        "101",
        "9" * 5000,
        "²",
        "٣",
        "1_0",
        " 7",
        "7\n",
        "+7",
        "0x7",
        "7, 7",
    ],
    ids=shortened,
)
def test_an_integer_out_of_bounds_is_refused(value: object) -> None:
    assert bounded_int(value, most=100) is None


def test_negative_integers_are_kept_where_they_are_allowed() -> None:
    assert (bounded_int("-5", most=5, least=-5), bounded_int(-6, most=5, least=-5)) == (-5, None)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ([1, 2], (1, 2)),
        ((3,), (3,)),
        ([], ()),
        ([True], None),
        ([1, "2"], None),
        ([HUGE], None),
        ("12", None),
        (1, None),
    ],
    ids=shortened,
)
def test_a_list_is_kept_if_all_its_items_are_integers(values: object, kept: object) -> None:
    assert bounded_ints(values) == kept


@pytest.mark.parametrize(
    "value",
    [10**400, -(10**400), float("nan"), float("inf"), "nan", "1e999", "9" * 5000, True, "x", None],
    ids=shortened,
)
def test_a_float_that_is_not_finite_is_refused(value: object) -> None:
    assert bounded_float(value, most=1e6) is None


def test_a_finite_float_is_kept() -> None:
    assert [bounded_float(value, most=2) for value in (1, 0.5, "-1.5", -3)] == [1.0, 0.5, -1.5, None]


def test_text_that_cannot_be_encoded_or_is_too_long_is_refused() -> None:
    values = ("abc", "é".encode(), "abcd", "\ud800", b"\xff", b"x" * 99, 5)
    assert [bounded_text(value, most=3) for value in values] == ["abc", "é", *[None] * 5]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", "\\x1b[31mred"),
        ("a\nb", "a\\nb"),
        ("\ud800", "\\ud800"),
        ("\u202egnp", "\\u202egnp"),
        (b"\xff", "\N{REPLACEMENT CHARACTER}"),
        ("x" * 100, "x" * 11 + "…"),
        (HUGE, "an integer …"),
        ([HUGE], "a list"),
    ],
    ids=shortened,
)
def test_a_value_is_printed_in_one_safe_line(value: object, shown: str) -> None:
    assert printable(value, most=12) == shown


def test_a_shape_is_printed_up_to_a_number_of_sizes() -> None:
    assert printable_shape([64, 3, 7, 7]) == "[64, 3, 7, 7]"
    assert printable_shape([1] * 9, most=2) == "[1, 1, …]"
    assert printable_shape([HUGE]) == "[an integer of 16,610 bits]"


@given(ANYTHING)
def test_nothing_is_raised_for_any_value(value: object) -> None:
    assert (number := bounded_int(value, most=9)) is None or 0 <= number <= 9
    assert (real := bounded_float(value, most=9)) is None or -9 <= real <= 9
    assert (text := bounded_text(value, most=9)) is None or len(text) <= 9
    shown = printable(value, most=40)
    shown.encode()
    assert shown.isprintable()
    assert len(shown) <= 40


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "nul", "[" * 100_000, '{"a": 1' + "0" * 400 + "}", "[1e999]", '["\\ud800"]', '{"\\udc00": 1}', b"\xff",
        "[1" + "0" * 5000 + "]",
    ], ids=shortened)  # fmt: skip
def test_json_out_of_bounds_is_a_value_error(text: bytes | str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)


def test_json_within_bounds_is_read() -> None:
    value = {"a": [1, -2.5, None, True, "é😀"], "b": {}, "c": 2**63 - 1}
    assert parse_json(json.dumps(value)) == value
    assert parse_json(json.dumps(value).encode()) == value


def test_integers_beyond_64_bits_are_floats() -> None:
    assert parse_json("[100000000000000000000000]") == [1e23]
    assert isinstance(parse_json("[100000000000000000000000]")[0], float)  # type: ignore[index]


def test_repeated_keys_are_refused_where_asked() -> None:
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}
    with pytest.raises(ValueError, match="duplicate name"):
        parse_json('{"a": 1, "a": 2}', unique_keys=True)
