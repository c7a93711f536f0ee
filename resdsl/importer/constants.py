"""What can be computed when the file is read: constants, and the sizes that exporters compute from shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from resdsl.importer.arrays import COMPUTED, Computed
from resdsl.importer.derived import operand, source_of
from resdsl.importer.draft import Constant, Draft, Item, Value, View
from resdsl.importer.records import Element, NodeRecord, TensorRecord
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Derived, Stored

MOST_ITEMS = 4_096
"""Elements of a constant that are kept as Python numbers."""

Number = Dim | float


def constant_of(draft: Draft, record: TensorRecord, name: str) -> Constant:
    """An initializer, or the value of a ``Constant`` node."""
    items = draft.file.items(record) if record.count <= MOST_ITEMS else None
    source = Stored(draft.file, name)
    return Constant(name, record.element, record.shape, items, source)


def known(name: str, items: Sequence[Number], shape: tuple[int, ...], element: int = Element.INT64) -> Constant:
    return Constant(name, element, shape, tuple(items), None)


def folded(draft: Draft, node: NodeRecord, inputs: Sequence[Item | None]) -> list[Constant] | None:
    """The results of a node that depends on constants and shapes alone; ``None`` for any other."""
    name = node.outputs[0] if node.outputs else ""
    if node.type == "Constant" and not node.domain:
        return _constant(draft, node, name)
    if node.type in ("Shape", "Size") and len(inputs) == 1 and isinstance(inputs[0], Value | View):
        return _shape(node, inputs[0], name)
    if not inputs or not all(isinstance(item, Constant) or item is None for item in inputs):
        return None
    constants = [item for item in inputs if isinstance(item, Constant)]
    if node.type == "Shape" and len(constants) == 1:
        return [known(name, constants[0].shape, (constants[0].rank,))]
    if node.type == "Identity" and len(constants) == 1:
        return [constants[0]]
    small = _small(node, inputs, name)
    if small is not None:
        return [small]
    return _computed(node, constants, inputs)


def _constant(draft: Draft, node: NodeRecord, name: str) -> list[Constant] | None:
    for key, value in node.attributes.items():
        if isinstance(value, TensorRecord):
            draft.file.constants[name] = value
            return [constant_of(draft, value, name)]
        if key == "value_int" and isinstance(value, int):
            return [known(name, (value,), ())]
        if key == "value_float" and isinstance(value, float):
            return [known(name, (value,), (), Element.FLOAT)]
        if key in ("value_ints", "value_floats") and isinstance(value, tuple):
            return [known(name, value, (len(value),), Element.INT64 if key == "value_ints" else Element.FLOAT)]
    return None


def _shape(node: NodeRecord, item: Value | View, name: str) -> list[Constant] | None:
    shape = item.shape if isinstance(item, View) else item.type.shape
    if node.type == "Size":
        total: Dim = 1
        for size in shape:
            total = total * size
        return [known(name, (total,), ())]
    start, end = node.integer("start"), node.integer("end", len(shape))
    sizes = shape[slice(start, end)]
    return [known(name, sizes, (len(sizes),))]


def _small(node: NodeRecord, inputs: Sequence[Item | None], name: str) -> Constant | None:
    """A result of few elements, where all that it depends on is known."""
    constants = [item if isinstance(item, Constant) else None for item in inputs]
    first = constants[0]
    if first is None or any(one is not None and one.items is None for one in constants):
        return None
    function = _FUNCTIONS.get(node.type)
    try:
        result = None if function is None else function(node, constants)
    except (IndexError, ValueError, TypeError, ZeroDivisionError, OverflowError):
        return None
    if result is None or len(result.items or ()) > MOST_ITEMS:
        return None
    result.name = name
    return result


Function = Callable[[NodeRecord, "list[Constant | None]"], "Constant | None"]


def _items(constant: Constant | None) -> tuple[Number, ...]:
    return () if constant is None or constant.items is None else constant.items


def _gather(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data, places = inputs[0], inputs[1]
    if data is None or places is None or data.rank != 1 or places.rank > 1 or node.integer("axis"):
        return None
    items = [_items(data)[int(place)] for place in _items(places)]  # type: ignore[arg-type]
    return known("", items, places.shape, data.element)


def _unsqueeze(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data = inputs[0]
    assert data is not None
    if node.type == "Squeeze":
        return known("", _items(data), (), data.element) if len(_items(data)) == 1 else None
    if data.rank:
        return None
    return known("", _items(data), (1,), data.element)


def _concat(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    if any(one is None or one.rank != 1 for one in inputs):
        return None
    items = [item for one in inputs for item in _items(one)]
    return known("", items, (len(items),), inputs[0].element if inputs[0] else Element.INT64)


def _slice(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data = inputs[0]
    assert data is not None
    if data.rank != 1:
        return None
    bounds = [_items(one) for one in inputs[1:]] or [node.integers("starts") or (), node.integers("ends") or ()]
    start, stop = int(bounds[0][0]), int(bounds[1][0])  # type: ignore[arg-type]
    step = int(bounds[3][0]) if len(bounds) > 3 and bounds[3] else 1  # type: ignore[arg-type]
    items = _items(data)[slice(start, stop, step)]
    return known("", items, (len(items),), data.element)


def _arithmetic(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    one, other = inputs[0], inputs[1]
    if one is None or other is None or max(one.rank, other.rank) > 1:
        return None
    a, b = _items(one), _items(other)
    if len(a) != len(b) and 1 not in (len(a), len(b)):
        return None
    count = max(len(a), len(b))
    is_integer = one.element in (Element.INT64, Element.INT32)
    results: list[Number] = []
    for place in range(count):
        x, y = a[place % len(a)], b[place % len(b)]
        results.append(_operate(node.type, x, y, is_integer=is_integer))
    return known("", results, one.shape if one.rank >= other.rank and len(a) == count else other.shape, one.element)


def _operate(type: str, x: Number, y: Number, *, is_integer: bool) -> Number:
    if isinstance(x, float) or isinstance(y, float):
        if not isinstance(x, int | float) or not isinstance(y, int | float):
            raise TypeError
    match type:
        case "Add":
            return x + y  # type: ignore[operator]
        case "Sub":
            return x - y  # type: ignore[operator]
        case "Mul":
            return x * y  # type: ignore[operator]
        case "Div" if is_integer and isinstance(y, int) and y > 0:
            return x // y  # type: ignore[operator]
        case "Div" if not is_integer and isinstance(x, int | float) and isinstance(y, int | float):
            return x / y
        case "Pow" if isinstance(x, int | float) and isinstance(y, int | float) and abs(y) < 64 and abs(x) < 1e6:
            result: float = x**y
            return result
    raise TypeError


def _cast(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data = inputs[0]
    assert data is not None
    to = node.integer("to", data.element)
    items = _items(data)
    if to in (Element.FLOAT, Element.DOUBLE, Element.FLOAT16):
        # Sizes stay what they are, so that they may be symbolic: exporters round them down again.
        return known("", items, data.shape, to)
    if to in (Element.INT64, Element.INT32):
        return known("", [int(item) if isinstance(item, float) else item for item in items], data.shape, to)
    return None


def _floor(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data = inputs[0]
    assert data is not None
    return known(
        "", [int(item // 1) if isinstance(item, float) else item for item in _items(data)], data.shape, data.element
    )


def _reduce(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    data = inputs[0]
    assert data is not None
    if data.rank != 1:
        return None
    total: Number = 1
    for item in _items(data):
        total = _operate("Mul", total, item, is_integer=True)
    return known("", (total,), (1,) if node.integer("keepdims", 1) else (), data.element)


def _filled(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    sizes = _items(inputs[0])
    value = node.attributes.get("value")
    if not all(isinstance(size, int) for size in sizes) or not isinstance(value, TensorRecord | None):
        return None
    count = 1
    for size in sizes:
        count *= int(size)  # type: ignore[arg-type]
    if count > MOST_ITEMS or (value is not None and len(value.numbers) != 1):
        return None
    number = 0.0 if value is None else value.numbers[0]
    element = Element.FLOAT if value is None else value.element
    return known("", [number] * count, tuple(int(size) for size in sizes), element)  # type: ignore[arg-type]


def _range(node: NodeRecord, inputs: list[Constant | None]) -> Constant | None:
    start, stop, step = (_items(one)[0] for one in inputs[:3])
    if not isinstance(start, int) or not isinstance(stop, int) or not isinstance(step, int):
        return None
    items = list(range(start, min(stop, start + step * MOST_ITEMS), step))
    return known("", items, (len(items),))


_FUNCTIONS: dict[str, Function] = {
    "Gather": _gather,
    "Unsqueeze": _unsqueeze,
    "Squeeze": _unsqueeze,
    "Concat": _concat,
    "Slice": _slice,
    "Cast": _cast,
    "Floor": _floor,
    "ReduceProd": _reduce,
    "ConstantOfShape": _filled,
    "Range": _range,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow"), _arithmetic),
}


def _computed(node: NodeRecord, constants: list[Constant], inputs: Sequence[Item | None]) -> list[Constant] | None:
    """A tensor of weights that the graph computes from others (weight standardisation): computed when it is read."""
    shapes = None if node.type not in COMPUTED else COMPUTED[node.type].shapes(node, inputs)
    if shapes is None:
        return None
    operands = tuple(operand(f"input{index}", one.shape, source_of(one)) for index, one in enumerate(constants))
    given = tuple(item is not None for item in inputs)
    attributes = tuple(sorted((key, value) for key, value in node.attributes.items() if value is not None))
    return [
        Constant(
            name,
            constants[0].element,
            shape,
            None,
            Derived(Computed(node.type, attributes, given, place), operands),  # type: ignore[arg-type]
        )
        for place, (name, shape) in enumerate(zip(node.outputs, shapes, strict=False))
    ]
