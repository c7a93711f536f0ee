"""The swish in three pieces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Lowering
from resdsl.ir.torch_code import TorchCode
from resdsl.ops.elementwise import Elementwise


@dataclass(frozen=True, slots=True)
class HardSwish(Elementwise):
    """``y = x * min(max(x + 3, 0), 6) / 6`` (MobileNet v3, arXiv:1905.02244, section 5.2)."""

    name: ClassVar[str] = "hard_swish"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("hard_swish", (2, 3, 5, 4)),
        Example("hard_swish", (3, 7)),
    )

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.module('Hardswish')}({to.input})"

    def lower(self, to: Lowering) -> None:
        to("HardSwish", to.input)
