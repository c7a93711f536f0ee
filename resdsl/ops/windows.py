"""What every operator with a sliding window shares: padding and the size of the result."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim, ceil_div
from resdsl.ir.operator import Refusal
from resdsl.ir.types import Sides, Size, TensorType, Word

PADDINGS = ("half", "valid", "same")
"""``half``: ``dilation * (k - 1) // 2`` on both sides; ``valid``: none; ``same``: TensorFlow's SAME."""


def require_image(x: TensorType, what: str) -> None:
    """Refuse everything but ``[N, C, H, W]``."""
    if x.rank != 4:
        raise Refusal(catalogue.RANK, f"{what} works on images [N, C, H, W], and gets {x}")


def sides(pad: Sides | Word, x: TensorType, kernel: Size, stride: Size, dilation: Size) -> Sides:
    """The padding in pixels at each side of ``x``."""
    if isinstance(pad, Sides):
        return pad
    if pad == "valid":
        return Sides(0, 0, 0, 0)
    if pad == "half":
        vertical = dilation.height * (kernel.height - 1) // 2
        horizontal = dilation.width * (kernel.width - 1) // 2
        return Sides(vertical, horizontal, vertical, horizontal)
    top, bottom = _same(x.shape[2], kernel.height, stride.height, dilation.height)
    left, right = _same(x.shape[3], kernel.width, stride.width, dilation.width)
    return Sides(top, left, bottom, right)


def _same(dim: Dim, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """TensorFlow's SAME: as much as ``ceil(size / stride)`` windows need, the odd pixel after."""
    extent = dilation * (kernel - 1) + 1
    if stride == 1:
        total = extent - 1
    elif isinstance(dim, int):
        total = max((-(-dim // stride) - 1) * stride + extent - dim, 0)
    elif extent <= 1:
        total = 0
    else:
        raise Refusal(
            catalogue.SYMBOLIC_SIZE,
            f"`pad = same` with a stride pads by an amount that depends on the size, and {dim} is not known",
            argument="pad",
            helps=("write the padding as `half` or as a number, or give the input a fixed size",),
        )
    return total // 2, total - total // 2


def windows(
    x: TensorType, kernel: Size, stride: Size, dilation: Size, pad: Sides, *, ceil: bool = False
) -> tuple[Dim, Dim]:
    """How many places the window takes down and across: ``(size + pad - extent) // stride + 1``."""
    rows = _places(x.shape[2], kernel.height, stride.height, dilation.height, (pad.top, pad.bottom), ceil, "rows")
    columns = _places(x.shape[3], kernel.width, stride.width, dilation.width, (pad.left, pad.right), ceil, "columns")
    return rows, columns


def _places(
    dim: Dim, kernel: int, stride: int, dilation: int, pad: tuple[int, int], ceil: bool, axis: str
) -> Dim:
    extent = dilation * (kernel - 1) + 1
    room = dim + sum(pad) - extent
    if isinstance(room, int) and room < 0:
        raise Refusal(
            catalogue.KERNEL_TOO_LARGE,
            f"the window covers {extent} {axis}, and the input has {dim}"
            + (f" and {sum(pad)} of padding" if any(pad) else ""),
            argument="kernel",
            helps=("a smaller kernel, more padding, or a larger input",),
        )
    if not ceil:
        return room // stride + 1
    places = ceil_div(room, stride) + 1
    # A last window that would begin in the padding after the end is left out (as PyTorch and ONNX do).
    if isinstance(places, int) and isinstance(dim, int):
        return places - 1 if (places - 1) * stride >= dim + pad[0] else places
    if pad[1] + stride - 1 >= extent:
        raise Refusal(
            catalogue.SYMBOLIC_SIZE,
            f"whether the last window of `ceil = true` begins inside the input depends on {dim}, which is not known",
            argument="ceil",
            helps=("pad less than the kernel leaves over, or give the input a fixed size",),
        )
    return places
