"""Where the readers of a value give the same result, so that a narrower range of it loses nothing.

``hard_swish(x) = x clip(x + 3, 0, 6) / 6`` is 0 for all ``x <= -3``. A value that is quantized between a convolution
and a hard-swish needs no steps below -3, although convolutions give values far below.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

import onnx
from onnx import helper, numpy_helper

from resdsl.onnx.wiring import Wiring

Bounds = tuple[float, float]

_EVERYWHERE: Bounds = (-inf, inf)
_MOST_NODES = 4
"""How many nodes of one activation function are followed; more would be another function."""


def informative_bounds(model: onnx.ModelProto) -> dict[str, Bounds]:
    """The bounds of values, by name, beyond which nothing that reads them changes; none for values without bounds."""
    graph = _Graph(model.graph)
    found = {name: graph.bounds(name, _MOST_NODES) for name in graph.readers}
    return {name: bounds for name, bounds in found.items() if bounds != _EVERYWHERE}


class _Graph(Wiring):
    def __init__(self, graph: onnx.GraphProto) -> None:
        super().__init__(graph)
        self._constants = {
            tensor.name: float(numpy_helper.to_array(tensor).item())
            for tensor in graph.initializer
            if not tensor.dims or set(tensor.dims) == {1}
        }

    def bounds(self, name: str, nodes: int) -> Bounds:
        """The widest bounds of all readers."""
        if name in self.outputs or not nodes:
            return _EVERYWHERE
        each = [self._of_reader(node, name, nodes) for node in self.readers.get(name, [])]
        return min((low for low, _ in each), default=-inf), max((high for _, high in each), default=inf)

    def _of_reader(self, node: onnx.NodeProto, name: str, nodes: int) -> Bounds:
        match node.op_type:
            case "Relu":
                return 0.0, inf
            case "HardSwish":
                return -3.0, inf
            case "HardSigmoid":
                alpha, beta = _slope(node)
                return (-beta / alpha, (1 - beta) / alpha) if alpha > 0 else _EVERYWHERE
            case "Clip":
                return self._clip(node)
            case "Add":
                if (shift := self._constant_beside(node, name)) is not None:
                    low, high = self.bounds(node.output[0], nodes - 1)
                    return low - shift, high - shift
            case "Mul":
                if (factors := self._factors_beside(node)) is not None:
                    low, high = self.bounds(node.output[0], nodes - 1)
                    return min(low / factor for factor in factors), max(high / factor for factor in factors)
                gate = next((other for other in node.input if other != name), name)
                return self._zero_below(gate, name, nodes), inf
        return _EVERYWHERE

    def _zero_below(self, gate: str, name: str, nodes: int) -> float:
        """The value of ``name`` up to which ``gate``, computed from it, is 0: ``clip(x + 3, 0, 6) / 6`` up to -3."""
        node = self.producers.get(gate)
        if node is None or not nodes:
            return -inf
        if node.op_type in {"Mul", "Div"} and node.input[1] in self._constants:
            return self._zero_below(node.input[0], name, nodes - 1)
        if node.op_type == "HardSigmoid" and node.input[0] == name:
            alpha, beta = _slope(node)
            return -beta / alpha if alpha > 0 else -inf
        if node.op_type == "Clip" and self._clip(node)[0] == 0:
            return -self._shift(node.input[0], name)
        return -inf

    def _shift(self, value: str, name: str) -> float:
        """``c`` where ``value`` is ``name + c``; infinite where it is something else."""
        if value == name:
            return 0.0
        node = self.producers.get(value)
        if node is None or node.op_type != "Add" or name not in node.input:
            return inf
        shift = self._constant_beside(node, name)
        return inf if shift is None else shift

    def _constant_beside(self, node: onnx.NodeProto, name: str) -> float | None:
        return next(
            (self._constants[other] for other in node.input if other != name and other in self._constants), None
        )

    def _factors_beside(self, node: onnx.NodeProto) -> tuple[float, float] | None:
        """The smallest and the largest of constant factors beside the value; ``None`` if not all are positive."""
        tensor = next((self.tensors[other] for other in node.input if other in self.tensors), None)
        if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT or 0 in tensor.dims:
            return None
        array = numpy_helper.to_array(tensor)
        smallest, largest = float(array.min()), float(array.max())
        return (smallest, largest) if 0 < smallest <= largest < inf else None

    def _clip(self, node: onnx.NodeProto) -> Bounds:
        attributes = _attributes(node)  # of operator sets before 11
        ends = [attributes.get("min", -inf), attributes.get("max", inf)]
        for index, end in enumerate(node.input[1:3]):
            if end:
                ends[index] = self._constants.get(end, ends[index])
        return ends[0], ends[1]


def _slope(node: onnx.NodeProto) -> tuple[float, float]:
    attributes = _attributes(node)
    return attributes.get("alpha", 0.2), attributes.get("beta", 0.5)


def _attributes(node: onnx.NodeProto) -> Mapping[str, float]:
    return {one.name: helper.get_attribute_value(one) for one in node.attribute}
