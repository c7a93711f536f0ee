"""Shared by operators on the branches that a ``concat`` joined. Not an operator of the language itself."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Lowering, Ref, Refusal
from resdsl.ir.types import TensorType
from resdsl.ops.checks import known_channels, require_channels


def channels_of_each(x: TensorType, branches: int, what: str) -> int:
    """The channels of each of so many equal branches. ``what`` begins the message: ``a sum of branches``."""
    require_channels(x, what)
    channels = known_channels(x)
    if channels % branches:
        raise Refusal(
            catalogue.ARGUMENT_VALUE,
            f"{channels} channels are not those of {branches} equal branches",
            argument="branches",
            helps=("join branches of equal channels by `concat`, and write their number",),
        )
    return channels // branches


def with_channels(to: Lowering, y: Ref, channels: int) -> None:
    """Add the node that gives ``y``, of any shape with the batch first, the pixels of the input."""
    pixels = to.types[0].shape[2:]
    known = [size for size in pixels if isinstance(size, int)]
    shape = to.integers((0, channels, *known))
    if len(known) < len(pixels):
        shape = to("Concat", to.integers((0, channels)), to("Shape", to.input, start=2), axis=0)
    to("Reshape", y, shape)
