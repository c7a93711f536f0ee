"""One parameter at a time, and many in a stream."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from resdsl.ir.graph import CheckpointReader, Derived, DerivedFunction, Parameter, Stored
from resdsl.ir.initializers import ONES, ZEROS, Initializer, VarianceScaling
from resdsl.ir.types import DType
from resdsl.weights.initial import Scheme
from resdsl.weights.values import ParameterTensor, stream, value_of

KERNEL = VarianceScaling(4, 8)


def parameter(name: str, shape: tuple[int, ...] = (8, 4), source: Initializer = KERNEL) -> Parameter:
    return Parameter(name, shape, DType.F32, True, source, 0)


class Drawer(CheckpointReader):
    """A checkpoint that counts how many of its tensors are out at once."""

    def __init__(self) -> None:
        self.name = "drawer"
        self.lock = threading.Lock()
        self.read_count = 0

    def read(self, key: str) -> np.ndarray:
        with self.lock:
            self.read_count += 1
        return np.full((8, 4), int(key), np.float32)


class Total(DerivedFunction):
    name = "total"

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        return np.asarray(sum(arrays))


class Doubled(DerivedFunction):
    """``2 a + b`` by rows, where ``b`` has one number for each row of ``a``. Keeps what shapes it was given."""

    name = "doubled"
    rowwise = True

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        a, b = arrays
        self.shapes.append(a.shape)
        return 2 * a + b[:, None]


def together(parameter: Parameter, count: int, seed: int = 0) -> np.ndarray:
    pieces = [piece.copy() for piece in ParameterTensor(parameter, seed).pieces(count)]
    return np.concatenate(pieces).reshape(parameter.shape)


@pytest.mark.parametrize("count", [1, 5, 31, 32, 1000])
@pytest.mark.parametrize("dtype", [DType.F32, DType.F16])
def test_pieces_make_up_the_value(count: int, dtype: DType) -> None:
    drawn = parameter("a")
    stored = replace(parameter("b"), source=Stored(Drawer(), "3"))
    derived = replace(parameter("c"), source=Derived(Total(), (drawn, stored)))
    for one in (drawn, stored, derived, parameter("d", source=ONES), parameter("e", (), source=ZEROS)):
        lazy = replace(one, dtype=dtype)
        np.testing.assert_array_equal(together(lazy, count, seed=5), value_of(lazy, 5), strict=True)


@pytest.mark.parametrize(("count", "rows"), [(1, 1), (4, 1), (11, 2), (12, 3), (1000, 8)])
def test_a_function_by_rows_is_given_some_rows_at_a_time(count: int, rows: int) -> None:
    function, operands = Doubled(), (parameter("a"), parameter("b", (8,)))
    derived = replace(parameter("c"), source=Derived(function, operands))
    expected = 2 * value_of(operands[0]) + value_of(operands[1])[:, None]
    np.testing.assert_array_equal(together(derived, count), expected)
    assert set(function.shapes[:-1]) <= {(rows, 4)}
    assert sum(shape[0] for shape in function.shapes) == 8
    # And of what is itself computed by rows, the same.
    twice = replace(parameter("d"), source=Derived(Doubled(), (derived, operands[1])))
    expected = 2 * expected + value_of(operands[1])[:, None]
    np.testing.assert_array_equal(together(twice, count), expected)


def test_a_stored_tensor_comes_in_the_shape_of_its_parameter() -> None:
    stored = replace(parameter("a", (8, 4, 1, 1)), source=Stored(Drawer(), "7"))
    assert value_of(stored).shape == (8, 4, 1, 1)
    assert (value_of(stored) == 7).all()


def test_a_derived_tensor_is_computed_from_its_operands_with_the_seed_and_the_scheme() -> None:
    operands = (parameter("a"), parameter("b", source=ONES))
    derived = replace(parameter("c"), source=Derived(Total(), operands))
    expected = value_of(operands[0], 3, Scheme.LECUN_NORMAL) + 1
    assert (value_of(derived, 3, Scheme.LECUN_NORMAL) == expected).all()


def test_a_function_that_makes_another_shape_is_an_error_of_ours() -> None:
    derived = replace(parameter("c", (2,)), source=Derived(Total(), (parameter("a"),)))
    with pytest.raises(ValueError, match="total returns shape"):
        value_of(derived)


@pytest.mark.parametrize(("dtype", "name"), [(DType.F32, "float32"), (DType.F16, "float16"), (DType.BF16, "bfloat16")])
def test_a_value_has_the_element_type_of_its_parameter(dtype: DType, name: str) -> None:
    value = value_of(replace(parameter("a"), dtype=dtype))
    assert value.dtype.name == name
    # Eight bits of mantissa, the least of the three, are kept.
    np.testing.assert_allclose(value.astype(np.float32), value_of(parameter("a")), rtol=2**-8)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_a_stream_gives_the_same_bytes_in_order_for_any_number_of_threads(threads: int) -> None:
    parameters = [parameter(f"p{index}", (index + 1, 3)) for index in range(40)]
    got = list(stream(parameters, 1, threads=threads, prefetch=200))
    assert [one for one, _ in got] == parameters
    for one, value in got:
        assert value.tobytes() == value_of(one, 1).tobytes()


def test_a_stream_stays_within_its_prefetch() -> None:
    drawer = Drawer()
    parameters = [replace(parameter(f"p{index}"), source=Stored(drawer, str(index))) for index in range(50)]
    # Each is 128 bytes: three fit.
    iterator = stream(parameters, threads=4, prefetch=3 * 128)
    for taken in range(1, 11):
        next(iterator)
        time.sleep(0.005)
        assert drawer.read_count <= taken + 3
    iterator.close()  # type: ignore[attr-defined]


def test_a_tensor_larger_than_the_prefetch_is_given_all_the_same() -> None:
    parameters = [parameter("a"), parameter("b", (100, 100)), parameter("c")]
    assert [one.name for one, _ in stream(parameters, prefetch=16)] == ["a", "b", "c"]


def test_threads_end_where_the_reader_stops_early() -> None:
    iterator = stream([parameter(f"p{index}") for index in range(20)], threads=3)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("weights")]


def test_what_goes_wrong_in_a_thread_reaches_the_reader() -> None:
    broken = replace(parameter("b"), source=Stored(Drawer(), "not a number"))
    iterator = stream([parameter("a"), broken])
    next(iterator)
    with pytest.raises(ValueError, match="invalid literal"):
        next(iterator)


def test_an_empty_stream_ends() -> None:
    assert list(stream([])) == []
