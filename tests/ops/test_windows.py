from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import evaluate, symbol
from resdsl.ir.operator import Refusal
from resdsl.ir.types import DType, Sides, Size, TensorType, Word
from resdsl.ops.maxpool import MaxPool
from resdsl.ops.windows import ceil_sides, sides, windows

small = st.integers(1, 5)
sizes = st.builds(Size, small, small)


def image(rows: object, columns: object) -> TensorType:
    return TensorType(DType.F32, (1, 3, rows, columns))  # type: ignore[arg-type]


def starts(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> list[int]:
    """Where a window can begin so that its last point is in the padded input, by trying every place."""
    padded = range(-before, size + after)
    return [s for s in padded[::stride] if s + dilation * (kernel - 1) in padded]


def starts_of_ceil(size: int, kernel: int, stride: int, dilation: int, before: int, after: int) -> list[int]:
    """PyTorch's ``ceil_mode``: windows run until one reaches the padded end, but none starts in the end padding."""
    found = [-before]
    while found[-1] + dilation * (kernel - 1) < size + after - 1:
        found.append(found[-1] + stride)
    return [start for start in found if start < size]


@given(rows=st.integers(1, 30), columns=st.integers(1, 30), kernel=sizes, stride=sizes, dilation=sizes, data=st.data())
def test_windows_are_counted_as_by_trying_every_place(
    rows: int, columns: int, kernel: Size, stride: Size, dilation: Size, data: st.DataObject
) -> None:
    pad = Sides(*data.draw(st.tuples(*[st.integers(0, 6)] * 4)))
    down = starts(rows, kernel.height, stride.height, dilation.height, pad.top, pad.bottom)
    across = starts(columns, kernel.width, stride.width, dilation.width, pad.left, pad.right)
    if down and across:
        assert windows(image(rows, columns), kernel, stride, dilation, pad) == (len(down), len(across))
    else:
        with pytest.raises(Refusal) as caught:
            windows(image(rows, columns), kernel, stride, dilation, pad)
        assert caught.value.code == catalogue.KERNEL_TOO_LARGE
        assert caught.value.argument == "kernel"


@given(size=st.integers(1, 30), kernel=small, stride=small, dilation=small, data=st.data())
def test_ceil_counts_the_windows_that_pytorch_counts(
    size: int, kernel: int, stride: int, dilation: int, data: st.DataObject
) -> None:
    reach = dilation * (kernel - 1)
    before, after = data.draw(st.tuples(st.integers(0, reach), st.integers(0, reach)))
    expected = starts_of_ceil(size, kernel, stride, dilation, before, after)
    square = Size(kernel, kernel), Size(stride, stride), Size(dilation, dilation)
    pad = ceil_sides(Sides(before, before, after, after), *square)
    assert pad[:2] == (before, before)
    if size + before + pad.bottom > reach:
        assert windows(image(size, size), *square, pad) == (len(expected), len(expected))
        # So a maximum over the wider padding is one over what PyTorch's windows have.
        assert starts(size, kernel, stride, dilation, before, pad.bottom) == expected
    else:
        # PyTorch's own count, which it refuses: (size + paddings - extent + stride - 1) // stride + 1.
        assert (size + before + after - (reach + 1) + stride - 1) // stride + 1 < 1
        with pytest.raises(Refusal):
            windows(image(size, size), *square, pad)


@given(size=st.integers(1, 8), kernel=small, stride=small, dilation=small, ceil=st.booleans(), data=st.data())
def test_a_pool_is_refused_where_a_window_has_no_pixel(
    size: int, kernel: int, stride: int, dilation: int, ceil: bool, data: st.DataObject
) -> None:
    reach = dilation * (kernel - 1)
    # A window wholly in the padding may be in an image of another size: it is refused for all of them.
    before, after = data.draw(st.tuples(st.integers(0, reach), st.integers(0, reach)))
    found = (starts_of_ceil if ceil else starts)(size, kernel, stride, dilation, before, after)
    square = Size(kernel, kernel), Size(stride, stride)
    pool = MaxPool(*square, Sides(before, before, after, after), Size(dilation, dilation), ceil)
    if size + before + after <= reach:
        return
    if all(any(0 <= start + point * dilation < size for point in range(kernel)) for start in found):
        assert pool.infer(image(size, size)).shape[2:] == (len(found), len(found))
    else:
        with pytest.raises(Refusal) as caught:
            pool.infer(image(size, size))
        assert caught.value.code == catalogue.PADDING_TOO_LARGE


@given(size=st.integers(1, 40), kernel=small, stride=small, dilation=small)
def test_same_padding_gives_a_window_for_every_stride(size: int, kernel: int, stride: int, dilation: int) -> None:
    square = Size(kernel, kernel), Size(stride, stride), Size(dilation, dilation)
    x = image(size, size)
    pad = sides(Word("same"), x, *square)
    places = math.ceil(size / stride)
    assert windows(x, *square, pad) == (places, places)
    assert pad.bottom - pad.top in (0, 1)
    reach = dilation * (kernel - 1) + 1
    needed = (places - 1) * stride + reach
    assert pad.top + pad.bottom == max(needed - size, 0)


@given(size=st.integers(1, 40), half=st.integers(0, 3), dilation=small)
def test_half_padding_keeps_the_size_under_an_odd_kernel(size: int, half: int, dilation: int) -> None:
    kernel, one, spacing = Size(2 * half + 1, 2 * half + 1), Size(1, 1), Size(dilation, dilation)
    x = image(size, size)
    assert windows(x, kernel, one, spacing, sides(Word("half"), x, kernel, one, spacing)) == (size, size)


def test_half_padding_of_an_even_kernel_is_rounded_down() -> None:
    one = Size(1, 1)
    assert sides(Word("half"), image(8, 8), Size(2, 4), one, one) == Sides(0, 1, 0, 1)
    # Rounded once, after the dilation: 3 * (2 - 1) // 2.
    assert sides(Word("half"), image(8, 8), Size(2, 2), one, Size(3, 3)) == Sides(1, 1, 1, 1)


def test_valid_padding_is_none_and_given_sides_are_themselves() -> None:
    one = Size(1, 1)
    assert sides(Word("valid"), image(8, 8), Size(3, 3), one, one) == Sides(0, 0, 0, 0)
    assert sides(Sides(0, 1, 2, 3), image(8, 8), Size(3, 3), one, one) == Sides(0, 1, 2, 3)


@given(
    values=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    kernel=sizes,
    stride=sizes,
    dilation=sizes,
    word=st.sampled_from(["half", "valid"]),
    ceil=st.booleans(),
)
def test_symbolic_windows_agree_with_numbers(
    values: tuple[int, int], kernel: Size, stride: Size, dilation: Size, word: str, ceil: bool
) -> None:
    pad = sides(Word(word), image(*values), kernel, stride, dilation)
    if ceil:
        pad = ceil_sides(pad, kernel, stride, dilation)
    unknown = windows(image(symbol("H"), symbol("W")), kernel, stride, dilation, pad)
    found = tuple(evaluate(dim, {"H": values[0], "W": values[1]}) for dim in unknown)
    try:
        assert windows(image(*values), kernel, stride, dilation, pad) == found
    except Refusal:
        assert min(found) < 1


def test_the_shapes_of_resnet_are_the_papers() -> None:
    """He et al. 2015, table 1: 224 -> 112 -> 56 -> 28 -> 14 -> 7."""
    size = 224
    for kernel, expected in ((7, 112), (3, 56), (3, 28), (1, 14), (3, 7)):
        square, two, one = Size(kernel, kernel), Size(2, 2), Size(1, 1)
        x = image(size, size)
        places = windows(x, square, two, one, sides(Word("half"), x, square, two, one))
        assert places == (expected, expected)
        size = expected


def test_same_padding_of_an_unknown_size_is_refused_with_a_fix() -> None:
    x = image(symbol("H"), 8)
    with pytest.raises(Refusal) as caught:
        sides(Word("same"), x, Size(3, 3), Size(2, 2), Size(1, 1))
    assert caught.value.code == catalogue.SYMBOLIC_SIZE
    assert caught.value.argument == "pad"
    assert caught.value.helps
    # Without a stride, and under a kernel of one point, the size does not matter.
    assert sides(Word("same"), x, Size(3, 3), Size(1, 1), Size(1, 1)) == Sides(1, 1, 1, 1)
    assert sides(Word("same"), x, Size(1, 1), Size(2, 2), Size(1, 1)) == Sides(0, 0, 0, 0)
