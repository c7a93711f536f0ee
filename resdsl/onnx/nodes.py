"""The nodes of an ONNX graph, as bytes.

An operator's arguments and the types that it is applied to decide its ONNX nodes, their attributes and constants: these
are encoded once for each such application, and only names and source positions are filled in for each node.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import TYPE_CHECKING

from resdsl import protobuf
from resdsl.diagnostics import Span
from resdsl.ir import metadata
from resdsl.ir.application import Application
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.operator import Attribute, Lowering, Prim, Ref
from resdsl.ir.types import DType
from resdsl.onnx.names import ValueNames

if TYPE_CHECKING:
    import numpy as np

ELEMENT_TYPES = {DType.F32: 1, DType.U8: 2, DType.I64: 7, DType.F16: 10, DType.BF16: 16}
"""TensorProto.DataType."""

_NUMPY_TYPES = {
    "float32": DType.F32,
    "uint8": DType.U8,
    "int64": DType.I64,
    "float16": DType.F16,
    "bfloat16": DType.BF16,
}

# Field numbers, from onnx.proto.
_NODE, _INPUT, _OUTPUT, _NAME, _OP_TYPE, _ATTRIBUTE, _METADATA = 1, 1, 2, 3, 4, 5, 9  # GraphProto, NodeProto
_KEY, _VALUE = 1, 2  # StringStringEntryProto
_ATTRIBUTE_NAME, _F, _I, _S, _FLOATS, _INTS, _TYPE = 1, 2, 3, 4, 7, 8, 20  # AttributeProto
_FLOAT_KIND, _INT_KIND, _STRING_KIND, _FLOATS_KIND, _INTS_KIND = 1, 2, 3, 6, 7  # AttributeProto.AttributeType
_DIMS, _DATA_TYPE, _TENSOR_NAME = 1, 2, 8  # TensorProto


@dataclass(frozen=True, slots=True)
class _Primitive:
    """One ONNX node. An input is the number of one of the node's inputs, or a suffix of the node's path.

    ``ending`` is the suffix of its own name, empty for the last, which computes the node's value; ``fixed`` are its
    operator and attributes.
    """

    inputs: tuple[int | str | None, ...]
    ending: str
    fixed: bytes


@dataclass(frozen=True, slots=True)
class _Recipe:
    """The encoding of an application: ONNX nodes, and constants as (bytes before the name, its suffix, bytes after)."""

    primitives: tuple[_Primitive, ...]
    constants: tuple[tuple[bytes, str, bytes], ...]


class NodeEncoder:
    """Encodes the nodes of one graph.

    The last ONNX node of a node has the node's name and computes its value; those before it are called
    ``path:0``, ``path:1``, and constants ``path:const0``.
    """

    def __init__(self, graph: Graph, names: ValueNames) -> None:
        self._graph = graph
        self._names = names
        self._namespaces = dict(_namespaces(graph.root))
        self._recipes: dict[Application, _Recipe] = {}
        self._sources: dict[Span, bytes] = {}

    def nodes(self, node: Node) -> Iterator[bytes]:
        """The ONNX nodes of a node, as fields of the graph."""
        metadata = self._metadata(node)
        of, path = self._names.of, node.path
        for primitive in self._recipe(node).primitives:
            parts: list[bytes] = []
            for given in primitive.inputs:
                name = "" if given is None else path + given if isinstance(given, str) else of[node.inputs[given]]
                parts.append(protobuf.text(_INPUT, name))
            own = path + primitive.ending
            parts.append(protobuf.text(_OUTPUT, own if primitive.ending else of[node.index]))
            parts.append(protobuf.text(_NAME, own))
            parts.append(primitive.fixed)
            parts.append(metadata)
            yield protobuf.message(_NODE, b"".join(parts))

    def constants(self, node: Node) -> Iterator[bytes]:
        """The constants that these read, as fields of the graph."""
        for before, ending, behind in self._recipe(node).constants:
            tensor = before + protobuf.text(_TENSOR_NAME, node.path + ending) + behind
            yield protobuf.message(protobuf.GRAPH_INITIALIZER, tensor)

    def _recipe(self, node: Node) -> _Recipe:
        applied = self._graph.applications[node.index]
        known = self._recipes.get(applied)
        if known is None:
            known = self._recipes[applied] = _recipe(applied, node.path)
        return known

    def _metadata(self, node: Node) -> bytes:
        namespace = self._namespaces.get(node.index, self._graph.name)
        label = node.path.rpartition(".")[2]
        source = self._sources.get(node.span)
        if source is None:
            source = self._sources[node.span] = _entry(metadata.SOURCE.key, _place(node.span))
        shown = _entry("namespace", f"{namespace}/{label}: {type(node.operator).__name__.lower()}")
        return shown + _entry(metadata.PATH.key, node.path) + source


def identity(name: str, source: str, output: str) -> bytes:
    """An ``Identity`` from one value to another, as a field of the graph."""
    parts = (
        protobuf.text(_INPUT, source),
        protobuf.text(_OUTPUT, output),
        protobuf.text(_NAME, name),
        protobuf.text(_OP_TYPE, "Identity"),
    )
    return protobuf.message(_NODE, b"".join(parts))


def encoded_node(
    type: str, inputs: Sequence[str], outputs: Sequence[str], name: str, attributes: Mapping[str, Attribute]
) -> bytes:
    """One ONNX node, as a field of the graph. An input or output that is left out is ``""``."""
    parts = [
        *(protobuf.text(_INPUT, value) for value in inputs),
        *(protobuf.text(_OUTPUT, value) for value in outputs),
        protobuf.text(_NAME, name),
        protobuf.text(_OP_TYPE, type),
        *(protobuf.message(_ATTRIBUTE, _attribute(key, value)) for key, value in attributes.items()),
    ]
    return protobuf.message(_NODE, b"".join(parts))


def encoded_constant(name: str, array: np.ndarray) -> bytes:
    """A constant that nodes read, as a field of the graph."""
    before, after = _tensor(array)
    return protobuf.message(protobuf.GRAPH_INITIALIZER, before + protobuf.text(_TENSOR_NAME, name) + after)


def _recipe(applied: Application, path: str) -> _Recipe:
    lowering = Lowering(applied.inputs, applied.result)
    applied.operator.lower(lowering)
    last = len(lowering.prims) - 1
    return _Recipe(
        tuple(
            _primitive(prim, "" if index == last else f":{index}", last, path)
            for index, prim in enumerate(lowering.prims)
        ),
        tuple(_constant(index, constant) for index, constant in enumerate(lowering.constants)),
    )


def _primitive(prim: Prim, ending: str, last: int, path: str) -> _Primitive:
    inputs = [None if ref is None else _input(ref, last, path) for ref in prim.inputs]
    while inputs and inputs[-1] is None:
        inputs.pop()
    attributes = [protobuf.message(_ATTRIBUTE, _attribute(name, value)) for name, value in prim.attributes.items()]
    return _Primitive(tuple(inputs), ending, b"".join((protobuf.text(_OP_TYPE, prim.type), *attributes)))


def _input(ref: Ref, last: int, path: str) -> int | str:
    if ref.kind == "input":
        return ref.index
    if ref.kind == "parameter":
        return f".{ref.name}"
    if ref.kind == "constant":
        return f":const{ref.index}"
    if ref.index == last:
        raise AssertionError(f"the last primitive of {path} is read before it is computed")
    return f":{ref.index}"


def _constant(index: int, array: np.ndarray) -> tuple[bytes, str, bytes]:
    before, after = _tensor(array)
    return before, f":const{index}", after


def _tensor(array: np.ndarray) -> tuple[bytes, bytes]:
    """The fields of a tensor before its name, and those after it."""
    from resdsl.weights.dtypes import raw_bytes  # most operators have none

    element_type = ELEMENT_TYPES[_NUMPY_TYPES[array.dtype.name]]
    dims = [protobuf.integer(_DIMS, size) for size in array.shape]
    before = b"".join((*dims, protobuf.integer(_DATA_TYPE, element_type)))
    return before, protobuf.message(protobuf.TENSOR_RAW_DATA, bytes(raw_bytes(array)))


def _attribute(name: str, value: Attribute) -> bytes:
    kind, encoded = _attribute_value(value)
    return protobuf.text(_ATTRIBUTE_NAME, name) + encoded + protobuf.integer(_TYPE, kind)


def _attribute_value(value: Attribute) -> tuple[int, bytes]:
    if isinstance(value, int):
        return _INT_KIND, protobuf.integer(_I, value)
    if isinstance(value, float):
        return _FLOAT_KIND, protobuf.number(_F, value)
    if isinstance(value, str):
        return _STRING_KIND, protobuf.text(_S, value)
    whole = [item for item in value if isinstance(item, int)]
    if len(whole) == len(value):
        return _INTS_KIND, b"".join([protobuf.integer(_INTS, item) for item in whole])
    return _FLOATS_KIND, b"".join([protobuf.number(_FLOATS, item) for item in value])


def entry(field: int, key: str, value: str) -> bytes:
    """A metadata entry, as a field of its owner."""
    return protobuf.message(field, protobuf.text(_KEY, key) + protobuf.text(_VALUE, value))


def _entry(key: str, value: str) -> bytes:
    return entry(_METADATA, key, value)


def _place(span: Span) -> str:
    """``resnet50.res:31:29``. Without the folder, so that the bytes of a model do not depend on it."""
    line, column = span.position
    return f"{_file_name(span.source.name)}:{line}:{column}"


@cache
def _file_name(source: str) -> str:
    return source if source.startswith(("std/", "<")) else PurePath(source).name


def _namespaces(root: Scope) -> Iterator[tuple[int, str]]:
    """For each node, the scopes around it as PyTorch's exporter writes them: ``resnet50/layer1: stage/0: bottleneck``.

    Viewers fold a graph by it. Scopes without a label are left out, as they are left out of paths.
    """
    stack: list[tuple[Scope, str]] = [(root, root.callee or root.label)]
    while stack:
        scope, namespace = stack.pop()
        for child in scope.children:
            if isinstance(child, int):
                yield child, namespace
            else:
                stack.append((child, f"{namespace}/{part}" if (part := _namespace_part(child)) else namespace))


def _namespace_part(scope: Scope) -> str:
    kind = scope.callee if scope.kind in (ScopeKind.BLOCK, ScopeKind.MODEL) else str(scope.kind)
    if scope.label:
        return f"{scope.label}: {kind}"
    return kind if scope.kind in (ScopeKind.BLOCK, ScopeKind.MODEL) else ""
