"""Local response normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Ref, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_image
from resdsl.ops.gradients import shape_of
from resdsl.ops.signature import SMALLEST_NUMBER, arg


@dataclass(frozen=True, slots=True)
class LocalResponseNorm(Operator):
    """Each channel divided by the magnitude of its neighbouring channels at the same pixel.

    ``y[c] = x[c] / (k + alpha / size * sum_j x[j]^2) ^ beta`` over those of the ``size`` channels ``j`` around ``c``
    that exist (Krizhevsky et al. 2012, section 3.3). As in Caffe, PyTorch and ONNX, ``alpha`` is divided by ``size``;
    the paper's formula does not do that, so its ``alpha = 1e-4`` is ``alpha = 5e-4`` here.
    """

    name: ClassVar[str] = "lrn"
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("lrn", (2, 8, 3, 2)),
        Example("lrn(size = 3, alpha = 0.5, beta = 0.6, k = 2)", (1, 6, 2, 3)),
        Example("lrn(7, alpha = 1)", (1, 4, 2, 2)),
        Example("lrn(1, alpha = 2)", (1, 4, 2, 2)),
    )

    size: int = arg(5, doc="number of channels that are summed over, centred on the channel itself; odd")
    alpha: float = arg(1e-4, doc="weight of the mean square of the neighbours; above 0")
    beta: float = arg(0.75, doc="exponent; above 0")
    k: float = arg(1.0, doc="the divisor where all neighbours are zero", within=(0, math.inf))

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "a local response norm")
        known_channels(x)
        if self.size % 2 == 0:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"{self.size} channels have no middle one",
                argument="size",
                helps=(f"an odd number: {self.size - 1} or {self.size + 1}",),
            )
        for name, value in (("alpha", self.alpha), ("beta", self.beta)):
            # ONNX Runtime requires it of the 32-bit float that the number is stored as.
            if value < SMALLEST_NUMBER:
                raise Refusal(
                    catalogue.ARGUMENT_VALUE,
                    f"`{name}` of `lrn` must be above 0, and is {value:g}",
                    argument=name,
                    helps=("leave the `lrn` out where it should have no effect",),
                )
        return x

    def canonical(self, *inputs: TensorType) -> Operator:
        size, alpha = self._reaching(known_channels(inputs[0]))
        # A file has `alpha` in 32 bits, of which this many digits are left.
        return replace(self, size=size, alpha=float(f"{alpha:.6g}"))

    def label(self) -> str:
        return f"LRN, {self.size}"

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('LocalResponseNorm', self.size, self.alpha, self.beta, self.k)}({to.input})"

    def lower(self, to: Lowering) -> None:
        # ONNX Runtime allocates memory for all of `size`.
        size, alpha = self._reaching(known_channels(to.types[0]))
        to("LRN", to.input, size=size, alpha=alpha, beta=self.beta, bias=self.k)

    def _reaching(self, channels: int) -> tuple[int, float]:
        """``size`` and ``alpha`` without the neighbours that no channel has."""
        # This many reach every channel from any other.
        whole = 2 * channels - 1
        return (self.size, self.alpha) if self.size <= whole else (whole, self.alpha * whole / self.size)

    def gradient(self, to: Gradient) -> None:
        """With ``d = k + alpha / size * sum_j x[j]^2``:
        ``dx[c] = g[c] * d[c]^-beta - 2 * alpha * beta / size * x[c] * sum_j g[j] * x[j] * d[j]^(-beta - 1)``.
        """
        import numpy as np

        (x,) = to.types
        places = np.arange(known_channels(x))
        # Channel j is among the neighbours of c exactly where c is among those of j.
        near = to.numbers(np.abs(places[:, None] - places) <= self.size // 2)

        def sum_near(value: Ref) -> Ref:
            flat = to("Reshape", value, to.integers((0, 0, -1)))
            return to("Reshape", to("MatMul", near, flat), shape_of(to, x))

        squares = sum_near(to("Mul", to.input, to.input))
        d = to("Add", to("Mul", squares, to.number(self.alpha / self.size)), to.number(self.k))
        power = to("Pow", d, to.number(-self.beta))
        direct = to("Mul", to.gradient, power)
        shared = sum_near(to("Div", to("Mul", direct, to.input), d))
        factor = to.number(2 * self.alpha * self.beta / self.size)
        to.give(to("Sub", direct, to("Mul", to("Mul", to.input, shared), factor)))
