"""ONNX operators on a few known numbers, some of which may be sizes of values and so symbolic.

Exporters compute shapes, pads and slices in the graph. What is computed here are Python numbers: reading the structure
of a file needs no NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product as combinations
from math import prod

from resdsl.importer.draft import Constant
from resdsl.importer.records import Element, NodeRecord
from resdsl.importer.shapes import reshaped_shape
from resdsl.ir.dims import Dim
from resdsl.untrusted import MOST_INT

MOST_ITEMS = 4_096
"""Elements of a constant that are kept as Python numbers."""

_MOST_TERMS = 30
"""Terms of a size that depends on those of the input."""

Number = Dim | float
Shape = tuple[int, ...]
Inputs = list["Constant | None"]

_INTEGERS = (Element.INT64, Element.INT32)
_FLOATS = (Element.FLOAT, Element.DOUBLE, Element.FLOAT16)


def known(name: str, items: Sequence[Number], shape: Shape, element: int = Element.INT64) -> Constant:
    return Constant(name, element, shape, tuple(items), None)


def small_result(node: NodeRecord, inputs: Inputs) -> list[Constant] | None:
    """The results of a node whose inputs are known numbers; ``None`` where they cannot be known.

    That is if they have too many elements, or depend on what a symbolic size is.
    """
    function = _FUNCTIONS.get(node.type)
    if function is None or any(one is not None and one.items is None for one in inputs):
        return None
    # A tensor without elements may have any number of rows, which nothing here should count.
    if any(size > MOST_ITEMS for one in inputs if one is not None for size in one.shape):
        return None
    try:
        results = function(node, inputs)
    except (IndexError, ValueError, TypeError, ZeroDivisionError, OverflowError, AttributeError):
        return None
    if results is None:
        return None
    results = results if isinstance(results, list) else [results]
    if any(len(result.items or ()) != prod(result.shape) for result in results):
        return None
    if not all(_is_small(item) for result in results for item in result.items or ()):
        return None
    return results


def _is_small(item: Number) -> bool:
    """Whether it is a number of 64 bits, or an expression that a person could read."""
    if isinstance(item, float):
        return True
    return abs(item) <= MOST_INT if isinstance(item, int) else len(item.terms) <= _MOST_TERMS


def _items(constant: Constant | None) -> tuple[Number, ...]:
    return () if constant is None or constant.items is None else constant.items


def _whole(constant: Constant | None) -> tuple[int, ...]:
    """Integers that are known. Raises ``TypeError`` for symbolic sizes."""
    items = _items(constant)
    if not all(isinstance(item, int | float) for item in items):
        raise TypeError
    return tuple(int(item) for item in items)  # type: ignore[arg-type]


def _first(inputs: Inputs) -> Constant:
    data = inputs[0]
    if data is None:
        raise TypeError
    return data


def _strides(shape: Shape) -> list[int]:
    return [prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _take(data: Constant, places: Sequence[Sequence[int]], shape: Shape | None = None) -> Constant:
    """The elements at all combinations of places along each axis."""
    sizes = tuple(len(axis) for axis in places)
    if prod(sizes) > MOST_ITEMS:
        raise OverflowError
    items, strides = _items(data), _strides(data.shape)
    for axis, size in zip(places, data.shape, strict=True):
        if any(not 0 <= place < size for place in axis):
            raise IndexError
    taken = [items[sum(p * s for p, s in zip(index, strides, strict=True))] for index in combinations(*places)]
    return known("", taken, sizes if shape is None else shape, data.element)


def _axes(node: NodeRecord, inputs: Inputs, index: int = 1) -> tuple[int, ...] | None:
    return _whole(inputs[index]) if len(inputs) > index and inputs[index] is not None else node.integers("axes")


def _gather(node: NodeRecord, inputs: Inputs) -> Constant:
    data, places = _first(inputs), inputs[1]
    assert places is not None
    axis = node.integer("axis") % data.rank
    size = data.shape[axis]
    chosen = [place + size if place < 0 else place for place in _whole(places)]
    axes = [range(one) if at != axis else chosen for at, one in enumerate(data.shape)]
    return _take(data, axes, (*data.shape[:axis], *places.shape, *data.shape[axis + 1 :]))


def _slice(node: NodeRecord, inputs: Inputs) -> Constant:
    data = _first(inputs)
    if len(inputs) > 1:
        starts, ends = _whole(inputs[1]), _whole(inputs[2])
    else:
        starts, ends = node.integers("starts") or (), node.integers("ends") or ()
    axes = _axes(node, inputs, 3)
    if axes is None:
        axes = tuple(range(len(starts)))
    steps = _whole(inputs[4]) if len(inputs) > 4 and inputs[4] is not None else (1,) * len(starts)
    places: list[Sequence[int]] = [range(size) for size in data.shape]
    for axis, start, stop, step in zip(axes, starts, ends, steps, strict=True):
        size = data.shape[axis % data.rank]
        # Python's slices clamp as ONNX does, but for an end far before the first element.
        end = None if step < 0 and stop < -size else stop
        places[axis % data.rank] = range(*slice(start, end, step).indices(size))
    return _take(data, places)


def _split(node: NodeRecord, inputs: Inputs) -> list[Constant] | None:
    data = _first(inputs)
    axis = node.integer("axis") % data.rank
    sizes = _whole(inputs[1]) if len(inputs) > 1 and inputs[1] is not None else node.integers("split")
    if sizes is None:
        count = len(node.outputs)
        each = -(-data.shape[axis] // count)
        sizes = (*[each] * (count - 1), data.shape[axis] - each * (count - 1))
    results, start = [], 0
    for size in sizes:
        places = [range(one) if at != axis else range(start, start + size) for at, one in enumerate(data.shape)]
        results.append(_take(data, places))
        start += size
    return results


def _transpose(node: NodeRecord, inputs: Inputs) -> Constant:
    data = _first(inputs)
    perm = node.integers("perm") or tuple(reversed(range(data.rank)))
    shape, strides = [data.shape[axis] for axis in perm], _strides(data.shape)
    items = _items(data)
    order = combinations(*(range(size) for size in shape))
    steps = [strides[axis] for axis in perm]
    return known(
        "",
        [items[sum(place * step for place, step in zip(index, steps, strict=True))] for index in order],
        tuple(shape),
        data.element,
    )


def _reshape(node: NodeRecord, inputs: Inputs) -> Constant | None:
    data = _first(inputs)
    sizes = _whole(inputs[1])
    shape = reshaped_shape(data.shape, sizes, allow_zero=bool(node.integer("allowzero")))
    return None if shape is None else known("", _items(data), shape, data.element)  # type: ignore[arg-type]


def _unsqueeze(node: NodeRecord, inputs: Inputs) -> Constant:
    data, axes = _first(inputs), _axes(node, inputs) or ()
    shape = list(data.shape)
    for axis in sorted(axis % (data.rank + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return known("", _items(data), tuple(shape), data.element)


def _squeeze(node: NodeRecord, inputs: Inputs) -> Constant:
    data, axes = _first(inputs), _axes(node, inputs)
    gone = {a % data.rank for a in axes} if axes is not None else {a for a, s in enumerate(data.shape) if s == 1}
    shape = tuple(size for axis, size in enumerate(data.shape) if axis not in gone)
    return known("", _items(data), shape, data.element)


def _concat(node: NodeRecord, inputs: Inputs) -> Constant:
    first = _first(inputs)
    axis = node.integer("axis") % first.rank
    rows: list[Number] = []
    outer = prod(first.shape[:axis])
    parts = [one for one in inputs if one is not None]
    for row in range(outer):
        for one in parts:
            length = prod(one.shape[axis:])
            rows += _items(one)[row * length : (row + 1) * length]
    if len(rows) > MOST_ITEMS:
        raise OverflowError
    shape = (*first.shape[:axis], sum(one.shape[axis] for one in parts), *first.shape[axis + 1 :])
    return known("", rows, shape, first.element)


def broadcast_shape(*shapes: Shape) -> Shape:
    """The shape of what an elementwise operator makes of these. Raises ``ValueError`` where they do not fit."""
    rank = max(len(shape) for shape in shapes)
    result = []
    for axis in range(rank):
        sizes = {shape[axis - rank] for shape in shapes if len(shape) >= rank - axis} - {1}
        if len(sizes) > 1:
            raise ValueError
        result.append(sizes.pop() if sizes else 1)
    return tuple(result)


def _expanded(data: Constant, shape: Shape) -> tuple[Number, ...]:
    if data.shape == shape:
        return _items(data)
    if prod(shape) > MOST_ITEMS:
        raise OverflowError
    sizes = (1,) * (len(shape) - data.rank) + data.shape
    whole = known("", _items(data), sizes, data.element)
    return _items(_take(whole, [range(n) if m == n else [0] * n for m, n in zip(sizes, shape, strict=True)]))


def _expand(node: NodeRecord, inputs: Inputs) -> Constant:  # noqa: ARG001
    data = _first(inputs)
    shape = broadcast_shape(data.shape, _whole(inputs[1]))
    return known("", _expanded(data, shape), shape, data.element)


def _elementwise(
    function: Callable[..., Number], element: int | None = None
) -> Callable[[NodeRecord, Inputs], Constant]:
    def compute(node: NodeRecord, inputs: Inputs) -> Constant:  # noqa: ARG001
        parts = [one for one in inputs if one is not None]
        shape = broadcast_shape(*(one.shape for one in parts))
        rows = zip(*(_expanded(one, shape) for one in parts), strict=True)
        kind = parts[-1].element if element is None else element
        return known("", [function(*row) for row in rows], shape, kind)

    return compute


def _plain(*numbers: Number) -> None:
    """Raises ``TypeError`` for a symbolic size."""
    if not all(isinstance(one, int | float) for one in numbers):
        raise TypeError


def _mixed(x: Number, y: Number) -> None:
    """Raises ``TypeError`` for a symbolic size together with a number that is not whole."""
    if isinstance(x, float) or isinstance(y, float):
        _plain(x, y)


def _add(x: Number, y: Number) -> Number:
    _mixed(x, y)
    return x + y  # type: ignore[operator]


def _sub(x: Number, y: Number) -> Number:
    _mixed(x, y)
    return x - y  # type: ignore[operator]


def _mul(x: Number, y: Number) -> Number:
    _mixed(x, y)
    return x * y  # type: ignore[operator]


def _div(node: NodeRecord, inputs: Inputs) -> Constant:
    is_whole = _first(inputs).element in _INTEGERS

    def divide(x: Number, y: Number) -> Number:
        if is_whole and isinstance(y, int) and y > 0 and not isinstance(x, float):
            # ONNX rounds towards zero; sizes are not negative.
            return -(-x // y) if isinstance(x, int) and x < 0 else x // y
        _plain(x, y)
        return x / y  # type: ignore[operator]

    return _elementwise(divide)(node, inputs)


def _mod(x: Number, y: Number) -> Number:
    if not isinstance(y, int) or y <= 0 or isinstance(x, float):
        raise TypeError
    return x - x // y * y


def _pow(x: Number, y: Number) -> Number:
    _plain(x, y)
    if abs(y) > 64 or abs(x) > 1e6:  # type: ignore[arg-type]
        raise OverflowError
    result: Number = x**y  # type: ignore[operator]
    return result


def _equal(x: Number, y: Number) -> bool:
    if x == y:
        return True
    # A size is at least 1.
    for one, other in ((x, y), (y, x)):
        if not isinstance(one, int | float) and isinstance(other, int | float) and other >= 1:
            raise TypeError
    if not isinstance(x, int | float) and not isinstance(y, int | float):
        raise TypeError
    return False


def _compare(function: Callable[[float, float], float]) -> Callable[[NodeRecord, Inputs], Constant]:
    def compute(x: Number, y: Number) -> Number:
        _plain(x, y)
        return function(x, y)  # type: ignore[arg-type]

    return _elementwise(compute, Element.BOOL)


def _extreme(function: Callable[..., float]) -> Callable[[NodeRecord, Inputs], Constant]:
    def compute(*numbers: Number) -> Number:
        _plain(*numbers)
        return function(numbers)

    return _elementwise(compute)


def _where(x: Number, y: Number, z: Number) -> Number:
    _plain(x)
    return y if x else z


def _unary(function: Callable[[float], Number]) -> Callable[[NodeRecord, Inputs], Constant]:
    def compute(x: Number) -> Number:
        _plain(x)
        return function(x)  # type: ignore[arg-type]

    return _elementwise(compute)


def _rounded(function: Callable[[float], int]) -> Callable[[NodeRecord, Inputs], Constant]:
    """A size is whole already, whatever it is."""
    return _elementwise(lambda x: function(x) if isinstance(x, float) else x)


def _clip(node: NodeRecord, inputs: Inputs) -> Constant:
    data = _first(inputs)
    low = _items(inputs[1])[0] if len(inputs) > 1 and inputs[1] is not None else node.number("min", -math.inf)
    high = _items(inputs[2])[0] if len(inputs) > 2 and inputs[2] is not None else node.number("max", math.inf)
    _plain(low, high, *_items(data))
    return known("", [min(max(one, low), high) for one in _items(data)], data.shape, data.element)  # type: ignore[type-var]


def _cast(node: NodeRecord, inputs: Inputs) -> Constant | None:
    data = _first(inputs)
    to, items = node.integer("to", data.element), _items(data)
    if to in _FLOATS:
        # Sizes stay what they are, so that they may be symbolic: exporters round them down again.
        return known("", items, data.shape, to)
    if to in _INTEGERS:
        return known("", [int(item) if isinstance(item, float) else item for item in items], data.shape, to)
    if to == Element.BOOL:
        _plain(*items)
        return known("", [bool(item) for item in items], data.shape, to)
    return None


def _reduce(function: Callable[[Sequence[Number]], Number]) -> Callable[[NodeRecord, Inputs], Constant | None]:
    """Over all elements of a vector."""

    def compute(node: NodeRecord, inputs: Inputs) -> Constant | None:
        data = _first(inputs)
        if data.rank != 1:
            return None
        return known("", (function(_items(data)),), (1,) if node.integer("keepdims", 1) else (), data.element)

    return compute


def _product(items: Sequence[Number]) -> Number:
    total: Number = 1
    for item in items:
        total = _mul(total, item)
    return total


def _total(items: Sequence[Number]) -> Number:
    total: Number = 0
    for item in items:
        total = _add(total, item)
    return total


def _largest(items: Sequence[Number]) -> Number:
    _plain(*items)
    return max(items)  # type: ignore[type-var]


def _smallest(items: Sequence[Number]) -> Number:
    _plain(*items)
    return min(items)  # type: ignore[type-var]


def _range(node: NodeRecord, inputs: Inputs) -> Constant:  # noqa: ARG001
    start, stop, step = (_whole(one)[0] for one in inputs[:3])
    places = range(start, stop, step)
    if len(places) > MOST_ITEMS:
        raise OverflowError
    return known("", places, (len(places),))


_FUNCTIONS: dict[str, Callable[[NodeRecord, Inputs], Constant | list[Constant] | None]] = {
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "Transpose": _transpose,
    "Reshape": _reshape,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _squeeze,
    "Concat": _concat,
    "Expand": _expand,
    "Add": _elementwise(_add),
    "Sub": _elementwise(_sub),
    "Mul": _elementwise(_mul),
    "Div": _div,
    "Mod": _elementwise(_mod),
    "Pow": _elementwise(_pow),
    "Equal": _elementwise(_equal, Element.BOOL),
    "Greater": _compare(lambda x, y: x > y),
    "Less": _compare(lambda x, y: x < y),
    "And": _compare(lambda x, y: bool(x and y)),
    "Or": _compare(lambda x, y: bool(x or y)),
    "Not": _unary(lambda x: not x),
    "Max": _extreme(max),
    "Min": _extreme(min),
    "Where": _elementwise(_where),
    "Neg": _unary(lambda x: -x),
    "Abs": _unary(abs),
    "Sqrt": _unary(math.sqrt),
    "Reciprocal": _unary(lambda x: 1 / x),
    "Floor": _rounded(math.floor),
    "Ceil": _rounded(math.ceil),
    "Round": _rounded(round),
    "Clip": _clip,
    "Cast": _cast,
    "ReduceProd": _reduce(_product),
    "ReduceSum": _reduce(_total),
    "ReduceMax": _reduce(_largest),
    "ReduceMin": _reduce(_smallest),
    "Range": _range,
}
