"""``Resize`` and ``Upsample`` of an image by a whole factor, ``upsample``, or to a size, ``interpolate``."""

from __future__ import annotations

from resdsl.importer.draft import Constant, Value, View
from resdsl.importer.numbers import near
from resdsl.importer.step import Step, seen
from resdsl.ir.dims import Dim
from resdsl.ir.types import Size, Word
from resdsl.ops.interpolate import Interpolate
from resdsl.ops.upsample import Upsample

TYPES = ("Resize", "Upsample")
VIEWS = True


def read(step: Step) -> Value | View | None:
    place = step.place()
    if place is None or place[0].type.rank != 4:
        return None
    base, perm = place
    factors = _factors(step, base, perm or (0, 1, 2, 3))
    if factors == Size(1, 1):
        return seen(base, perm)
    if factors is not None:
        grid = _mode(step, is_whole=True)
        return None if grid is None else step.made_in(place, Upsample(factors, Word(grid[0]), grid[1]))
    size = _size(step, base, perm or (0, 1, 2, 3))
    grid = _mode(step, is_whole=False)
    if size is None or grid is None:
        return None
    if size == base.type.shape[2:]:
        return seen(base, perm)
    return step.made_in(place, Interpolate(size, Word(grid[0]), grid[1]))


def _factors(step: Step, base: Value, perm: tuple[int, ...]) -> Size | None:
    """How many rows and columns become of one; ``None`` where that is not whole, or channels are resized too."""
    by_axis: list[int] = [1, 1, 1, 1]
    axes = step.node.integers("axes") or (0, 1, 2, 3)
    sizes = step.sizes(3)
    scales = _scales(step)
    given: list[int | None]
    if scales is not None:
        given = [round(scale) if near(scale, round(scale)) else None for scale in scales]
    elif sizes is not None:
        shape = base.type.shape
        given = [_ratio(size, shape[perm[axis]]) for axis, size in zip(axes, sizes, strict=False) if -4 <= axis < 4]
    else:
        return None
    if len(given) != len(axes):
        return None
    for axis, factor in zip(axes, given, strict=True):
        if factor is None or factor < 1:
            return None
        by_axis[perm[axis]] = factor
    return Size(by_axis[2], by_axis[3]) if by_axis[:2] == [1, 1] else None


def _size(step: Step, base: Value, perm: tuple[int, ...]) -> Size | None:
    """The height and the width of the result, where the node states them; ``None`` if they are not known."""
    axes, sizes = step.node.integers("axes") or (0, 1, 2, 3), step.sizes(3)
    if sizes is None or len(sizes) != len(axes) or step.node.word("keep_aspect_ratio_policy", "stretch") != "stretch":
        return None
    result = list(base.type.shape)
    for axis, size in zip(axes, sizes, strict=True):
        result[perm[axis % 4]] = size
    height, width = result[2:]
    if result[:2] != list(base.type.shape[:2]) or not isinstance(height, int) or not isinstance(width, int):
        return None
    return Size(height, width)


def _scales(step: Step) -> list[float] | None:
    if step.type == "Upsample" and not step.given(1):
        scales = step.node.attributes.get("scales")
        return [float(one) for one in scales] if isinstance(scales, tuple) else None
    constant: Constant | None = step.constant(1 if step.type == "Upsample" or step.opset < 11 else 2)
    if constant is None or not constant.items:
        return None
    if not all(isinstance(item, int | float) for item in constant.items):
        return None
    return [float(item) for item in constant.items]  # type: ignore[arg-type]


def _ratio(size: Dim, before: Dim) -> int | None:
    if size == before:
        return 1
    if isinstance(size, int) and isinstance(before, int):
        return size // before if size % before == 0 else None
    if isinstance(before, int):
        return None
    return next((factor for factor in range(2, 33) if before * factor == size), None)


def _mode(step: Step, *, is_whole: bool) -> tuple[str, bool] | None:
    """How values between pixels are computed, and whether corners stay corners, for a whole factor or for any."""
    mode = step.node.word("mode", "nearest")
    node = step.node
    if node.integer("antialias") or node.integer("exclude_outside"):
        return None
    if step.type == "Upsample" or step.opset < 11:
        # A row is read at ``i / factor``: the nearest of it is the one of `upsample`.
        return ("nearest", False) if mode == "nearest" else None
    grid = node.word("coordinate_transformation_mode", "half_pixel")
    if mode == "nearest":
        rounding = node.word("nearest_mode", "round_prefer_floor")
        # With a whole factor, the pixel whose centre is nearest is the one that the new pixel is a part of, and no
        # two are as near.
        centred = is_whole and grid in ("half_pixel", "pytorch_half_pixel") and rounding.startswith("round_prefer")
        return ("nearest", False) if centred or (grid, rounding) == ("asymmetric", "floor") else None
    if mode != "linear":
        return None
    if grid == "align_corners":
        return "bilinear", True
    # PyTorch's differs from ONNX's where the result has one pixel, which a factor above 1 does not give.
    return ("bilinear", False) if grid == "half_pixel" or (is_whole and grid == "pytorch_half_pixel") else None
