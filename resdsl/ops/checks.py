"""Checks that operators share for the types of their inputs."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Refusal
from resdsl.ir.types import TensorType


def require_image(x: TensorType, what: str) -> None:
    """Refuse everything but ``[N, C, H, W]``. ``what`` begins the message: ``a convolution``."""
    if x.rank == 4:
        return
    helps = ("put it before `flatten`",) if x.rank == 2 else ()
    raise Refusal(catalogue.RANK, f"{what} works on images [N, C, H, W], and gets {x}", helps=helps)


def require_channels(x: TensorType, what: str) -> None:
    """Refuse what has no second axis."""
    if x.rank < 2:
        raise Refusal(catalogue.RANK, f"{what} works on [N, C] or [N, C, H, W], and gets {x}")


def known_channels(x: TensorType) -> int:
    """The channels as a number; refuses a symbol."""
    helps = ("give the input a number of channels: `f32[N, 3, H, W]`",)
    return known(x.channels, "the number of channels", helps=helps)


def require_groups(x: TensorType, groups: int) -> int:
    """The channels as a number; refuses ``groups`` that do not divide it."""
    channels = known_channels(x)
    if channels % groups:
        raise Refusal(catalogue.GROUPS, f"{groups} groups do not divide {channels} channels", argument="groups")
    return channels


def known(dim: Dim, what: str, *, helps: tuple[str, ...] = ()) -> int:
    """The size as a number; refuses a symbolic one. ``what`` begins the message: ``the number of channels``."""
    if not isinstance(dim, int):
        raise Refusal(catalogue.SYMBOLIC_SIZE, f"{what} must be known, and is {dim}", helps=helps)
    return dim
