"""The types of values in models: ONNX Runtime's names, those of the Open Inference Protocol, and NumPy's."""

from __future__ import annotations

from types import MappingProxyType

_NAMES = MappingProxyType(
    {
        "float": "FP32",
        "float16": "FP16",
        "double": "FP64",
        "bfloat16": "BF16",
        "uint8": "UINT8",
        "uint16": "UINT16",
        "uint32": "UINT32",
        "uint64": "UINT64",
        "int8": "INT8",
        "int16": "INT16",
        "int32": "INT32",
        "int64": "INT64",
        "bool": "BOOL",
        "string": "BYTES",
    }
)


def datatype(dtype: str) -> str | None:
    """The name in the Open Inference Protocol of ONNX Runtime's ``tensor(float)``: ``FP32``.

    ``None`` for what is no tensor, such as ``seq(map(int64,tensor(float)))``.
    """
    return _NAMES.get(dtype.removeprefix("tensor(").removesuffix(")"))
