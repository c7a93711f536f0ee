"""Activations, arithmetic, and calls that change nothing."""

from __future__ import annotations

from torch import fx

from resdsl.importer.records import AttributeValue
from resdsl.torch.tracing.call import Call, Operand, Unwritable, shape_of, writes
from resdsl.torch.tracing.operators.local_response import local_response

_UNARY = {
    "abs": "Abs",
    "ceil": "Ceil",
    "erf": "Erf",
    "exp": "Exp",
    "floor": "Floor",
    "hardswish": "HardSwish",
    "log": "Log",
    "mish": "Mish",
    "neg": "Neg",
    "reciprocal": "Reciprocal",
    "relu": "Relu",
    "round": "Round",
    "sigmoid": "Sigmoid",
    "silu": "Swish",
    "sin": "Sin",
    "cos": "Cos",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
}


@writes(*_UNARY)
def _unary(call: Call) -> None:
    call.result(_UNARY[_name(call)], call.input())


@writes("rsqrt")
def _rsqrt(call: Call) -> None:
    call.result("Reciprocal", call.emit("Sqrt", call.input()))


@writes("square")
def _square(call: Call) -> None:
    call.result("Mul", call.input(), call.input())


@writes("relu6")
def _relu6(call: Call) -> None:
    call.result("Clip", call.input(), call.scalar(0.0), call.scalar(6.0))


@writes("hardtanh", "clamp", "clamp_min", "clamp_max", "clip")
def _clip(call: Call) -> None:
    low, high = (call.operand(one if one in call.arguments else other) for one, other in _BOUNDS)
    call.result("Clip", call.input(), call.value(low), call.value(high))


_BOUNDS = (("min", "min_val"), ("max", "max_val"))


@writes("hardsigmoid")
def _hard_sigmoid(call: Call) -> None:
    call.result("HardSigmoid", call.input(), alpha=1 / 6, beta=0.5)


@writes("leaky_relu")
def _leaky_relu(call: Call) -> None:
    call.result("LeakyRelu", call.input(), alpha=call.number("negative_slope"))


@writes("elu")
def _elu(call: Call) -> None:
    if call.number("scale", 1.0) != 1 or call.number("input_scale", 1.0) != 1:
        raise Unwritable("it has a scale")
    call.result("Elu", call.input(), alpha=call.number("alpha", 1.0))


@writes("gelu")
def _gelu(call: Call) -> None:
    call.result("Gelu", call.input(), approximate=str(call.arguments.get("approximate") or "none"))


@writes("softplus")
def _softplus(call: Call) -> None:
    call.result("Softplus", call.input())


@writes("prelu")
def _prelu(call: Call) -> None:
    slope = call.input("weight")
    behind = len(call.shape) - 2
    if shape_of(call.operand("weight")) != (1,) and behind > 0:
        # A slope for each channel stands before the axes of the pixels.
        slope = call.emit("Unsqueeze", slope, call.whole(*range(1, 1 + behind)))
    call.result("PRelu", call.input(), slope)


@writes("dropout")
def _dropout(call: Call) -> None:
    call.result("Dropout", call.input(), ratio=call.number("p"))


@writes(
    "alias",
    "alpha_dropout",
    "clone",
    "contiguous",
    "detach",
    "feature_dropout",
    "lift_fresh",
    "lift_fresh_copy",
    "requires_grad",
)
def _same(call: Call) -> None:
    call.same(call.input())


@writes("to", "_to_copy", "type_as", "float")
def _cast(call: Call) -> None:
    before, after = (
        None if not isinstance(node, fx.Node) else getattr(node.meta.get("val"), "dtype", None)
        for node in (call.operand("self"), call.node)
    )
    if before != after:
        raise Unwritable(f"it casts {_type(before)} to {_type(after)}")
    call.same(call.input())


def _type(dtype: object) -> str:
    return str(dtype).removeprefix("torch.")


_BINARY = {
    "add": "Add",
    "sub": "Sub",
    "subtract": "Sub",
    "mul": "Mul",
    "multiply": "Mul",
    "div": "Div",
    "divide": "Div",
    "pow": "Pow",
    "maximum": "Max",
    "minimum": "Min",
}


@writes(*_BINARY)
def _binary(call: Call) -> None:
    if call.arguments.get("rounding_mode") is not None:
        raise Unwritable("it rounds")
    name = _name(call)
    first, second = call.operand("self"), call.operand("exponent" if name == "pow" else "other")
    if name == "div" and local_response(call, first, second):
        return
    if name == "pow" and second == 2:
        call.result("Mul", call.value(first), call.value(first))
        return
    call.result(_BINARY[name], call.value(first), _scaled(call, second))


@writes("rsub")
def _rsub(call: Call) -> None:
    call.result("Sub", call.value(call.operand("other")), _scaled(call, call.operand("self")))


def _scaled(call: Call, operand: Operand) -> str:
    """The second operand of a sum, times ``alpha``."""
    alpha = call.number("alpha", 1.0)
    if alpha == 1:
        return call.value(operand)
    return call.emit("Mul", call.value(operand), call.scalar(alpha))


@writes("softmax", "_softmax", "log_softmax", "_log_softmax")
def _softmax(call: Call) -> None:
    kind = "LogSoftmax" if "log" in _name(call) else "Softmax"
    attributes: dict[str, AttributeValue] = {"axis": call.integer("dim")}
    call.result(kind, call.input(), **attributes)


def _name(call: Call) -> str:
    """The name of the operator in ATen, for one in place that of the one that is not."""
    return str(call.node.target._schema.name).partition("::")[2].removesuffix("_")
