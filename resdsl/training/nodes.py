"""The nodes of a training step, by the names of their values."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from resdsl import protobuf
from resdsl.ir.operator import OPSET, Attribute, Lowering, Ref
from resdsl.onnx.model import GRAPH_INPUT, GRAPH_NAME, GRAPH_OUTPUT, encode_model, encoded_value
from resdsl.onnx.nodes import encoded_constant, encoded_node

if TYPE_CHECKING:
    import numpy as np

_ELEMENT_TYPES = {"float32": 1, "int64": 7, "bool": 9}
"""TensorProto.DataType by the names of NumPy."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a step: its name, the NumPy name of its element type, and its shape."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


class Nodes:
    """Collects nodes in the order of computation, and constants. Equal constants are one tensor."""

    def __init__(self) -> None:
        self._encoded: list[bytes] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._tensors: list[bytes] = []
        self._scope = ""
        self._count = 0

    def scope(self, name: str) -> None:
        """The beginning of the names of the nodes that follow: ``layer1.0.conv1:forward``."""
        self._scope, self._count = name, 0

    def constant(self, array: np.ndarray) -> str:
        """The name of a constant."""
        key = (array.dtype.name, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = name = f"constant:{len(self._constants)}"
            self._tensors.append(encoded_constant(name, array))
        return self._constants[key]

    def number(self, value: float) -> str:
        """A constant float32 scalar."""
        import numpy as np

        return self.constant(np.array(value, dtype=np.float32))

    def integer(self, value: int) -> str:
        """A constant int64 scalar."""
        import numpy as np

        return self.constant(np.array(value, dtype=np.int64))

    def integers(self, *values: int) -> str:
        """A constant vector of int64."""
        import numpy as np

        return self.constant(np.array(values, dtype=np.int64))

    def __call__(self, type: str, /, *inputs: str, output: str = "", **attributes: Attribute) -> str:
        """Add a node; gives the name of its only output: ``output``, or a new name in the scope."""
        (name,) = self.several(type, inputs, 1, attributes, output)
        return name

    def several(
        self, type: str, inputs: Sequence[str], outputs: int, attributes: Mapping[str, Attribute], output: str = ""
    ) -> tuple[str, ...]:
        """Add a node with so many outputs; gives their names."""
        name = f"{self._scope}:{self._count}"
        self._count += 1
        names = (output,) if output else tuple(f"{name}.{place}" if place else name for place in range(outputs))
        self._encoded.append(encoded_node(type, inputs, names, name, attributes))
        return names

    def lowered(self, lowering: Lowering, resolve: Callable[[Ref], str]) -> Callable[[Ref], str]:
        """Add the nodes of a lowering; ``resolve`` names what it reads. Gives a function that names all."""
        constants = [self.constant(array) for array in lowering.constants]
        results: list[tuple[str, ...]] = []

        def name(ref: Ref) -> str:
            if ref.kind == "constant":
                return constants[ref.index]
            return results[ref.index][ref.place] if ref.kind == "prim" else resolve(ref)

        for prim in lowering.prims:
            inputs = ["" if ref is None else name(ref) for ref in prim.inputs]
            while inputs and not inputs[-1]:
                inputs.pop()
            results.append(self.several(prim.type, inputs, prim.outputs, prim.attributes))
        return name

    def model(self, name: str, inputs: Sequence[Port], outputs: Sequence[Port], metadata: Mapping[str, str]) -> bytes:
        """The ONNX model of these nodes."""
        graph = b"".join(
            (
                *self._encoded,
                protobuf.text(GRAPH_NAME, name),
                *self._tensors,
                *(_port(GRAPH_INPUT, port) for port in inputs),
                *(_port(GRAPH_OUTPUT, port) for port in outputs),
            )
        )
        return encode_model(metadata, OPSET) + protobuf.message(protobuf.MODEL_GRAPH, graph)


def _port(field: int, port: Port) -> bytes:
    return encoded_value(field, port.name, _ELEMENT_TYPES[port.dtype], port.shape)
