"""Measure elements of a diagram along the flow and to both sides of it.

``resdsl.picture.place`` uses the same sizes to draw the elements.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from resdsl.picture.canvas import LEADING
from resdsl.picture.diagram import (
    Block,
    Box,
    Branches,
    Dense,
    Element,
    Offshoot,
    Port,
    Resume,
    Series,
    Skip,
)
from resdsl.picture.metrics import fitted, text_width

FONT = 11.0
SMALL = 9.5
TIMES = 13.0
WIDEST = 230.0
"""Maximum width of a line of text in a box; longer ones are cut, and complete in the tooltip."""

BOX_PAD = 9.0
BOX_AIR = 7.0
"""Padding of boxes: at each side, and above and below together."""

GAP = 15.0
"""Distance between two boxes, for an arrow."""

LEAD = 11.0
"""Distance from a fork to the first box."""

TAIL = 9.0
"""Distance from the last box to a join."""

REST = 7.0
"""Distance from a join to the next fork."""

RESUME = 26.0
"""Distance between the end of one flow and the start of the next."""

ARC = 17.0
"""Distance of an arc from the boxes it passes."""

COLUMN = 13.0
"""Distance between columns of branches."""

BUS = 7.0
"""Distance from a fork to the horizontal line of its branches."""

_NEARLY = 14.0
"""Offsets from the axis below this look unintended, so such a branch is aligned with it."""

BAR = 18.0
FRAME_PAD = 9.0
HEADER = 17.0
SIGN = 6.0
"""Radius of the sign of a join."""

PILL = 44.0
PILL_HEIGHT = 14.0
DOTS = 30.0
DENSE_ARC = 13.0
STUB = 14.0


@dataclass(frozen=True, slots=True)
class Extent:
    """Size along the flow, and to the left and right of its axis."""

    length: float
    left: float
    right: float


@dataclass(frozen=True, slots=True)
class SeriesExtent:
    """The size of a series and the offsets of its items. ``shoots`` are the axes of its offshoots by item index."""

    extent: Extent
    offsets: tuple[float, ...]
    shoots: dict[int, float]


class Measure:
    """Measures elements and caches their sizes.

    ``down`` selects a downward flow. ``upright`` selects horizontal text for a flow to the right; otherwise the text is
    rotated, which keeps deep networks short.
    """

    def __init__(self, *, down: bool, upright: bool) -> None:
        self.down = down
        self.vertical = not down and not upright
        self._known: dict[tuple[int, float], tuple[Element | Series, Extent | SeriesExtent]] = {}

    # --- boxes ---

    def lines(self, box: Box) -> list[tuple[str, float]]:
        """The lines of a box, cut to the maximum width, and their font sizes."""
        notes = [(fitted(note, SMALL, WIDEST), SMALL) for note in box.notes]
        return [(fitted(box.text, FONT, WIDEST), FONT), *notes]

    def box(self, box: Box, breadth: float) -> Extent:
        width, height = self._box_size(box)
        if self.down or self.vertical:
            half = max(breadth, width) / 2
            return Extent(height, half, half)
        return Extent(width, height / 2, height / 2)

    def breadth(self, series: Series) -> float:
        """The common width of the boxes along the axis: that of the widest."""
        widest = 0.0
        pending = list(series.items)
        while pending:
            item = pending.pop()
            if isinstance(item, Box):
                width, height = self._box_size(item)
                widest = max(widest, width if self.down or self.vertical else height)
            elif isinstance(item, Skip):
                pending.extend(item.main.items)
            elif isinstance(item, Block):
                pending.extend(item.body.items)
            elif isinstance(item, Dense):
                pending.extend(inner for layer in item.layers for inner in layer.items)
        return widest

    def _box_size(self, box: Box) -> tuple[float, float]:
        lines = self.lines(box)
        width = max(text_width(text, size) for text, size in lines)
        return width + 2 * BOX_PAD, sum(size * LEADING for _, size in lines) + BOX_AIR

    # --- elements ---

    def of(self, item: Element, breadth: float) -> Extent:
        """The size of an element if boxes on its axis have this breadth."""
        known = self._known.get((id(item), breadth))
        if known is not None:
            assert isinstance(known[1], Extent)
            return known[1]
        extent = self._of(item, breadth)
        # Keep a reference to the element, so that its id is not reused.
        self._known[id(item), breadth] = (item, extent)
        return extent

    def series(self, series: Series, breadth: float) -> SeriesExtent:
        known = self._known.get((id(series), breadth))
        if known is not None:
            assert isinstance(known[1], SeriesExtent)
            return known[1]
        extent = self.spread(series, breadth, {})
        self._known[id(series), breadth] = (series, extent)
        return extent

    def spread(self, series: Series, breadth: float, extra: dict[int, float]) -> SeriesExtent:
        """The size of a series with ``extra`` distance before some items, by index."""
        offsets: list[float] = []
        shoots: dict[int, float] = {}
        along = left = right = 0.0
        before: Element | None = None
        # Offshoots are placed below each other: the next one leaves further down if one is long.
        taken = wide = 0.0
        for place, item in enumerate(series.items):
            if isinstance(item, Offshoot):
                along = max(along, taken)
                inner = self.branch(item.body)
                taken = along + LEAD + inner.length + GAP
                wide = max(wide, inner.left + inner.right)
                shoots[place] = COLUMN + inner.left
                offsets.append(along)
                continue
            extent = self.of(item, breadth)
            along += gap(before, item) + extra.get(place, 0.0)
            offsets.append(along)
            along += extent.length
            left, right = max(left, extent.left), max(right, extent.right)
            before = item
        axes = {place: right + shoot for place, shoot in shoots.items()}
        right += wide + COLUMN if shoots else 0.0
        return SeriesExtent(Extent(max(along, taken - GAP), left, right), tuple(offsets), axes)

    def branch(self, series: Series) -> Extent:
        """The size of a series as a separate path, with its own common box width."""
        return self.series(series, self.breadth(series)).extent

    def _of(self, item: Element, breadth: float) -> Extent:
        if isinstance(item, Box):
            return self.box(item, breadth)
        if isinstance(item, Port):
            return self._port(item)
        if isinstance(item, Branches):
            return self._branches(item)
        if isinstance(item, Skip):
            return self._skip(item, breadth)
        if isinstance(item, Block):
            return self._block(item, breadth)
        if isinstance(item, Dense):
            return self._dense(item, breadth)
        if isinstance(item, Resume | Offshoot):
            return Extent(0.0, 0.0, 0.0)
        assert_never(item)

    def _port(self, port: Port) -> Extent:
        width = text_width(port_text(port), FONT)
        if port.is_input or port.ends:
            return Extent(FONT * LEADING, width / 2, width / 2) if self.down else Extent(width + 6, 7.0, 7.0)
        return Extent(FONT * LEADING, STUB + width + 4, 0.0) if self.down else Extent(width, STUB + FONT, 0.0)

    def _branches(self, item: Branches) -> Extent:
        inner = [self.branch(branch.body) for branch in item.branches]
        columns = self.columns(item)
        # The bar of the join has to hold its label, centred on the axis.
        half = text_width(item.text, SMALL) / 2 + BOX_PAD
        left = max(half, *(max(one.left, BOX_PAD) - at for one, at in zip(inner, columns, strict=True)))
        right = max(half, *(max(one.right, BOX_PAD) + at for one, at in zip(inner, columns, strict=True)))
        return Extent(BUS + LEAD + max(one.length for one in inner) + GAP + BAR, left, right)

    def columns(self, item: Branches) -> list[float]:
        """The axes of branches: side by side, centred as a group.

        An empty branch is aligned with the axis; without one, the first branch that is close to the axis is.
        """
        inner = [self.branch(branch.body) for branch in item.branches]
        width = sum(one.left + one.right for one in inner) + COLUMN * (len(inner) - 1)
        across = -width / 2
        axes: list[float] = []
        for one in inner:
            axes.append(across + one.left)
            across += one.left + one.right + COLUMN
        inner_axes = [
            (bool(branch.body.items), at)
            for branch, at in zip(item.branches, axes, strict=True)
            if branch.source is None
        ]
        straight = next((at for filled, at in inner_axes if not filled or abs(at) < _NEARLY), 0.0)
        return [at - straight for at in axes]

    def _skip(self, item: Skip, breadth: float) -> Extent:
        main = self.series(item.main, breadth).extent
        ends = self.tail(item) + self.sign(item)
        left = max(main.left, self._scale_room(item))
        if item.shortcut is None:
            return Extent(LEAD + main.length + ends, left, max(main.right, breadth / 2) + ARC)
        side = self.branch(item.shortcut)
        right = max(main.right, breadth / 2) + COLUMN + side.left + side.right
        return Extent(LEAD + max(main.length, side.length) + ends, left, right)

    def tail(self, item: Skip) -> float:
        """Distance from the last box of the main path to the join."""
        if not item.scale:
            return TAIL
        return 2 * TAIL if self.down else TAIL + text_width(item.scale, SMALL)

    def sign(self, item: Skip) -> float:
        """Size of the sign of the join along the flow."""
        if not item.shows_sign:
            return 0.0
        if is_round(item):
            return 2 * SIGN
        return PILL_HEIGHT if self.down or self.vertical else PILL

    def _scale_room(self, item: Skip) -> float:
        if not item.scale:
            return 0.0
        return text_width(item.scale, SMALL) + 6 if self.down else 4 + SMALL * LEADING

    def _block(self, item: Block, breadth: float) -> Extent:
        inner = self.series(item.body, breadth).extent
        if not is_framed(item):
            return inner
        return self._frame(inner, block_title(item), item.count)

    def _dense(self, item: Dense, breadth: float) -> Extent:
        inner = [self.series(layer, breadth).extent for layer in item.layers]
        length = sum(LEAD + one.length + TAIL for one in inner) + (DOTS if item.omitted else 0.0)
        spans = len(item.layers) + (1 if item.omitted else 0)
        right = breadth / 2 + 4 + 0.75 * dense_bulge(spans)
        return self._frame(Extent(length, max(one.left for one in inner), right), item.name, item.count)

    def _frame(self, inner: Extent, title: str, count: int) -> Extent:
        left, right = inner.left + FRAME_PAD, inner.right + FRAME_PAD
        name, times = text_width(title, SMALL), text_width(times_text(count), TIMES)
        length = self.inset + inner.length + FRAME_PAD
        if self.down:
            return Extent(length, max(left, name + 18), max(right, times + 18))
        return Extent(max(length, name + times + 26), left, right + HEADER)

    @property
    def inset(self) -> float:
        """Distance from the start of a frame to its contents."""
        return HEADER + LEAD if self.down else FRAME_PAD + LEAD


def port_text(port: Port) -> str:
    return fitted(port.text, FONT, WIDEST / 2)


def block_title(block: Block) -> str:
    return fitted(block.name, SMALL, WIDEST)


def times_text(count: int) -> str:
    return f"×{count}" if count > 1 else ""


def is_round(item: Skip) -> bool:
    """Whether the sign of a skip is one character."""
    return len(item.sign) == 1


def is_framed(block: Block) -> bool:
    """Whether a block has a frame: repeats for the count, branching blocks and whole networks for the name."""
    return block.count > 1 or block.is_whole or has_branches(block.body)


def has_branches(series: Series) -> bool:
    pending = list(series.items)
    while pending:
        item = pending.pop()
        if isinstance(item, Branches):
            return True
        if isinstance(item, Skip):
            pending.extend(item.main.items)
    return False


def dense_bulge(spans: int) -> float:
    """Distance from the boxes to the control points of a curve around this many dense layers."""
    return 16.0 + DENSE_ARC * (spans - 1)


def entry(item: Element, measure: Measure) -> float:
    """Distance from the start of an element to its first box."""
    if isinstance(item, Skip):
        return LEAD + (entry(item.main.items[0], measure) if item.main.items else 0.0)
    if isinstance(item, Branches):
        return BUS + LEAD
    if isinstance(item, Block):
        inside = entry(item.body.items[0], measure)
        return inside + (measure.inset if is_framed(item) else 0.0)
    return measure.inset + LEAD if isinstance(item, Dense) else 0.0


def gap(before: Element | None, item: Element) -> float:
    """Distance between two items of a series."""
    if before is None:
        return 0.0
    if isinstance(item, Resume):
        return RESUME
    if isinstance(before, Resume):
        return 0.0
    parts = isinstance(item, Skip | Branches) or (isinstance(item, Block) and not is_framed(item) and _parts(item))
    meets = isinstance(before, Skip) or (isinstance(before, Block) and not is_framed(before) and _meets(before))
    # Forks include their own lead, joins their own tail.
    if parts:
        return REST
    return GAP - 2 if meets else GAP


def _parts(block: Block) -> bool:
    first = block.body.items[0]
    return isinstance(first, Skip | Branches) or (isinstance(first, Block) and not is_framed(first) and _parts(first))


def _meets(block: Block) -> bool:
    last = block.body.items[-1]
    return isinstance(last, Skip) or (isinstance(last, Block) and not is_framed(last) and _meets(last))
