"""The identity, as a branch of a join."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class Identity(Elementwise):
    """``y = x``."""

    name: ClassVar[str] = "identity"
    is_identity: ClassVar[bool] = True
    examples: ClassVar[tuple[Example, ...]] = (
        Example("identity", (2, 3, 5, 4)),
        Example("identity", (3, 7)),
    )

    def in_torch(self, to: TorchCode) -> str:
        to.item = "Identity()"
        return to.input

    def lower(self, to: Lowering) -> None:
        to("Identity", to.input)

    def gradient(self, to: Gradient) -> None:
        to.give(to.gradient)
