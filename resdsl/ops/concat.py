"""Concatenation of branches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Example, Gradient, Lowering, Moments, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels
from resdsl.ops.join import Join, require_fit


@dataclass(frozen=True, slots=True)
class Concat(Join):
    """The channels of all branches in their order (DenseNet, Inception); all other sizes must be equal."""

    join: ClassVar[str] = "concat"
    examples: ClassVar[tuple[Example, ...]] = (
        Example("concat { identity; relu }", (1, 4, 3, 3)),
        Example("concat { conv(2, 1x1); maxpool(3x3); identity }", (2, 3, 4, 5)),
        Example("concat { sigmoid; identity }", (3, 7)),
        Example("concat { relu }", (1, 2, 3, 3)),
    )

    def infer(self, *inputs: TensorType) -> TensorType:
        require_fit(type(self), inputs, free=1)
        first = inputs[0]
        if first.rank < 2:
            raise Refusal(catalogue.RANK, f"`concat` joins channels, and {first} has none")
        channels: Dim = 0
        for x in inputs:
            channels = channels + x.channels
        return first.with_shape(first.shape[0], channels, *first.shape[2:])

    def moments(self, inputs: Sequence[Moments], types: Sequence[TensorType]) -> Moments:
        # Unknown numbers of channels count as equal.
        channels = [x.channels if isinstance(x.channels, int) else 1 for x in types]
        shares = [count / sum(channels) for count in channels]
        mean = sum(share * x.mean for share, x in zip(shares, inputs, strict=True))
        square = sum(share * x.square for share, x in zip(shares, inputs, strict=True))
        return Moments(mean, max(square - mean * mean, 0.0))

    def in_torch(self, to: TorchCode) -> str:
        return f"torch.cat([{', '.join(to.inputs)}], 1)"

    def lower(self, to: Lowering) -> None:
        to("Concat", *to.inputs, axis=1)

    def gradient(self, to: Gradient) -> None:
        start = 0
        for index, x in enumerate(to.types):
            stop = start + known_channels(x)
            if to.wants(index):
                bounds = (to.integers((number,)) for number in (start, stop, 1))
                to.give(to("Slice", to.gradient, *bounds) if len(to.types) > 1 else to.gradient, index)
            start = stop
