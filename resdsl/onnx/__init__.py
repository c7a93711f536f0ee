"""ONNX: the one back end. The only package, with the reader of ONNX weights, that imports ``onnx``."""

from resdsl.onnx.emit import Emitted, emit, emit_to_stream

__all__ = ["Emitted", "emit", "emit_to_stream"]
