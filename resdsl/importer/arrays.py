"""ONNX operators on weights, for tensors that a graph computes from others before it uses them.

Exporters leave such sums in the graph: a standardised weight, a weight scaled by a gain, a dequantised one. Each
operator has the shape of its result, needed when the file is read, and the computation, done when the weights are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from resdsl.importer.draft import Constant, Item
from resdsl.importer.records import NodeRecord
from resdsl.importer.shapes import reshaped_shape
from resdsl.importer.small import broadcast_shape
from resdsl.ir.graph import DerivedFunction

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]

MOST_ELEMENTS = 1 << 31


class Operation(NamedTuple):
    """The shapes of the results of a node (``None`` where they are not known), and how one is computed."""

    shapes: Callable[[NodeRecord, Sequence[Item | None]], list[Shape] | None]
    compute: Callable[[Mapping[str, object], Sequence[np.ndarray | None], int], np.ndarray]


@dataclass(frozen=True, slots=True)
class Computed(DerivedFunction):
    """An operator of ONNX on weights; ``given`` says which of its inputs there are, ``output`` which result it is.

    ``size`` counts the operators that the result takes.
    """

    type: str
    attributes: tuple[tuple[str, object], ...]
    given: tuple[bool, ...]
    output: int = 0
    size: int = 1

    @property
    def name(self) -> str:  # type: ignore[override]
        return self.type

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        waiting = iter(arrays)
        inputs = [next(waiting) if given else None for given in self.given]
        return COMPUTED[self.type].compute(dict(self.attributes), inputs, self.output)


def _constants(inputs: Sequence[Item | None]) -> list[Constant]:
    return [item for item in inputs if isinstance(item, Constant)]


def _integers(item: Item | None) -> tuple[int, ...] | None:
    if (
        not isinstance(item, Constant)
        or item.items is None
        or not all(isinstance(one, int | float) for one in item.items)
    ):
        return None
    return tuple(int(one) for one in item.items)  # type: ignore[arg-type]


def _axes(node: NodeRecord, inputs: Sequence[Item | None], index: int = 1) -> tuple[int, ...] | None:
    return _integers(inputs[index]) if len(inputs) > index and inputs[index] is not None else node.integers("axes")


def _broadcast(_node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    try:
        return [broadcast_shape(*(one.shape for one in _constants(inputs)))]
    except ValueError:
        return None


def _same(_node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    return [_constants(inputs)[0].shape]


def _expanded(_node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    sizes = _integers(inputs[1])
    try:
        return None if sizes is None else [broadcast_shape(_constants(inputs)[0].shape, sizes)]
    except ValueError:
        return None


def _transposed(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    shape = _constants(inputs)[0].shape
    perm = node.integers("perm") or tuple(reversed(range(len(shape))))
    return [tuple(shape[axis] for axis in perm)] if sorted(perm) == list(range(len(shape))) else None


def _reshaped(_node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    sizes = _integers(inputs[1]) if len(inputs) > 1 else None
    shape = None if sizes is None else reshaped_shape(_constants(inputs)[0].shape, sizes)
    return None if shape is None or not all(isinstance(size, int) for size in shape) else [shape]  # type: ignore[list-item]


def _unsqueezed(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    axes, shape = _axes(node, inputs), list(_constants(inputs)[0].shape)
    if axes is None:
        return None
    rank = len(shape) + len(axes)
    for axis in sorted(axis % rank for axis in axes):
        shape.insert(axis, 1)
    return [tuple(shape)]


def _squeezed(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    axes, shape = _axes(node, inputs), _constants(inputs)[0].shape
    places = {axis % len(shape) for axis in axes} if axes is not None else {p for p, s in enumerate(shape) if s == 1}
    return [tuple(size for place, size in enumerate(shape) if place not in places)]


def _reduced(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    axes, shape = _axes(node, inputs), _constants(inputs)[0].shape
    places = set(range(len(shape))) if axes is None else {axis % len(shape) for axis in axes}
    if node.integer("keepdims", 1):
        return [tuple(1 if place in places else size for place, size in enumerate(shape))]
    return [tuple(size for place, size in enumerate(shape) if place not in places)]


def _concatenated(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    shapes = [one.shape for one in _constants(inputs)]
    axis = node.integer("axis") % len(shapes[0])
    total = sum(shape[axis] for shape in shapes)
    return [(*shapes[0][:axis], total, *shapes[0][axis + 1 :])]


def _split(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    shape, axis = _constants(inputs)[0].shape, node.integer("axis")
    axis %= len(shape)
    sizes = _integers(inputs[1]) if len(inputs) > 1 else node.integers("split")
    if sizes is None:
        count = len(node.outputs)
        each = -(-shape[axis] // count)
        sizes = (*[each] * (count - 1), shape[axis] - each * (count - 1))
    return [(*shape[:axis], size, *shape[axis + 1 :]) for size in sizes] if sum(sizes) == shape[axis] else None


def _elementwise(function: str) -> Operation:
    def compute(_attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
        import numpy as np

        arrays = [one for one in inputs if one is not None]
        with np.errstate(all="ignore"):
            result: np.ndarray = getattr(np, function)(*arrays)
        return result.astype(arrays[0].dtype)

    return Operation(_broadcast, compute)


def _ints(value: object) -> tuple[int, ...]:
    import numpy as np

    return tuple(int(one) for one in np.asarray(value).reshape(-1))


def _compute_reshape(
    _attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int
) -> np.ndarray:
    data, sizes = inputs[0], inputs[1]
    assert data is not None
    shape = reshaped_shape(data.shape, _ints(sizes))
    assert shape is not None
    return data.reshape([size for size in shape if isinstance(size, int)])


def _compute_expand(_attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
    import numpy as np

    data, sizes = inputs[0], inputs[1]
    assert data is not None
    result: np.ndarray = np.broadcast_to(data, np.broadcast_shapes(data.shape, _ints(sizes))).copy()
    return result


def _compute_transpose(
    attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int
) -> np.ndarray:
    assert inputs[0] is not None
    perm = attributes.get("perm")
    return inputs[0].transpose(None if perm is None else _ints(perm))


def _compute_axes(squeeze: bool) -> Callable[[Mapping[str, object], Sequence[np.ndarray | None], int], np.ndarray]:
    def compute(attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
        import numpy as np

        data = inputs[0]
        assert data is not None
        given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("axes")
        if given is None:
            return np.squeeze(data)
        return np.squeeze(data, _ints(given)) if squeeze else np.expand_dims(data, _ints(given))

    return compute


def _compute_reduction(function: str) -> Callable[[Mapping[str, object], Sequence[np.ndarray | None], int], np.ndarray]:
    def compute(attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
        import numpy as np

        data = inputs[0]
        assert data is not None
        given = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("axes")
        axes = None if given is None else _ints(given)
        keep = bool(attributes.get("keepdims", 1))
        wide = data.astype(np.float64)
        result = (
            np.sqrt((wide**2).sum(axes, keepdims=keep))
            if function == "norm"
            else getattr(wide, function)(axes, keepdims=keep)
        )
        return np.asarray(result, data.dtype)

    return compute


def _compute_concat(attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
    import numpy as np

    return np.concatenate([one for one in inputs if one is not None], int(str(attributes.get("axis", 0))))


def _compute_split(attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], output: int) -> np.ndarray:
    data, axis = inputs[0], int(str(attributes.get("axis", 0)))
    assert data is not None
    sizes = inputs[1] if len(inputs) > 1 and inputs[1] is not None else attributes.get("split")
    if sizes is None:
        raise ValueError("the sizes of the parts are not known")
    edges = [0]
    for size in _ints(sizes):
        edges.append(edges[-1] + size)
    return data.take(range(edges[output], edges[output + 1]), axis)


def _compute_same(_attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int) -> np.ndarray:
    assert inputs[0] is not None
    return inputs[0]


def _normalised(node: NodeRecord, inputs: Sequence[Item | None]) -> list[Shape] | None:
    """``BatchNormalization``, which exporters standardise weights with."""
    shape = _constants(inputs)[0].shape
    return [shape, *[shape[1:2]] * (len(node.outputs) - 1)] if len(shape) > 1 and len(inputs) == 5 else None


def _compute_normalised(
    attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], output: int
) -> np.ndarray:
    import numpy as np

    data, weight, bias, mean, variance = inputs
    assert data is not None and weight is not None and bias is not None and mean is not None and variance is not None
    if output:
        raise ValueError("the running statistics are not weights")
    shape = [1, -1, *[1] * (data.ndim - 2)]
    wide = data.astype(np.float64)
    if attributes.get("training_mode"):
        axes = (0, *range(2, data.ndim))
        mean, variance = wide.mean(axes), wide.var(axes)
    mean, variance = mean.reshape(shape), variance.reshape(shape)
    eps = float(str(attributes.get("epsilon", 1e-5)))
    result = (wide - mean) / np.sqrt(variance + eps) * weight.reshape(shape) + bias.reshape(shape)
    return np.asarray(result, data.dtype)


def _compute_dequantized(
    attributes: Mapping[str, object], inputs: Sequence[np.ndarray | None], _output: int
) -> np.ndarray:
    import numpy as np

    data, scale = inputs[0], inputs[1]
    assert data is not None and scale is not None
    zero = inputs[2] if len(inputs) > 2 and inputs[2] is not None else np.zeros((), data.dtype)
    if scale.ndim == 1 and scale.size > 1:
        shape = [1] * data.ndim
        shape[int(str(attributes.get("axis", 1))) % data.ndim] = scale.size
        scale, zero = scale.reshape(shape), zero.reshape(shape) if zero.size > 1 else zero
    result: np.ndarray = (data.astype(np.int32) - zero.astype(np.int32)).astype(np.float32) * scale
    return result


COMPUTED: dict[str, Operation] = {
    "Add": _elementwise("add"),
    "Sub": _elementwise("subtract"),
    "Mul": _elementwise("multiply"),
    "Div": _elementwise("divide"),
    "Pow": _elementwise("power"),
    "Max": _elementwise("maximum"),
    "Sqrt": _elementwise("sqrt"),
    "Neg": _elementwise("negative"),
    "Exp": _elementwise("exp"),
    "Reciprocal": _elementwise("reciprocal"),
    "Cast": Operation(_same, _compute_same),
    "Identity": Operation(_same, _compute_same),
    "Transpose": Operation(_transposed, _compute_transpose),
    "Expand": Operation(_expanded, _compute_expand),
    "Reshape": Operation(_reshaped, _compute_reshape),
    "Unsqueeze": Operation(_unsqueezed, _compute_axes(squeeze=False)),
    "Squeeze": Operation(_squeezed, _compute_axes(squeeze=True)),
    "ReduceMean": Operation(_reduced, _compute_reduction("mean")),
    "ReduceSum": Operation(_reduced, _compute_reduction("sum")),
    "ReduceL2": Operation(_reduced, _compute_reduction("norm")),
    "Concat": Operation(_concatenated, _compute_concat),
    "Split": Operation(_split, _compute_split),
    "BatchNormalization": Operation(_normalised, _compute_normalised),
    "DequantizeLinear": Operation(_same, _compute_dequantized),
}
