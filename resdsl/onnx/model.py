"""The ONNX model of a graph, without its weights: nodes, types, names and metadata, as bytes.

Fields are written as the library would write them, without the library: building 100,000 nodes as its objects takes
four times as long, and importing it longer than all the rest of compiling a small network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from resdsl import protobuf
from resdsl.ir import metadata
from resdsl.ir.graph import Graph
from resdsl.ir.types import TensorType
from resdsl.onnx.names import name_values
from resdsl.onnx.nodes import ELEMENT_TYPES, NodeEncoder, entry, identity
from resdsl.version import __version__

IR_VERSION = 10
"""The oldest format whose nodes have metadata."""

# Field numbers, from onnx.proto.
_IR_VERSION, _PRODUCER_NAME, _PRODUCER_VERSION, _OPSET_IMPORT, _METADATA = 1, 2, 3, 8, 14  # ModelProto
_DOMAIN, _VERSION = 1, 2  # OperatorSetIdProto
GRAPH_NAME, GRAPH_INPUT, GRAPH_OUTPUT, _VALUE_INFO = 2, 11, 12, 13  # GraphProto
_VALUE_NAME, _VALUE_TYPE = 1, 2  # ValueInfoProto
_TENSOR_TYPE, _ELEM_TYPE, _SHAPE = 1, 1, 2  # TypeProto, TypeProto.Tensor
_DIM, _DIM_VALUE, _DIM_PARAM = 1, 1, 2  # TensorShapeProto, TensorShapeProto.Dimension


def encode_model(entries: Mapping[str, str], opset: int) -> bytes:
    """The fields of a model of an operator set without its graph; metadata ``entries`` in alphabetical order."""
    operators = protobuf.text(_DOMAIN, "") + protobuf.integer(_VERSION, opset)
    parts = (
        protobuf.integer(_IR_VERSION, IR_VERSION),
        protobuf.text(_PRODUCER_NAME, "resdsl"),
        protobuf.text(_PRODUCER_VERSION, __version__),
        protobuf.message(_OPSET_IMPORT, operators),
        *(entry(_METADATA, key, entries[key]) for key in sorted(entries)),
    )
    return b"".join(parts)


def model_metadata(graph: Graph) -> dict[str, str]:
    """What a model states about its network."""
    entries = metadata.NAME.of(graph.name) | metadata.PARAMETERS.of(graph.parameter_count)
    entries |= metadata.MACS.of(str(graph.macs))
    if graph.preprocess is not None:
        entries |= metadata.PREPROCESS.of(graph.preprocess)
    if graph.labels is not None:
        entries |= metadata.LABELS.of(graph.labels)
    return entries


def encode_graph(graph: Graph) -> bytes:
    """The fields of the graph without its weights. It includes small constants of lowerings (the pads of ``Pad``)."""
    names = name_values(graph)
    encoder = NodeEncoder(graph, names)
    types = _Types()
    outputs = {output.name for output in graph.outputs}
    nodes: list[bytes] = []
    constants: list[bytes] = []
    inner: list[bytes] = []
    for node in graph.nodes[1:]:
        nodes += encoder.nodes(node)
        constants += encoder.constants(node)
        name = names.of[node.index]
        if name not in outputs:
            inner.append(types.value(_VALUE_INFO, name, node.type))
    nodes += [identity(f"{output.name}:identity", names.of[output.node], output.name) for output in names.copies]
    ends = [types.value(GRAPH_OUTPUT, output.name, graph.nodes[output.node].type) for output in graph.outputs]
    begin = types.value(GRAPH_INPUT, graph.input_name, graph.input.type)
    return b"".join((*nodes, protobuf.text(GRAPH_NAME, graph.name), *constants, begin, *ends, *inner))


class _Types:
    """Encodes values with their types; equal types once, as a large network has thousands of values of few types."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[TensorType, bytes]] = {}

    def value(self, field: int, name: str, type: TensorType) -> bytes:
        """A name and its type, as a field of the graph."""
        # The graph keeps its types alive, and those of equal nodes are one object.
        known = self._known.get(id(type))
        if known is None:
            known = self._known[id(type)] = type, protobuf.message(_VALUE_TYPE, _type(type))
        return protobuf.message(field, protobuf.text(_VALUE_NAME, name) + known[1])


def encoded_value(field: int, name: str, element_type: int, shape: Sequence[int | str]) -> bytes:
    """A value with its type, as a field of the graph: ``GRAPH_INPUT`` or ``GRAPH_OUTPUT``."""
    return protobuf.message(
        field, protobuf.text(_VALUE_NAME, name) + protobuf.message(_VALUE_TYPE, _tensor_type(element_type, shape))
    )


def _type(type: TensorType) -> bytes:
    return _tensor_type(ELEMENT_TYPES[type.dtype], [dim if isinstance(dim, int) else str(dim) for dim in type.shape])


def _tensor_type(element_type: int, shape: Sequence[int | str]) -> bytes:
    dims = b"".join(
        protobuf.message(
            _DIM, protobuf.integer(_DIM_VALUE, dim) if isinstance(dim, int) else protobuf.text(_DIM_PARAM, dim)
        )
        for dim in shape
    )
    # A scalar has a shape too, of no dimensions.
    tensor = protobuf.integer(_ELEM_TYPE, element_type) + protobuf.message(_SHAPE, dims)
    return protobuf.message(_TENSOR_TYPE, tensor)
