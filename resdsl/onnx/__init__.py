"""Write graphs as ONNX and inspect ONNX files. Only this and the reader of ONNX weights import ``onnx``."""

from resdsl.onnx.emit import Emitted, emit, emit_to_stream

__all__ = ["Emitted", "emit", "emit_to_stream"]
