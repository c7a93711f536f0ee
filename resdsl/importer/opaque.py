"""Values of nodes that the language does not have, and of the inputs: their types, and the weights that they own."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from resdsl.importer.derived import origin, source_of
from resdsl.importer.draft import DTYPES, Constant, Draft, Item, Tensor, Value, View
from resdsl.importer.paths import is_named_by_role
from resdsl.importer.records import NodeRecord, Subgraph, TensorRecord, ValueRecord
from resdsl.importer.shapes import reshaped_shape
from resdsl.ir.dims import Dim, symbol
from resdsl.ir.initializers import ZEROS
from resdsl.ir.operator import Attribute, ParameterSpec
from resdsl.ir.types import DType, TensorType
from resdsl.ops.input import Input
from resdsl.ops.opaque import Opaque

_LONGEST_ARGUMENT = 16
"""Numbers of an attribute or of a constant input that an operator shows."""

_MOST_AXES = 16

_FLOATS = (1, 10, 11, 16)
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_]+")


def input_value(draft: Draft, given: ValueRecord) -> Value:
    """An input of the file. The first one is that of the network."""
    kind = _type(_with_sides(given)) or TensorType(DTYPES.get(given.element, DType.OTHER), (symbol("unknown"),))
    first = not any(isinstance(value.operator, Input) for value in draft.values)
    value = Value(given.name, Input(kind) if first else Opaque("Input", kind), (), kind)
    draft.values.append(value)
    return value


_NO_NAME = re.compile(r"\W*|unk_*\d*|(p2o\W)?DynamicDimension\W\d+")
"""What exporters call a size that they know nothing of."""


def _with_sides(given: ValueRecord) -> ValueRecord:
    """The input with names for the height and the width of an image, where it names neither."""
    shape = given.shape or ()
    unnamed = [size is None or _NO_NAME.fullmatch(str(size)) is not None for size in shape]
    sides = next((at for at in (2, 1) if len(shape) == 4 and all(unnamed[at : at + 2])), None)
    if sides is None or {"h", "w"} & {str(size).lower() for size in shape}:
        return given
    return replace(given, shape=(*shape[:sides], "H", "W", *shape[sides + 2 :]))


def opaque_values(draft: Draft, node: NodeRecord, inputs: Sequence[Item | None]) -> dict[str, Item]:
    """The values of a node of which only the types are known."""
    values = tuple(item for item in inputs if isinstance(item, Value))
    constants = [(place, item) for place, item in enumerate(inputs) if isinstance(item, Constant)]
    arguments: list[tuple[str, Attribute]] = []
    for name, attribute in sorted(node.attributes.items()):
        shown = _argument(attribute)
        if shown is not None:
            arguments.append((name, shown))
    tensors: dict[str, Tensor] = {}
    specs: list[ParameterSpec] = []
    for place, constant in constants:
        numbers = constant.items
        if numbers is not None and len(numbers) <= _LONGEST_ARGUMENT and not _is_weight(constant):
            arguments.append((f"input{place}", _numbers(numbers)))
        elif constant.element in _FLOATS and constant.source is not None:
            name = _own_name(origin(constant), place, tensors)
            tensors[name] = Tensor(origin(constant), constant.shape, source_of(constant))
            specs.append(ParameterSpec(name, constant.shape, ZEROS, dtype=DTYPES.get(constant.element, DType.F32)))
    called = f"{node.domain}.{node.type}" if node.domain else node.type
    made: dict[str, Item] = {}
    for place, name in enumerate(node.outputs):
        if not name or (place and not draft.uses[name]):
            continue
        result = _result(draft, node, name, inputs)
        operator = Opaque(called, result, tuple(arguments), place, tuple(specs) if not place else ())
        value = Value(name, operator, values, result, tensors if not place else {}, (node,))
        draft.values.append(value)
        made[name] = value
    return made


def materialized(draft: Draft, view: View, name: str) -> Value:
    """A view as the result of an opaque node: a ``Transpose``, or the last node that gave it its shape."""
    result = view.base.type.with_shape(*view.shape)
    perm = view.perm
    made = draft.makers.get(name)
    if perm is not None:
        operator = Opaque("Transpose", result, (("perm", perm),))
    else:
        operator = Opaque("Reshape" if made is None else made.type, result)
    record = NodeRecord(operator.type, name=f"{view.base.name}:{operator.type.lower()}", outputs=[name])
    value = Value(name, operator, (view.base,), result, records=(record,))
    draft.values.append(value)
    return value


def _result(draft: Draft, node: NodeRecord, name: str, inputs: Sequence[Item | None]) -> TensorType:
    """The type of a result: what follows from the inputs, what the file states, or what shape inference finds."""
    first = next((item for item in inputs if isinstance(item, Value)), None)
    dtype = first.type.dtype if first is not None else DType.F32
    shape = _own_shape(node, inputs)
    if shape is not None:
        return TensorType(dtype, shape)
    stated = draft.file.model.values.get(name) or draft.outputs.get(name)
    if draft.given_inputs and (inferred := draft.inferred(name)) is not None:
        stated = inferred
    known = None if stated is None else _type(stated)
    if known is not None:
        return known
    inferred = draft.inferred(name)
    found = None if inferred is None else _type(inferred)
    return found or TensorType(dtype, (symbol("unknown"),))


def _own_shape(node: NodeRecord, inputs: Sequence[Item | None]) -> tuple[Dim, ...] | None:
    """The shape of a reshaped or padded value, which idioms look at."""
    first = inputs[0] if inputs else None
    sizes = inputs[1] if len(inputs) > 1 else None
    if node.type == "Reshape" and isinstance(first, Value) and isinstance(sizes, Constant) and sizes.items is not None:
        if len(sizes.items) > _MOST_AXES:
            return None
        whole = tuple(int(size) if isinstance(size, float) else size for size in sizes.items)
        return reshaped_shape(first.type.shape, whole, allow_zero=bool(node.integer("allowzero")))
    if node.type == "Pad" and isinstance(first, Value) and len(inputs) < 4:
        pads = sizes.items if isinstance(sizes, Constant) else node.integers("pads")
        rank = first.type.rank
        if pads is not None and len(pads) == 2 * rank and all(isinstance(pad, int) for pad in pads):
            around = [int(a) + int(b) for a, b in zip(pads[:rank], pads[rank:], strict=True)]  # type: ignore[arg-type]
            return tuple(size + more for size, more in zip(first.type.shape, around, strict=True))
    return None


def _type(record: ValueRecord) -> TensorType | None:
    if record.shape is None:
        return None
    dims = tuple(_dim(size, place) for place, size in enumerate(record.shape))
    return TensorType(DTYPES.get(record.element, DType.OTHER), dims)


def _dim(size: int | str | None, place: int) -> Dim:
    """A size as the file states it; a name is a symbol, as far as the language can write it."""
    if isinstance(size, int):
        return size
    if size and (len(size) > _LONGEST_NAME or _FORMULA.search(size)):
        # Two formulas may differ in what a name cannot have, or behind where it ends.
        return symbol(f"Size_{zlib.crc32(size.encode()):x}")
    name = _NOT_A_NAME.sub("_", size or "").strip("_")
    if not name or name[0].isdigit():
        name = f"D{place}{name}"
    # The language's symbols begin with a capital.
    name = name[0].upper() + name[1:]
    return symbol("N" if place == 0 and _BATCH.fullmatch(name.lower()) else name)


_FORMULA = re.compile(r"[-+*/()]")
_LONGEST_NAME = 30

_BATCH = re.compile(r"batch(_?size)?|n|d0|bs|unk_*\d*|none|s\d+|(p2o_)?dynamicdimension_\d+")
"""What exporters call the number of images."""


def _argument(attribute: object) -> Attribute | None:
    if isinstance(attribute, bool | int | float | str):
        return attribute if not isinstance(attribute, str) or len(attribute) < 200 else None
    if isinstance(attribute, Subgraph):
        return f"graph of {attribute.length:,} bytes"
    if isinstance(attribute, TensorRecord | bytes) or attribute is None:
        return None
    if isinstance(attribute, tuple) and len(attribute) <= _LONGEST_ARGUMENT:
        return attribute
    return None


def _numbers(items: Sequence[Dim | float]) -> Attribute:
    """The numbers of a constant input; sizes that are symbols are left out."""
    return tuple(
        float(item) if isinstance(item, float) else int(item) for item in items if isinstance(item, int | float)
    )


def _is_weight(constant: Constant) -> bool:
    """Whether a small constant is a tensor of the file with a name of its own, as a bias of 10 classes is."""
    return constant.element in _FLOATS and constant.rank > 0 and is_named_by_role(origin(constant))


def _own_name(name: str, place: int, taken: Mapping[str, Tensor]) -> str:
    last = _NOT_A_NAME.sub("_", re.split(r"[./:]", name)[-1])[-40:] or f"input{place}"
    return last if last not in taken and not last[0].isdigit() else f"input{place}"
