"""The values inside an ONNX model: their names, which of two models are the same, and a model that outputs them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

# Nodes that a pass may fold into the layer before them: the layer keeps its name and returns their value.
_FOLDED = frozenset({"BatchNormalization", "Mul", "Add"})


@dataclass(frozen=True, slots=True)
class Value:
    """The result of a node. ``op`` is the node's operator with its domain, ``reads`` the values that it takes,
    ``node`` the node's own name.
    """

    name: str
    op: str
    reads: tuple[str, ...]
    is_output: bool
    node: str = ""


class Outline:
    """The values of an ONNX file in order of computation, without its weights."""

    def __init__(self, model: Path) -> None:
        """Raises ``ValueError`` for a file that is not an ONNX model."""
        try:
            self._proto = onnx.load_model(model, load_external_data=False)
        except DecodeError as error:
            raise ValueError(str(error)) from None
        graph = self._proto.graph
        weights = {tensor.name for tensor in graph.initializer}
        outputs = {output.name for output in graph.output}
        self.values = {
            name: Value(
                name,
                f"{node.domain}.{node.op_type}" if node.domain else node.op_type,
                tuple(read for read in node.input if read and read not in weights),
                name in outputs,
                node.name,
            )
            for node in graph.node
            for name in node.output
            if name
        }
        self._readers: dict[str, list[Value]] = defaultdict(list)
        for value in self.values.values():
            for read in value.reads:
                self._readers[read].append(value)

    @property
    def beside(self) -> int:
        """Bytes of weights in files beside the model."""
        entries = (entry for tensor in self._proto.graph.initializer for entry in tensor.external_data)
        return sum(int(entry.value) for entry in entries if entry.key == "length")

    def exposing(self, names: Collection[str]) -> bytes:
        """The model with these values among its outputs; a file of weights that it refers to stays where it is."""
        model = onnx.ModelProto()
        model.CopyFrom(self._proto)
        graph = model.graph
        known = {info.name: info for info in graph.value_info}
        for name in names:
            if not self.values[name].is_output:
                graph.output.append(known.get(name, onnx.ValueInfoProto(name=name)))
        content: bytes = model.SerializeToString()
        return content

    def readers(self, name: str) -> tuple[Value, ...]:
        """The values of the nodes that read this one."""
        return tuple(self._readers.get(name, ()))

    def through(self, value: Value, other: Outline) -> Value:
        """The value of this name in ``other``: the result of ``value`` with all nodes that were folded into it."""
        while not value.is_output:
            readers = self._readers[value.name]
            if len(readers) != 1 or readers[0].name in other.values or readers[0].op not in _FOLDED:
                break
            value = readers[0]
        return value


def same_values(a: Outline, b: Outline) -> Iterator[tuple[Value, Value]]:
    """The values of ``a`` that ``b`` has too, in the order of ``a``.

    Outputs are the same if their names are. Other values are the same if nodes of one operator compute them; a layer
    with a folded batch norm corresponds to the batch norm of the other model.
    """
    for name, value in a.values.items():
        other = b.values.get(name)
        if other is None:
            continue
        if value.is_output and other.is_output:
            yield value, other
        elif value.op == other.op and not value.is_output and not other.is_output:
            yield a.through(value, b), b.through(other, a)
