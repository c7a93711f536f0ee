"""EvoNorm-S0: a norm and an activation in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.initializers import ONES
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, ParameterSpec, Ref, Window
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.affine import weight_and_bias
from resdsl.ops.checks import known_channels, require_groups, require_image
from resdsl.ops.gradients import per_channel, shape_of, sum_channels
from resdsl.ops.pixels import with_pixels
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class EvoNorm(Operator):
    """``x * sigmoid(v[c] * x)``, divided by the deviation of its group of channels in the image before that.

    ``y = weight[c] * x * sigmoid(v[c] * x) / sqrt(var[n, g] + eps) + bias[c]``, where ``g`` is the group of channel
    ``c`` (EvoNorm-S0 of Liu et al. 2020, arXiv:2004.02967, table 1). It is timm's ``EvoNorm2dS0``, with its tensor
    names; ``gate = false`` is its ``EvoNorm2dS0a`` without an activation, as at the end of a residual block.
    """

    name: ClassVar[str] = "evo_norm"
    aliases: ClassVar[tuple[str, ...]] = ("evonorm", "evonorm2ds0", "evonorms0", "evo_norm_s0")
    drawn_inside: ClassVar[bool] = True
    is_norm: ClassVar[bool] = True
    needs_f32: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("evo_norm(2)", (2, 6, 5, 4)),
        Example("evo_norm(groups = 1, eps = 1e-3)", (1, 4, 3, 3)),
        Example("evo_norm(channels, affine = false)", (2, 3, 5, 4)),
        Example("evo_norm(2, gate = false)", (2, 6, 5, 4)),
    )

    groups: int = arg(doc="the channels are in this many groups, each with a deviation of its own")
    eps: float = arg(1e-5, doc="added to the variance before its root is taken", within=(0, 1))
    affine: bool = arg(True, doc="a learned weight and bias for each channel after normalising")
    gate: bool = arg(True, doc="times a sigmoid with a learned factor for each channel, in place of an activation")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_image(x, "an EvoNorm")
        require_groups(x, self.groups)
        return x

    def parameters(self, *inputs: TensorType) -> tuple[ParameterSpec, ...]:
        (x,) = inputs
        v = ParameterSpec("v", (known_channels(x),), ONES, dtype=x.dtype)
        return (*(weight_and_bias(x) if self.affine else ()), *([v] if self.gate else ()))

    def window(self, x: TensorType, result: TensorType) -> Window | None:
        return None

    def label(self) -> str:
        return f"EvoNorm, {self.groups}"

    def in_torch(self, to: TorchCode) -> str:
        x, each = to.input, known_channels(to.types[0]) // self.groups
        variance = f"{x}.unflatten(1, ({self.groups}, -1)).flatten(3).var((2, 3), False, True)"
        deviation = f"torch.sqrt({variance} + {self.eps!r}).repeat_interleave({each}, 1)"
        gate = f" * torch.sigmoid({to.parameter('v')}[:, None, None] * {x})" if self.gate else ""
        y = f"{x}{gate} / {deviation}"
        if not self.affine:
            return y
        return f"{y} * {to.parameter('weight')}[:, None, None] + {to.parameter('bias')}[:, None, None]"

    def lower(self, to: Lowering) -> None:
        (x,) = to.types
        gated = to("Mul", to.input, self._gate(to)) if self.gate else to.input
        _, deviation = self._spread(to)
        y = to("Div", to("Reshape", gated, self._grouped(to)), deviation)
        y = with_pixels(to, y, known_channels(x))
        if self.affine:
            y = to("Mul", y, per_channel(to, to.parameter("weight"), x))
            to("Add", y, per_channel(to, to.parameter("bias"), x))

    def _grouped(self, to: Lowering) -> Ref:
        return to.integers((0, self.groups, -1))

    def _gate(self, to: Lowering) -> Ref:
        """``sigmoid(v * x)``."""
        return to("Sigmoid", to("Mul", to.input, per_channel(to, to.parameter("v"), to.types[0])))

    def _spread(self, to: Lowering) -> tuple[Ref, Ref]:
        """``x - mean`` as ``[N, groups, elements of a group]``, and the deviations as ``[N, groups, 1]``."""
        x, over = to("Reshape", to.input, self._grouped(to)), to.integers((2,))
        centred = to("Sub", x, to("ReduceMean", x, over))
        variance = to("ReduceMean", to("Mul", centred, centred), over)
        return centred, to("Sqrt", to("Add", variance, to.number(self.eps)))

    def gradient(self, to: Gradient) -> None:
        """With ``s`` the deviation, ``z = x * sigmoid(v * x) / s`` and ``h`` its gradient::

            dx = h * (sigmoid + v * x * sigmoid * (1 - sigmoid)) / s - (x - mean) * mean(h * z) / s^2
            dv = sum of h * x^2 * sigmoid * (1 - sigmoid) / s

        Without the gate, ``sigmoid`` is 1.
        """
        (x,) = to.types
        grouped, image, over = self._grouped(to), shape_of(to, x), to.integers((2,))
        gate = self._gate(to) if self.gate else to.number(1.0)
        gated = to("Mul", to.input, gate)
        centred, deviation = self._spread(to)
        h = to("Mul", to.gradient, per_channel(to, to.parameter("weight"), x)) if self.affine else to.gradient
        z = to("Div", to("Reshape", gated, grouped), deviation)
        # h / s, and x * sigmoid * (1 - sigmoid).
        each = to("Reshape", to("Div", to("Reshape", h, grouped), deviation), image)
        bend = to("Mul", gated, to("Sub", to.number(1.0), gate))
        if to.wants():
            slope = to("Add", gate, to("Mul", bend, per_channel(to, to.parameter("v"), x))) if self.gate else gate
            along = to("ReduceMean", to("Mul", to("Reshape", h, grouped), z), over)
            spread = to("Div", to("Mul", centred, along), to("Mul", deviation, deviation))
            to.give(to("Sub", to("Mul", each, slope), to("Reshape", spread, image)))
        if to.wants_parameter("v"):
            to.give_parameter("v", sum_channels(to, to("Mul", each, to("Mul", bend, to.input)), 4))
        if to.wants_parameter("weight", "bias"):
            whole = to("Reshape", z, image)
            to.give_parameter("weight", sum_channels(to, to("Mul", to.gradient, whole), 4))
            to.give_parameter("bias", sum_channels(to, to.gradient, 4))
