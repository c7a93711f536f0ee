"""A range of channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Example, Gradient, Lowering, Operator, Refusal
from resdsl.ir.torch_code import TorchCode
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels
from resdsl.ops.identity import Identity
from resdsl.ops.signature import arg


@dataclass(frozen=True, slots=True)
class Slice(Operator):
    """The channels from ``start`` to the one before ``stop``, as Python's ``x[:, start:stop]``.

    Branches that begin with a slice split a value: ``concat { slice(0, 4); { slice(4, 8); conv(4, 3x3) } }``
    (ShuffleNet v2, arXiv:1807.11164, figure 3c).
    """

    name: ClassVar[str] = "slice"
    aliases: ClassVar[tuple[str, ...]] = ("split", "chunk", "narrow")
    examples: ClassVar[tuple[Example, ...]] = (
        Example("slice(0, 2)", (2, 3, 5, 4)),
        Example("slice(channels // 2, channels)", (1, 6, 3, 2)),
        Example("slice(1, stop = 2)", (1, 4, 2, 2)),
        Example("slice(3, 7)", (3, 8)),
    )

    start: int = arg(doc="the first channel, counted from 0", at_least=0)
    stop: int = arg(doc="the channel behind the last: `channels` for all that follow")

    def infer(self, *inputs: TensorType) -> TensorType:
        (x,) = inputs
        require_channels(x, "a slice")
        channels = known_channels(x)
        if self.stop > channels:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"the slice ends at channel {self.stop}, and the input has {channels}",
                argument="stop",
                helps=("write `channels` for all channels from the first",),
            )
        if self.start >= self.stop:
            raise Refusal(
                catalogue.ARGUMENT_VALUE,
                f"no channel is from {self.start} on and before {self.stop}",
                argument="start",
                helps=(
                    f"`stop` is the channel behind the last: `slice({self.start}, {self.start + 1})` is one channel",
                ),
            )
        return x.with_shape(x.shape[0], self.stop - self.start, *x.shape[2:])

    def canonical(self, *inputs: TensorType) -> Operator:
        (x,) = inputs
        return Identity() if (self.start, self.stop) == (0, known_channels(x)) else self

    def label(self) -> str:
        return f"channels {self.start}:{self.stop}"

    def in_torch(self, to: TorchCode) -> str:
        start, stop = str(self.start), str(self.stop)
        # As `ruff format` writes them: spaces around the colon where a bound is not just a number.
        colon = ":" if start.isdigit() and stop.isdigit() else " : "
        return f"{to.input}[:, {start}{colon}{stop}]"

    def lower(self, to: Lowering) -> None:
        to("Slice", to.input, to.integers((self.start,)), to.integers((self.stop,)), to.integers((1,)))

    def gradient(self, to: Gradient) -> None:
        after = known_channels(to.types[0]) - self.stop
        to.give(to("Pad", to.gradient, to.integers((self.start, after)), None, to.integers((1,))))
