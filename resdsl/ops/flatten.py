"""Flattening an image to features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.dims import Dim
from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import require_channels
from resdsl.ops.gradients import shape_of
from resdsl.ops.identity import Identity


@dataclass(frozen=True, slots=True)
class Flatten(Operator):
    """All axes but the first become one, the last running fastest: ``[N, C, H, W]`` to ``[N, C*H*W]``."""

    name: ClassVar[str] = "flatten"
    drawn_inside: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("flatten", (2, 3, 5, 4)),
        Example("flatten", (2, 8, 1, 1)),
        Example("flatten", (3, 7)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "flatten")
        features: Dim = 1
        for dim in x.shape[1:]:
            features = features * dim
        return x.with_shape(x.shape[0], features)

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Identity() if x.rank == 2 else self

    def in_torch(self, to: TorchCode) -> str:
        to.item = "Flatten()"
        return f"torch.flatten({to.input}, 1)"

    def lower(self, to: Lowering) -> None:
        to("Flatten", to.input, axis=1)

    def gradient(self, to: Gradient) -> None:
        to.give(to("Reshape", to.gradient, shape_of(to, to.types[0])))
