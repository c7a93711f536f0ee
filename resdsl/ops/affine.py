"""A learned weight and bias for each channel: as an operator, and as norms apply them after normalising."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.initializers import ONES, ZEROS, Constant
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Ref, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.gradients import sum_channels
from resdsl.ops.signature import arg


def weight_and_bias(x: TensorType) -> tuple[ParameterSpec, ...]:
    """One of each for every channel of ``x``; at first they change nothing."""
    shape = (known_channels(x),)
    return (
        ParameterSpec("weight", shape, ONES, dtype=x.dtype),
        ParameterSpec("bias", shape, ZEROS, dtype=x.dtype),
    )


@dataclass(frozen=True, slots=True)
class Affine(Operator):
    """A learned weight and bias for each channel: ``y[n, c] = weight[c] * x[n, c] + bias[c]``, at each pixel.

    ``affine(bias = false, init = 1e-6)`` is the layer scale of ConvNeXt (arXiv:2103.17239; arXiv:2201.03545,
    appendix A). Without ``per_channel`` there is one weight and one bias for all, of shape ``[1]``.
    """

    name: ClassVar[str] = "affine"
    aliases: ClassVar[tuple[str, ...]] = ("layerscale", "layer_scale", "layerscale2d")
    drawn_inside: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("affine", (2, 3, 5, 4)),
        Example("affine(bias = false, init = 1e-6)", (2, 3, 5, 4)),
        Example("affine(weight = false)", (1, 4, 3, 3)),
        Example("affine(per_channel = false)", (2, 3, 5, 4)),
        Example("affine", (3, 7)),
        Example("affine(true, false)", (3, 7)),
    )

    weight: bool = arg(True, doc="multiply by a learned number")
    bias: bool = arg(True, doc="add a learned number")
    per_channel: bool = arg(True, doc="a number for each channel instead of one for all")
    init: float = arg(1.0, doc="the value of the weight before training")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if self.per_channel:
            require_channels(x, "an affine per channel")
            known_channels(x)
        if not self.weight and not self.bias:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                "an affine without a weight and without a bias changes nothing",
                argument="bias",
                helps=("leave out `weight = false` or `bias = false`",),
            )
        if not self.weight and self.init != 1:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                "`init` is the value of the weight, and has no effect with `weight = false`",
                argument="init",
                helps=("leave `init` out",),
            )
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        shape = (known_channels(x) if self.per_channel else 1,)
        weight = ParameterSpec("weight", shape, Constant(self.init), dtype=x.dtype)
        bias = ParameterSpec("bias", shape, ZEROS, dtype=x.dtype)
        return (*([weight] if self.weight else ()), *([bias] if self.bias else ()))

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return replace(self, per_channel=self.per_channel and known_channels(x) > 1)

    def in_torch(self, to: TorchCode) -> str:
        (x,) = to.types
        pixels = "[:, None, None]" if self.per_channel and x.rank == 4 else ""
        product = f"{to.input} * {to.parameter('weight')}{pixels}" if self.weight else to.input
        return f"{product} + {to.parameter('bias')}{pixels}" if self.bias else product

    def lower(self, to: Lowering) -> None:
        y = to.input
        if self.weight:
            y = to("Mul", y, self._broadcast(to, "weight"))
        if self.bias:
            to("Add", y, self._broadcast(to, "bias"))

    def gradient(self, to: Gradient) -> None:
        if to.wants():
            to.give(to("Mul", to.gradient, self._broadcast(to, "weight")) if self.weight else to.gradient)
        if to.wants_parameter("weight"):
            to.give_parameter("weight", self._total(to, to("Mul", to.gradient, to.input)))
        if to.wants_parameter("bias"):
            to.give_parameter("bias", self._total(to, to.gradient))

    def _total(self, to: Gradient, value: Ref) -> Ref:
        """The sum in the shape of the parameters."""
        (x,) = to.types
        if self.per_channel:
            return sum_channels(to, value, x.rank)
        return to("Reshape", to("ReduceSum", value, keepdims=0), to.integers((1,)))

    def _broadcast(self, to: Lowering, name: str) -> Ref:
        """The parameter in a shape that fits the input's channels."""
        (x,) = to.types
        parameter = to.parameter(name)
        if not self.per_channel or x.rank == 2:
            return parameter
        return to("Reshape", parameter, to.integers((known_channels(x), *(1,) * (x.rank - 2))))
