"""The values inside an ONNX model: their names, which of two models are the same, and a model that outputs them."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

from resdsl.onnx.flat_regions import Bounds, informative_bounds
from resdsl.untrusted import bounded_int

# What a pass may fold into the layer before: the layer then has the name of before and the value of after.
_FOLDED = frozenset({"BatchNormalization", "Mul", "Add"})


_LAYERS = frozenset({"Gemm", "MatMul", "Conv"})

_DEEPEST = 10
"""Scopes within scopes: a limit, so that no name makes us fill memory."""


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
        # protobuf returns bytes for a string that is not UTF-8.
        names = (
            name for node in graph.node for name in (node.name, node.op_type, node.domain, *node.input, *node.output)
        )
        if not all(isinstance(name, str) for name in (*names, *(one.name for one in graph.initializer))):
            raise ValueError("a name is not UTF-8")
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
        self._taken = weights | {one.name for one in graph.input}
        self._nodes: dict[str, list[Value]] = defaultdict(list)
        self._readers: dict[str, list[Value]] = defaultdict(list)
        for value in self.values.values():
            if value.node:
                self._nodes[value.node].append(value)
            for read in value.reads:
                self._readers[read].append(value)

    @property
    def outputs(self) -> dict[str, tuple[int | None, ...] | None]:
        """The shapes of the outputs in order, ``None`` for a size or a shape that the file leaves open."""
        found: dict[str, tuple[int | None, ...] | None] = {}
        for output in self._proto.graph.output:
            tensor = output.type.tensor_type
            sizes = tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim)
            found[output.name] = sizes if tensor.HasField("shape") else None
        return found

    @property
    def beside(self) -> int:
        """Bytes of weights in files beside the model, as it states them; invalid lengths count as 0."""
        entries = (entry for tensor in self._proto.graph.initializer for entry in tensor.external_data)
        return sum(bounded_int(entry.value) or 0 for entry in entries if entry.key == "length")

    def exposing(self, names: Collection[str]) -> bytes:
        """The model with these values among its outputs; a file of weights that it refers to stays where it is.

        A name may also be that of a layer or a scope (see ``result``), which the output then has.
        """
        model = onnx.ModelProto()
        model.CopyFrom(self._proto)
        graph = model.graph
        known = {info.name: info for info in graph.value_info}
        for name in names:
            source = self.result(name)
            assert source is not None, name
            if source != name:
                graph.node.append(onnx.helper.make_node("Identity", [source], [name]))
            if source != name or not self.values[name].is_output:
                graph.output.append(known.get(name, onnx.ValueInfoProto(name=name)))
        content: bytes = model.SerializeToString()
        return content

    def result(self, name: str) -> str | None:
        """The value that ``name`` means: a value, the result of the node of that name, or that of a scope.

        The result of a scope such as ``layer4`` is the one value that is made in it and read outside. ``None`` if
        there is none, or more than one.
        """
        if name in self.values:
            return name
        if name in self._taken:
            return None
        if name in self._nodes:
            return self._nodes[name][0].name
        inside = {value.name for value in self.values.values() if _path(value).startswith(f"{name}.")}
        results = [one for one in inside if self.values[one].is_output or self._is_read_outside(one, inside)]
        return results[0] if len(results) == 1 else None

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that the paths of nodes name; not every one has a ``result``."""
        paths = (_path(value).split(".", _DEEPEST)[:_DEEPEST] for value in self.values.values())
        return tuple(dict.fromkeys(".".join(parts[:end]) for parts in paths for end in range(1, len(parts))))

    def _is_read_outside(self, name: str, inside: Collection[str]) -> bool:
        return any(reader.name not in inside for reader in self._readers.get(name, ()))

    def features_of(self, output: str) -> str | None:
        """The value of which the last layer makes the classes in ``output``: what embeddings are taken from.

        ``None`` if the output is not a linear or convolutional layer of one value, followed by operators without
        weights.
        """
        value = self.values.get(output)
        while value is not None and len(value.reads) == 1:
            (read,) = value.reads
            if value.op in _LAYERS:
                return read if read in self.values else None
            value = self.values.get(read)
        return None

    def informative_bounds(self) -> dict[str, Bounds]:
        """The bounds of values beyond which nothing that reads them changes (``flat_regions``)."""
        return informative_bounds(self._proto)

    @property
    def names(self) -> frozenset[str]:
        """The names of all nodes that have one."""
        return frozenset(self._nodes)

    def before(self, node: str, *, stop: Collection[str]) -> Iterator[str]:
        """The names of the nodes that lead to the node ``node``, nearest first; not beyond those in ``stop``."""
        seen = {node}
        pending = deque([node])
        while pending:
            for read in (read for value in self._nodes[pending.popleft()] for read in value.reads):
                name = self.values[read].node if read in self.values else ""
                if name and name not in seen:
                    seen.add(name)
                    yield name
                    if name not in stop:
                        pending.append(name)

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


def _path(value: Value) -> str:
    """The path of a node, which has the names of its scopes; of a node without a name, that of its value."""
    return value.node or value.name


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
