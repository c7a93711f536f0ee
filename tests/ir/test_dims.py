from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.ir.dims import (
    Dim,
    SymbolicDim,
    ceil_div,
    evaluate,
    exact_quotient,
    lower_bound,
    smallest,
    symbol,
    symbols,
)

H, W, N = symbol("H"), symbol("W"), symbol("N")
NAMES = ("H", "N", "W")

Both = tuple[Dim, str]
"""A size, and the same as a Python expression for the numbers to be put into."""


def _leaf() -> st.SearchStrategy[Both]:
    numbers = st.integers(-7, 7).map(lambda value: (value, f"({value})"))
    return st.one_of(numbers, st.sampled_from([(symbol(name), name) for name in NAMES]))


def _node(below: st.SearchStrategy[Both]) -> st.SearchStrategy[Both]:
    pairs = st.tuples(below, below)
    return st.one_of(
        pairs.map(lambda pair: (pair[0][0] + pair[1][0], f"({pair[0][1]} + {pair[1][1]})")),
        pairs.map(lambda pair: (pair[0][0] - pair[1][0], f"({pair[0][1]} - {pair[1][1]})")),
        pairs.map(lambda pair: (pair[0][0] * pair[1][0], f"({pair[0][1]} * {pair[1][1]})")),
        st.tuples(below, st.integers(1, 6)).map(lambda pair: (pair[0][0] // pair[1], f"({pair[0][1]} // {pair[1]})")),
        st.tuples(below, st.integers(1, 6)).map(
            lambda pair: (ceil_div(pair[0][0], pair[1]), f"(-(-{pair[0][1]} // {pair[1]}))")
        ),
    )


expressions = st.recursive(_leaf(), _node, max_leaves=12)
numbers = st.fixed_dictionaries({name: st.integers(1, 50) for name in NAMES})


@given(expressions, numbers)
def test_a_size_is_the_number_that_python_computes(both: Both, values: dict[str, int]) -> None:
    dim, text = both
    assert evaluate(dim, values) == eval(text, {"__builtins__": {}}, dict(values))


@given(expressions, numbers, st.sampled_from(NAMES))
def test_symbols_can_be_put_in_one_by_one(both: Both, values: dict[str, int], first: str) -> None:
    dim, _ = both
    if isinstance(dim, int):
        return
    part = dim.substitute({first: values[first]})
    assert first not in symbols(part)
    assert evaluate(part, values) == evaluate(dim, values)


@given(expressions, expressions, numbers)
def test_a_size_in_place_of_a_symbol(outer: Both, inner: Both, values: dict[str, int]) -> None:
    if isinstance(outer[0], SymbolicDim):
        replaced = outer[0].substitute({"H": inner[0]})
        expected = evaluate(outer[0], {**values, "H": evaluate(inner[0], values)})
        assert evaluate(replaced, values) == expected


@given(expressions, expressions, expressions)
def test_sums_and_products_have_one_form(a: Both, b: Both, c: Both) -> None:
    x, y, z = a[0], b[0], c[0]
    assert x + y == y + x
    assert (x + y) + z == x + (y + z)
    assert x * y == y * x
    assert x * (y + z) == x * y + x * z
    assert x - x == 0
    assert x + 0 == x
    assert x * 1 == x
    assert x * 0 == 0
    assert hash(x + y) == hash(y + x)


@given(expressions, st.integers(1, 6), st.integers(-9, 9))
def test_what_the_divisor_divides_is_taken_out(both: Both, divisor: int, whole: int) -> None:
    x = both[0]
    assert (x + divisor * whole) // divisor == x // divisor + whole
    assert (divisor * x + whole) // divisor == x + whole // divisor
    assert x // 1 == x


@given(expressions, expressions)
def test_a_product_divided_by_a_factor_is_the_other(one: Both, other: Both) -> None:
    x, y = one[0], other[0]
    assert exact_quotient(x * y, y) == (x if y != 0 else None)


@given(expressions, expressions)
def test_what_is_divided_exactly_is_the_product_again(one: Both, other: Both) -> None:
    quotient = exact_quotient(one[0], other[0])
    assert quotient is None or quotient * other[0] == one[0]


def test_what_does_not_divide_has_no_exact_quotient() -> None:
    assert exact_quotient(H * W + 1, H) is None
    assert exact_quotient(3 * H, 2) is None
    assert exact_quotient(H, H // 2) is None
    assert exact_quotient(7, H) is None


@given(st.integers(1, 6), st.integers(1, 6), st.integers(-9, 9), st.integers(-9, 9))
def test_nested_floors_are_one(inner: int, outer: int, a: int, b: int) -> None:
    assert ((H + a) // inner + b) // outer == (H + a + inner * b) // (inner * outer)


@given(st.integers(1, 6), st.integers(1, 6), st.integers(-9, 9), st.integers(1, 5))
def test_common_factors_are_cancelled(common: int, divisor: int, constant: int, coefficient: int) -> None:
    whole = (common * coefficient * H + common * constant) // (common * divisor)
    assert whole == (coefficient * H + constant) // divisor


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 3)), min_size=1, max_size=6))
def test_layers_in_a_row_are_one_floor(layers: list[tuple[int, int]]) -> None:
    """Windows that halve and the like, however many, remain one quotient, so that shapes stay readable and equal."""
    dim: Dim = H
    for stride, half in layers:
        dim = (dim + 2 * half - (2 * half + 1)) // stride + 1
    stride = 1
    for step, _ in layers:
        stride *= step
    assert dim == ceil_div(H, stride)


def test_sizes_that_are_the_same_for_every_input_are_equal() -> None:
    assert ((H - 1) // 2 + 1 - 1) // 2 + 1 == (H + 3) // 4
    assert (H + 6 - 7) // 2 + 1 == (H + 1) // 2
    assert (2 * H + 1) // 2 == H
    assert (4 * H + 2) // 4 == H
    assert 2 * ((H + 1) // 2) != H
    assert (H // 2) + (H // 2) == 2 * (H // 2)
    assert H * W == W * H


@pytest.mark.parametrize(
    ("dim", "text"),
    [
        (H, "H"),
        (H + 1, "H + 1"),
        (1 + H, "H + 1"),
        (H - 1, "H - 1"),
        (-H, "-H"),
        (-(H // 2), "-(H//2)"),
        (H - (H // 2), "H - H//2"),
        (3 - H, "-H + 3"),
        (2 * H, "2*H"),
        (H * W, "H*W"),
        ((H + 1) // 2, "(H + 1)//2"),
        (H // 2, "H//2"),
        (2 * (H // 2), "2*(H//2)"),
        (64 * (H // 2) * (W // 2), "64*(H//2)*(W//2)"),
        (H + W + N, "H + N + W"),
    ],
)
def test_a_size_is_printed_as_people_write_it(dim: Dim, text: str) -> None:
    assert str(dim) == text


@given(expressions, numbers)
def test_the_printed_size_is_the_size(both: Both, values: dict[str, int]) -> None:
    assert eval(str(both[0]), {"__builtins__": {}}, dict(values)) == evaluate(both[0], values)


def test_an_unknown_symbol_cannot_be_evaluated() -> None:
    with pytest.raises(KeyError, match="W"):
        evaluate(H * W, {"H": 3})


def test_only_positive_integers_divide() -> None:
    with pytest.raises(ValueError, match="from 1"):
        _ = H // 0
    with pytest.raises(ValueError, match="from 1"):
        _ = H // -2


@given(expressions, st.fixed_dictionaries({name: st.integers(1, 9) for name in NAMES}), numbers)
def test_no_size_is_below_its_lower_bound(both: Both, bounds: dict[str, int], more: dict[str, int]) -> None:
    bound = lower_bound(both[0], bounds)
    if bound is not None:
        assert evaluate(both[0], {name: bounds[name] + more[name] - 1 for name in NAMES}) >= bound
        assert evaluate(both[0], bounds) == bound


def test_lower_bounds() -> None:
    assert lower_bound(7, {}) == 7
    assert lower_bound((H + 1) // 2, {}) == 1
    assert lower_bound((H - 7) // 2 + 1, {}) == -2
    assert lower_bound((H - 7) // 2 + 1, {"H": 224}) == 109
    assert lower_bound(H * W, {"H": 3}) == 3
    assert lower_bound(5 - H, {}) is None
    assert lower_bound(H - (H + 1) // 2, {}) is None


@given(st.integers(1, 5000))
def test_the_smallest_size_is_found(threshold: int) -> None:
    assert smallest(lambda size: size >= threshold) == threshold


def test_a_condition_that_never_holds_has_no_smallest_size() -> None:
    assert smallest(lambda _: False, limit=1024) is None
    assert smallest(lambda size: size >= 1024, limit=1024) == 1024
    assert smallest(lambda size: size >= 1025, limit=1024) is None
