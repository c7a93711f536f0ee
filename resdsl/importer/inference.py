"""What the onnx library does for the importer: types of values that the language does not have, and inlining."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from resdsl.importer.parse import NotOnnx, parse_model
from resdsl.importer.records import Element, NodeRecord, TensorRecord, ValueRecord
from resdsl.importer.tensors import OnnxFile

if TYPE_CHECKING:
    from onnx import FunctionProto, ModelProto, NodeProto

_LARGEST_KEPT = 4_096
"""Bytes of a tensor that inference may need the numbers of (a shape)."""

_MOST_NODES = 200_000
"""Nodes of a model whose own operators are written out."""

_MOST_PROPAGATED = 5_000
"""Nodes of a file whose constants inference may compute with: it copies each as often as it is read."""


def infer_types(file: OnnxFile) -> Mapping[str, ValueRecord]:
    """The types of all values, as far as inference finds them; none where it fails."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(file.without_weights(_LARGEST_KEPT))
        inferred = onnx.shape_inference.infer_shapes(
            model, data_prop=len(file.model.nodes) <= _MOST_PROPAGATED
        ).SerializeToString()
        return parse_model(inferred).values
    except (
        NotOnnx,
        ValueError,
        TypeError,
        RuntimeError,
        MemoryError,
        DecodeError,
        onnx.shape_inference.InferenceError,
    ):
        return {}


def inlined_nodes(file: OnnxFile) -> list[NodeRecord]:
    """The nodes of a file that defines operators of its own, with what those are in their place.

    They stay as they are where they would be too many, or use each other in a circle.
    """
    import onnx
    import onnx.inliner
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load_model_from_string(file.without_weights(_LARGEST_KEPT))
        if _expanded_count(model) > _MOST_NODES:
            return file.model.nodes
        whole = OnnxFile(file.name, onnx.inliner.inline_local_functions(model).SerializeToString())
    except (ValueError, RuntimeError, MemoryError, DecodeError, onnx.checker.ValidationError):
        return file.model.nodes
    for node in whole.model.nodes:
        for name, value in node.attributes.items():
            if isinstance(value, TensorRecord):
                node.attributes[name] = _with_numbers(whole, value)
    return whole.model.nodes


def _with_numbers(file: OnnxFile, record: TensorRecord) -> TensorRecord:
    """A tensor that does not need the bytes of the file. Half-precision numbers are stored as their bits, not so."""
    numbers = None if record.element == Element.FLOAT16 else file.items(record)
    return record if numbers is None else replace(record, raw=None, numbers=numbers)


def _expanded_count(model: ModelProto) -> int:
    """The nodes that are there when all operators of the model are written out, without doing it."""
    functions = {(one.domain, one.name): one for one in model.functions}
    counts: dict[tuple[str, str], int] = {}
    waiting: list[tuple[FunctionProto, bool]] = [(one, False) for one in model.functions]
    opened: set[tuple[str, str]] = set()
    while waiting:
        function, is_counted = waiting.pop()
        key = function.domain, function.name
        if is_counted:
            counts[key] = _count(function.node, counts)
        elif key not in opened:
            opened.add(key)
            waiting.append((function, True))
            calls = ((node.domain, node.op_type) for node in function.node)
            waiting += [(functions[call], False) for call in calls if call in functions and call not in counts]
    return _count(model.graph.node, counts)


def _count(nodes: Iterable[NodeProto], counts: Mapping[tuple[str, str], int]) -> int:
    return sum(counts.get((node.domain, node.op_type), 1) for node in nodes)
