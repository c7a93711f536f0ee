"""Shared by the operators with a sliding window: padding, the size of the result, the text in pictures."""

from __future__ import annotations

from resdsl.diagnostics import catalogue
from resdsl.ir.dims import Dim
from resdsl.ir.operator import Refusal, Steps, Window
from resdsl.ir.types import Sides, Size, TensorType, Word

_ONE = Size(1, 1)

PADDINGS = ("half", "valid", "same")
"""``half``: ``dilation * (k - 1) // 2`` on both sides; ``valid``: none; ``same``: TensorFlow's SAME."""


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
    """TensorFlow's SAME: as much as ``ceil(size / stride)`` windows need; an odd pixel goes to the end."""
    reach = extent(kernel, dilation)
    if stride == 1:
        total = reach - 1
    elif isinstance(dim, int):
        total = max((-(-dim // stride) - 1) * stride + reach - dim, 0)
    elif reach <= 1:
        total = 0
    else:
        raise Refusal(
            catalogue.SYMBOLIC_SIZE,
            f"`pad = same` with a stride pads by an amount that depends on the size, and {dim} is not known",
            argument="pad",
            helps=("write the padding as `half` or as a number, or give the input a fixed size",),
        )
    return total // 2, total - total // 2


def extent(kernel: int, dilation: int) -> int:
    """The number of pixels from a window's first point to its last, both included."""
    return dilation * (kernel - 1) + 1


def spacing(kernel: Size, dilation: Size) -> Size:
    """The dilation, 1 along an axis where the window has one point and no distance."""
    return Size(*(1 if points == 1 else step for points, step in zip(kernel, dilation, strict=True)))


def ceil_sides(pad: Sides, kernel: Size, stride: Size, dilation: Size) -> Sides:
    """The padding with which whole windows are those of ``ceil = true``, where the last may extend past the input.

    PyTorch rounds the number of windows up and leaves the last out if it would begin after the input and its first
    padding. With ``p`` before and ``q`` after, ``e`` the extent and ``s`` the stride that is
    ``min(ceil((size + p + q - e) / s) + 1, ceil((size + p) / s))`` windows, and as many fit whole where ``q`` is
    ``min(q + s - 1, e - 1)``, for any size.
    """
    bottom = _ceil_end(pad.bottom, kernel.height, stride.height, dilation.height)
    right = _ceil_end(pad.right, kernel.width, stride.width, dilation.width)
    return Sides(pad.top, pad.left, bottom, right)


def _ceil_end(end: int, kernel: int, stride: int, dilation: int) -> int:
    return min(end + stride - 1, extent(kernel, dilation) - 1)


def windows(x: TensorType, kernel: Size, stride: Size, dilation: Size, pad: Sides) -> tuple[Dim, Dim]:
    """The number of positions of the window, down and across: ``(size + pad - extent) // stride + 1``."""
    rows = _places(x.shape[2], kernel.height, stride.height, dilation.height, pad.top + pad.bottom, "row")
    columns = _places(x.shape[3], kernel.width, stride.width, dilation.width, pad.left + pad.right, "column")
    return rows, columns


def _places(dim: Dim, kernel: int, stride: int, dilation: int, padding: int, axis: str) -> Dim:
    reach = extent(kernel, dilation)
    room = dim + padding - reach
    if isinstance(room, int) and room < 0:
        raise Refusal(
            catalogue.KERNEL_TOO_LARGE,
            f"the window covers {counted(reach, axis)}, and the input has {dim}"
            + (f" and {padding} of padding" if padding else ""),
            argument="kernel",
            helps=("a smaller kernel, more padding, or a larger input",),
        )
    return room // stride + 1


def window(x: TensorType, kernel: Size, stride: Size, dilation: Size, pad: Sides | Word) -> Window:
    """What ``Operator.window`` returns for a kernel that moves over ``x``."""
    around = sides(pad, x, kernel, stride, dilation)
    return Window(
        Steps(kernel.height, stride.height, dilation.height, around.top),
        Steps(kernel.width, stride.width, dilation.width, around.left),
    )


def window_label(
    what: str, kernel: Size, stride: Size, pad: Sides | Word, *, dilation: Size = _ONE, groups: int = 1
) -> str:
    """The text of a box: ``3x3 max pool, /2``.

    ``/2`` is the stride, ``d = 2`` the dilation, ``g = 32`` the groups, ``V`` a window of more than one pixel without
    padding (as in the figures of arXiv:1602.07261). Arguments at their defaults are left out.
    """
    words = [f"{kernel} {what}"]
    if stride != _ONE:
        words.append(f"/{size_label(stride)}")
    if dilation != _ONE:
        words.append(f"d = {size_label(dilation)}")
    if groups != 1:
        words.append(f"g = {groups}")
    # A window as wide as its stride is never padded, so that needs no mention.
    if pad == "valid" and kernel not in (_ONE, stride):
        words.append("V")
    return ", ".join(words)


def size_label(size: Size) -> str:
    """One number where height and width are equal: ``2``, ``2x1``."""
    return str(size.height) if size.height == size.width else str(size)


def counted(number: int, what: str) -> str:
    """``1 row``, ``2 rows``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
