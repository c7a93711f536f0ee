"""The fully connected layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.initializers import ZEROS, VarianceScaling
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Refusal
from resdsl.ir.torch_code import TorchCode, unless
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Linear(Operator):
    """A fully connected layer, from ``[N, F]`` to ``[N, features]``.

    ``y[n, o] = bias[o] + sum_f weight[o, f] * x[n, f]``.
    """

    name: ClassVar[str] = "linear"
    aliases: ClassVar[tuple[str, ...]] = ("dense", "fc", "inner_product")
    counts_as_layer: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("linear(10)", (3, 7)),
        Example("linear(1, bias = false)", (2, 5)),
        Example("linear(features = channels // 4)", (1, 16)),
    )

    features: int = arg(doc="features of the result")
    bias: bool = arg(True, doc="add a learned constant to each feature")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        if x.rank != 2:
            helps = ("write `flatten` before it, and for one number per channel `avgpool(global)` before that",)
            raise Refusal(
                catalogue.RANK,
                f"a linear layer works on features [N, F], and gets {x}",
                helps=helps if x.rank == 4 else (),
            )
        _features(x)
        return x.with_shape(x.shape[0], self.features)

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        shape = (self.features, _features(x))
        weight = ParameterSpec("weight", shape, VarianceScaling(shape[1], shape[0]), dtype=x.dtype)
        return (weight, ParameterSpec("bias", (self.features,), ZEROS, dtype=x.dtype)) if self.bias else (weight,)

    def macs(self, inputs: Sequence[TensorType], result: TensorType) -> Dim:
        return _features(inputs[0]) * self.features

    def label(self) -> str:
        return f"fc {self.features}"

    def in_torch(self, to: TorchCode) -> str:
        linear = to.module("Linear", _features(to.types[0]), self.features, bias=unless(self.bias, True))
        return f"{linear}({to.input})"

    def lower(self, to: Lowering) -> None:
        weights = [to.parameter("weight")] + ([to.parameter("bias")] if self.bias else [])
        to("Gemm", to.input, *weights, transB=1)

    def gradient(self, to: Gradient) -> None:
        if to.wants():
            to.give(to("Gemm", to.gradient, to.parameter("weight")))
        if to.wants_parameter("weight"):
            to.give_parameter("weight", to("Gemm", to.gradient, to.input, transA=1))
        if to.wants_parameter("bias"):
            to.give_parameter("bias", to("ReduceSum", to.gradient, to.integers((0,)), keepdims=0))


def _features(x: TensorType) -> int:
    return known(
        x.shape[1],
        "the number of features",
        helps=("write `avgpool(global)` before `flatten`: it leaves one number per channel for images of any size",),
    )
