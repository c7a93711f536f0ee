"""Shuffling channels between groups."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.ir.operator import Example, Gradient, Lowering, Operator
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels, require_groups
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class ChannelShuffle(Operator):
    """Channels interleaved between groups, so that each group of the next layer reads from all groups of the last.

    ``y[j * groups + g] = x[g * (C / groups) + j]`` (ShuffleNet, arXiv:1707.01083, section 3.1).
    """

    name: ClassVar[str] = "channel_shuffle"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("channel_shuffle(2)", (1, 6, 3, 2)),
        Example("channel_shuffle(groups = 3)", (2, 12, 2, 2)),
        Example("channel_shuffle(1)", (1, 4, 2, 2)),
        Example("channel_shuffle(2)", (3, 8)),
    )

    groups: int = arg(doc="the number of groups of channels in the layer before")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a channel shuffle")
        require_groups(x, self.groups)
        return x

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Identity() if self.groups in (1, known_channels(x)) else self

    def label(self) -> str:
        return f"channel shuffle, g = {self.groups}"

    def in_torch(self, to: TorchCode) -> str:
        return f"{to.input}.unflatten(1, ({self.groups}, -1)).transpose(1, 2).flatten(1, 2)"

    def lower(self, to: Lowering) -> None:
        # A gather instead of reshape, transpose and reshape: it needs no sizes, so they may stay symbolic.
        each = known_channels(to.types[0]) // self.groups
        order = [group * each + place for place in range(each) for group in range(self.groups)]
        to("Gather", to.input, to.integers(order), axis=1)

    def gradient(self, to: Gradient) -> None:
        each = known_channels(to.types[0]) // self.groups
        order = [place * self.groups + group for group in range(self.groups) for place in range(each)]
        to.give(to("Gather", to.gradient, to.integers(order), axis=1))
