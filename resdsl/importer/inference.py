"""Types of values by ONNX's own shape inference, for operators that the language does not have."""

from __future__ import annotations

from collections.abc import Mapping

from resdsl.importer.parse import NotOnnx, parse_model
from resdsl.importer.records import ValueRecord
from resdsl.importer.tensors import OnnxFile

_LARGEST_KEPT = 4_096
"""Bytes of a tensor that inference may need the numbers of (a shape)."""


def infer_types(file: OnnxFile) -> Mapping[str, ValueRecord]:
    """The types of all values, as far as inference finds them; none where it fails."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(file.without_weights(_LARGEST_KEPT))
        inferred = onnx.shape_inference.infer_shapes(model, data_prop=True).SerializeToString()
        return parse_model(inferred).values
    except (NotOnnx, ValueError, TypeError, RuntimeError, DecodeError, onnx.shape_inference.InferenceError):
        return {}
