"""Shared by operators on the branches that a ``concat`` joined. Not an operator of the language itself."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.operator import Refusal
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
