"""What can be computed when the file is read: constants, and the sizes that exporters compute from shapes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from math import prod

from resdsl.importer.arrays import COMPUTED, MOST_ELEMENTS, Computed
from resdsl.importer.derived import Filled, operand, source_of
from resdsl.importer.draft import Constant, Draft, Item, Value, View
from resdsl.importer.records import Element, NodeRecord, TensorRecord
from resdsl.importer.small import MOST_ITEMS, known, small_result
from resdsl.ir.dims import Dim
from resdsl.ir.graph import Derived, Stored

_WEIGHTS = (Element.FLOAT, Element.FLOAT16, Element.BFLOAT16)


_LARGEST = 200
"""Operators that a tensor of weights is computed by. Each computes its operands anew."""


def constant_of(draft: Draft, record: TensorRecord, name: str) -> Constant:
    """An initializer, or the value of a ``Constant`` node."""
    items = draft.file.items(record) if record.count <= MOST_ITEMS else None
    source = Stored(draft.file, name)
    return Constant(name, record.element, record.shape, items, source)


def folded(draft: Draft, node: NodeRecord, inputs: Sequence[Item | None]) -> list[Constant] | None:
    """The results of a node that depends on constants and shapes alone; ``None`` for any other."""
    name = node.outputs[0] if node.outputs else ""
    if node.type == "Constant" and not node.domain:
        return _constant(draft, node, name)
    if node.type in ("Shape", "Size") and len(inputs) == 1 and isinstance(inputs[0], Value | View):
        return _shape(node, inputs[0], name)
    if node.type == "CastLike" and not node.domain and inputs and isinstance(inputs[0], Constant):
        # PyTorch's exporter casts numbers to the type of a value, which is that of the weights beside them.
        return [inputs[0]]
    if not inputs or not all(isinstance(item, Constant) or item is None for item in inputs):
        return None
    constants = [item for item in inputs if isinstance(item, Constant)]
    if node.type == "Shape" and len(constants) == 1:
        sizes = constants[0].shape[node.integer("start") : node.integer("end", constants[0].rank)]
        return [known(name, sizes, (len(sizes),))]
    if node.type == "Identity" and len(constants) == 1:
        return [constants[0]]
    if node.domain:
        return None
    if node.type == "ConstantOfShape" and len(constants) == 1:
        return _filled(draft, node, constants[0])
    small = None
    if draft.items_to_fold > 0:
        small = small_result(node, [item if isinstance(item, Constant) else None for item in inputs])
        draft.items_to_fold -= sum(len(one.items or ()) for one in small or ()) + 1
    computed = None if small is not None and small[0].element not in _WEIGHTS else _computed(node, constants, inputs)
    if small is None:
        return computed
    for one, name, other in zip_longest(small, node.outputs, computed or ()):
        # Numbers that are known are computed from the file's tensors nevertheless: those have names.
        if one is not None:
            one.name, one.source = name, None if other is None else other.source
    return small


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


def _computed(node: NodeRecord, constants: list[Constant], inputs: Sequence[Item | None]) -> list[Constant] | None:
    """A tensor of weights that the graph computes from others (weight standardisation): computed when it is read."""
    if node.type not in COMPUTED or not all(_has_numbers(one) for one in constants):
        return None
    try:
        shapes = COMPUTED[node.type].shapes(node, inputs)
    except (IndexError, ZeroDivisionError):
        return None
    if shapes is None or any(prod(shape) > MOST_ELEMENTS for shape in shapes):
        return None
    size = 1 + sum(_size(one) for one in constants)
    if size > _LARGEST:
        return None
    operands = tuple(operand(f"input{index}", one.shape, source_of(one)) for index, one in enumerate(constants))
    given = tuple(item is not None for item in inputs)
    attributes = tuple(sorted((key, value) for key, value in node.attributes.items() if value is not None))
    if len([name for name in node.outputs if name]) > 1 and node.type == "BatchNormalization":
        # Up to operator set 13, its further outputs say that it is in training mode.
        attributes = (*attributes, ("training_mode", 1))
    return [
        Constant(
            name,
            constants[0].element,
            shape,
            None,
            Derived(Computed(node.type, attributes, given, place, size), operands),
        )
        for place, (name, shape) in enumerate(zip(node.outputs, shapes, strict=False))
    ]


def _size(constant: Constant) -> int:
    """How many operators its numbers take, those that several of them share counted for each."""
    source = constant.source
    return source.function.size if isinstance(source, Derived) and isinstance(source.function, Computed) else 0


def _has_numbers(constant: Constant) -> bool:
    """Whether its elements can be read as numbers: a vector of sizes has none."""
    return constant.source is not None or all(isinstance(item, int | float) for item in constant.items or (None,))


def _filled(draft: Draft, node: NodeRecord, sizes: Constant) -> list[Constant] | None:
    """``ConstantOfShape``: a vector of sizes, or the weights of a file that was saved without them."""
    if not all(isinstance(size, int) and size >= 0 for size in sizes.items or (None,)) and sizes.shape != (0,):
        return None
    value = node.attributes.get("value")
    numbers: tuple[float, ...] | None = (0.0,)
    if isinstance(value, TensorRecord):
        numbers = draft.file.items(value)
    if numbers is None or len(numbers) != 1:
        return None
    element = value.element if isinstance(value, TensorRecord) else Element.FLOAT
    shape = tuple(int(size) for size in sizes.items or ())  # type: ignore[arg-type]
    if prod(shape) > MOST_ELEMENTS:
        return None
    items = numbers * prod(shape) if prod(shape) <= MOST_ITEMS else None
    return [Constant(node.outputs[0], element, shape, items, Derived(Filled(numbers[0], shape), ()))]
