"""The ONNX model of a graph, without its weights: nodes, types, names and metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import PurePath

import onnx
from onnx import numpy_helper

import resdsl
from resdsl.backends.onnx.names import ValueNames, name_values
from resdsl.diagnostics import Span
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.operator import Attribute, Lowering, Prim, Ref
from resdsl.ir.types import DType, TensorType

IR_VERSION = 10
"""The oldest format whose nodes have metadata."""

ELEMENT_TYPES: Mapping[DType, int] = {
    DType.F32: onnx.TensorProto.FLOAT,
    DType.F16: onnx.TensorProto.FLOAT16,
    DType.BF16: onnx.TensorProto.BFLOAT16,
    DType.U8: onnx.TensorProto.UINT8,
    DType.I64: onnx.TensorProto.INT64,
}


def build_model(metadata: Mapping[str, str], opset: int) -> onnx.ModelProto:
    """A model of an operator set without a graph, that carries ``metadata`` in alphabetical order."""
    model = onnx.ModelProto(ir_version=IR_VERSION, producer_name="resdsl", producer_version=resdsl.__version__)
    model.opset_import.add(domain="", version=opset)
    for key in sorted(metadata):
        model.metadata_props.add(key=key, value=metadata[key])
    return model


def model_metadata(graph: Graph) -> dict[str, str]:
    """What a model says of itself; the runtime reads ``resdsl.preprocess`` and ``resdsl.labels`` back."""
    found = {
        "resdsl.name": graph.name,
        "resdsl.parameters": str(graph.parameter_count),
        "resdsl.macs": str(graph.macs),
    }
    if graph.preprocess is not None:
        found["resdsl.preprocess"] = json.dumps(graph.preprocess.to_data())
    if graph.labels is not None:
        found["resdsl.labels"] = json.dumps(list(graph.labels), ensure_ascii=False)
    return found


def build_graph(graph: Graph) -> onnx.GraphProto:
    """The graph without its weights. Small constants of lowerings (the pads of ``Pad``) are in it."""
    proto = onnx.GraphProto(name=graph.name)
    names = name_values(graph)
    types = _Types()
    types.add(proto.input, graph.input_name, graph.input.type)

    outputs = {output.name for output in graph.outputs}
    namespaces = dict(_namespaces(graph.root))
    for node in graph.nodes[1:]:
        name = names.of[node.index]
        _NodeBuilder(proto, graph, node, names, namespaces.get(node.index, graph.name)).build()
        if name not in outputs:
            types.add(proto.value_info, name, node.type)

    for output in names.copies:
        proto.node.add(
            op_type="Identity", name=f"{output.name}:identity", input=[names.of[output.node]], output=[output.name]
        )
    for output in graph.outputs:
        types.add(proto.output, output.name, graph.nodes[output.node].type)
    return proto


class _Types:
    """Writes types of values; equal ones are built once, as a large network has thousands of values of few types."""

    def __init__(self) -> None:
        self._built: dict[TensorType, onnx.TypeProto] = {}

    def add(self, values: onnx.ValueInfoProto, name: str, type: TensorType) -> None:
        built = self._built.get(type)
        if built is None:
            built = self._built[type] = _type(type)
        values.add(name=name, type=built)


def _type(type: TensorType) -> onnx.TypeProto:
    built = onnx.TypeProto()
    built.tensor_type.elem_type = ELEMENT_TYPES[type.dtype]
    shape = built.tensor_type.shape
    shape.SetInParent()  # a scalar has a shape too, of no dimensions
    for dim in type.shape:
        if isinstance(dim, int):
            shape.dim.add(dim_value=dim)
        else:
            shape.dim.add(dim_param=str(dim))
    return built


class _NodeBuilder:
    """Adds the ONNX nodes that one node becomes.

    The last of them has the node's name and makes its value; those before it are called ``path:0``, ``path:1``, and
    constants ``path:const0``.
    """

    def __init__(self, proto: onnx.GraphProto, graph: Graph, node: Node, names: ValueNames, namespace: str) -> None:
        self._proto = proto
        self._node = node
        self._names = names
        self._metadata = {
            "namespace": f"{namespace}/{node.path.rpartition('.')[2]}: {type(node.operator).__name__.lower()}",
            "resdsl.path": node.path,
            "resdsl.source": _place(node.span),
        }
        self._lowering = Lowering(graph.input_types(node), node.type)

    def build(self) -> None:
        self._node.operator.lower(self._lowering)
        for index, constant in enumerate(self._lowering.constants):
            self._proto.initializer.append(numpy_helper.from_array(constant, self._constant_name(index)))
        last = len(self._lowering.prims) - 1
        for index, prim in enumerate(self._lowering.prims):
            self._add(index, prim, is_last=index == last)

    def _add(self, index: int, prim: Prim, *, is_last: bool) -> None:
        inner = f"{self._node.path}:{index}"
        inputs = [self._name(ref) for ref in prim.inputs]
        while inputs and not inputs[-1]:
            inputs.pop()
        added = self._proto.node.add(
            op_type=prim.type,
            name=self._node.path if is_last else inner,
            input=inputs,
            output=[self._names.of[self._node.index] if is_last else inner],
        )
        for name, value in prim.attributes.items():
            _set(added.attribute.add(name=name), value)
        for key, text in self._metadata.items():
            added.metadata_props.add(key=key, value=text)

    def _name(self, ref: Ref | None) -> str:
        if ref is None:
            return ""
        if ref.kind == "input":
            return self._names.of[self._node.inputs[ref.index]]
        if ref.kind == "parameter":
            return f"{self._node.path}.{ref.name}"
        if ref.kind == "constant":
            return self._constant_name(ref.index)
        if ref.index == len(self._lowering.prims) - 1:
            raise AssertionError(f"the last primitive of {self._node.path} is read before it is made")
        return f"{self._node.path}:{ref.index}"

    def _constant_name(self, index: int) -> str:
        return f"{self._node.path}:const{index}"


def _place(span: Span) -> str:
    """``resnet50.res:31:29``. Where the file lay on the disk is left out: the bytes of a model don't depend on it."""
    line, column = span.position
    return f"{_file_name(span.source.name)}:{line}:{column}"


@cache
def _file_name(source: str) -> str:
    return source if source.startswith(("std/", "<")) else PurePath(source).name


def _set(attribute: onnx.AttributeProto, value: Attribute) -> None:
    kinds = onnx.AttributeProto
    if isinstance(value, int):
        attribute.type, attribute.i = kinds.INT, value
    elif isinstance(value, float):
        attribute.type, attribute.f = kinds.FLOAT, value
    elif isinstance(value, str):
        attribute.type, attribute.s = kinds.STRING, value.encode()
    elif all(isinstance(item, int) for item in value):
        attribute.type = kinds.INTS
        attribute.ints.extend(value)
    else:
        attribute.type = kinds.FLOATS
        attribute.floats.extend(value)


def _namespaces(root: Scope) -> Iterator[tuple[int, str]]:
    """For each node, the scopes around it as PyTorch's exporter writes them: ``resnet50/layer1: stage/0: bottleneck``.

    Viewers fold a graph by it. Scopes that add nothing to names are left out, as they are left out of paths.
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
