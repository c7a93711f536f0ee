"""Global response normalisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ZEROS
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Window
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import sum_channels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class GlobalResponseNorm(Operator):
    """Channels that compete: ``y = x + weight[c] * x * n[c] + bias[c]`` (ConvNeXt V2, arXiv:2301.00808, section 3).

    ``n[c] = g[c] / (mean_k g[k] + eps)``, where ``g[c]`` is the root of the sum of squares of channel ``c`` over the
    image. Weight and bias start at 0. It is timm's ``GlobalResponseNorm``, with its tensor names; the authors' code
    calls the tensors ``gamma`` and ``beta``.
    """

    name: ClassVar[str] = "global_response_norm"
    aliases: ClassVar[tuple[str, ...]] = ("globalresponsenorm", "grn")
    drawn_inside: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("global_response_norm", (2, 3, 5, 4)),
        Example("global_response_norm(eps = 0.5)", (1, 4, 3, 3)),
    )

    eps: float = arg(1e-6, doc="added to the mean before it divides", within=(0, 1))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a global response norm")
        known_channels(x)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        shape = (known_channels(x),)
        return (
            ParameterSpec("weight", shape, ZEROS, dtype=x.dtype),
            ParameterSpec("bias", shape, ZEROS, dtype=x.dtype),
        )

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return "GRN"

    def in_torch(self, to: TorchCode) -> str:
        x = to.input
        response = f"torch.linalg.vector_norm({x}, dim=(2, 3), keepdim=True)"
        n = f"(response := {response}) / (response.mean(1, keepdim=True) + {self.eps!r})"
        weight, bias = (f"{to.parameter(name)}[:, None, None]" for name in ("weight", "bias"))
        return f"{x} + {weight} * {x} * ({n}) + {bias}"

    def lower(self, to: Lowering) -> None:
        each = to.integers((known_channels(to.types[0]), 1, 1))
        weight, bias = (to("Reshape", to.parameter(name), each) for name in ("weight", "bias"))
        response = to("ReduceL2", to.input, to.integers((2, 3)))
        mean = to("ReduceMean", response, to.integers((1,)))
        n = to("Div", response, to("Add", mean, to.number(self.eps)))
        # x * (1 + weight * n) instead of x + weight * (x * n): what is added and multiplied twice is [N, C, 1, 1].
        factor = to("Add", to("Mul", weight, n), to.number(1.0))
        to("Add", to("Mul", to.input, factor), bias)

    def gradient(self, to: Gradient) -> None:
        """With ``q[c]`` the gradient of ``n[c]`` and ``m = mean(g) + eps``, that of ``g[c]`` is
        ``q[c] / m - mean(q * g) / m^2``, and that of ``x`` through it ``x / g[c]`` times it.
        """
        pixels, one = to.integers((2, 3)), to.integers((1,))
        weight = to("Reshape", to.parameter("weight"), to.integers((known_channels(to.types[0]), 1, 1)))
        response = to("ReduceL2", to.input, pixels)
        m = to("Add", to("ReduceMean", response, one), to.number(self.eps))
        n = to("Div", response, m)
        along = to("ReduceSum", to("Mul", to.gradient, to.input), pixels, keepdims=1)
        if to.wants():
            q = to("Mul", weight, along)
            shared = to("ReduceMean", to("Mul", q, n), one)
            of_response = to("Div", to("Sub", q, shared), m)
            # An image of zeros has no slope.
            is_zero = to("Equal", response, to.number(0.0))
            slope = to("Where", is_zero, to.number(0.0), to("Div", of_response, response))
            factor = to("Add", to("Mul", weight, n), to.number(1.0))
            to.give(to("Add", to("Mul", to.gradient, factor), to("Mul", to.input, slope)))
        if to.wants_parameter("weight"):
            to.give_parameter("weight", sum_channels(to, to("Mul", along, n), 4))
        if to.wants_parameter("bias"):
            to.give_parameter("bias", sum_channels(to, to.gradient, 4))
