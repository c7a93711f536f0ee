"""The floating-point model to quantize: its layers, and whether it can be quantized."""

from __future__ import annotations

from fnmatch import fnmatchcase

from resdsl.diagnostics import Option, Text, catalogue
from resdsl.diagnostics.errors import RunError
from resdsl.onnx.outline import Outline, Value
from resdsl.runtime.files import ModelFile, require_file
from resdsl.runtime.optimised import made_for

LAYERS = frozenset({"Conv", "Gemm", "MatMul"})
"""The operators that are quantized."""

_QUANTIZED = frozenset({"QuantizeLinear", "DequantizeLinear", "QLinearConv", "ConvInteger", "MatMulInteger"})


def float_outline(model: ModelFile) -> Outline:
    """The values of a floating-point model. Raises ``RunError`` for a model that cannot be quantized."""
    require_file(model.file, "a model")
    try:
        outline = Outline(model.file)
    except ValueError:
        raise RunError.of(
            catalogue.MODEL_UNREADABLE,
            f"`{model.name}` is not an ONNX file",
            helps=("pass a specification or an ONNX file",),
        ) from None
    if made_for(model.file) is not None:
        raise RunError.of(
            catalogue.CALIBRATION,
            Text(f"`{model.name}` was compiled with ", Option("for_runtime"), ", and such models cannot be quantized"),
            helps=(
                Text("compile its specification without ", Option("for_runtime"), ", or pass the specification here"),
            ),
        )
    operators = {value.op for value in outline.values.values()}
    if operators & _QUANTIZED:
        raise RunError.of(
            catalogue.CALIBRATION,
            f"`{model.name}` is already quantized",
            helps=("pass the floating-point model",),
        )
    if not operators & LAYERS:
        raise RunError.of(
            catalogue.CALIBRATION,
            f"`{model.name}` has no convolution or linear layer to quantize",
            helps=("use the model as it is",),
        )
    return outline


def can_be_folded(value: Value, outline: Outline) -> bool:
    """Whether ``value`` is a batch norm directly after a layer that nothing else reads."""
    layer = outline.values.get(next(iter(value.reads), ""))
    if value.op != "BatchNormalization" or layer is None:
        return False
    return layer.op in LAYERS and len(outline.readers(layer.name)) == 1 and not layer.is_output


def layer_name(value: Value) -> str:
    """The name of the node that computes ``value``."""
    return value.node or value.name


def matches(value: Value, pattern: str) -> bool:
    """Whether the layer's name matches the pattern (``layer1.*``)."""
    return fnmatchcase(layer_name(value), pattern)
