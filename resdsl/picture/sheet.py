"""Networks side by side on one sheet, with their names, sizes and a legend (He et al. 2015, figure 3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from resdsl.picture.canvas import LEADING, Canvas, Direction
from resdsl.picture.diagram import Block, Box, Branches, Dense, Diagram, Kind, Series, Skip
from resdsl.picture.measure import SMALL, Measure, SeriesExtent, entry
from resdsl.picture.metrics import ASCENT, fitted, text_width
from resdsl.picture.place import Placer, Tick, links_room
from resdsl.picture.scene import Rect, Scene, Stroke
from resdsl.picture.theme import Theme

MARGIN = 20.0
TITLE = 15.0
SUBTITLE = 10.0
COLUMNS = 34.0
"""Distance between two networks."""

TICK_GAP = 14.0
"""Distance between output sizes and their network."""

LONGEST_TITLE = 260.0


@dataclass(slots=True)
class _Net:
    """A network and its size. ``starts`` are the items of the axis at which the output size changes."""

    diagram: Diagram
    measure: Measure
    breadth: float
    starts: list[tuple[int, str]]
    extra: dict[int, float] = field(default_factory=dict)
    heading: float = 0.0
    """Width of the heading."""

    @property
    def spread(self) -> SeriesExtent:
        return self.measure.spread(self.diagram.body, self.breadth, self.extra)

    def begins(self, place: int) -> float:
        """The position of the first box of an item of the axis."""
        return self.spread.offsets[place] + entry(self.diagram.body.items[place], self.measure)

    @property
    def left(self) -> float:
        return self.spread.extent.left + links_room(self.diagram.body)


@dataclass(frozen=True, slots=True)
class Legend:
    """The legend below a picture: marks with their meanings, lines of text, and a table."""

    entries: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()


def arrange(
    diagrams: Sequence[Diagram],
    theme: Theme,
    direction: Direction,
    *,
    upright: bool = False,
    legend: Legend | None = None,
) -> Scene:
    """The sheet of one or more networks.

    If they have most sizes in common, layers of the same size begin at the same height in all of them. ``upright``
    selects horizontal text in boxes also for a flow to the right.
    """
    down = direction is Direction.DOWN
    measure = Measure(down=down, upright=upright)
    breadth = max(measure.breadth(diagram.body) for diagram in diagrams)
    nets = [_Net(diagram, measure, breadth, _starts(diagram.body)) for diagram in diagrams]
    shared = _align(nets) if len(nets) > 1 else False
    sheet = _Sheet(nets, theme, direction, shared, legend or Legend())
    return sheet.scene()


# --- sizes -----------------------------------------------------------------------------------------------------------


def _starts(series: Series) -> list[tuple[int, str]]:
    """The items of a series at which the output size changes, with the new size."""
    starts: list[tuple[int, str]] = []
    last = ""
    for place, item in enumerate(series.items):
        sizes = _sizes(Series((item,)))
        if sizes and sizes[-1] != last:
            starts.append((place, sizes[-1]))
            last = sizes[-1]
    return starts


def _sizes(series: Series) -> list[str]:
    """The output sizes along the axis, in order."""
    sizes: list[str] = []
    for item in series.items:
        if isinstance(item, Box | Branches):
            sizes += [item.size] if item.size else []
        elif isinstance(item, Skip):
            sizes += _sizes(item.main) if item.sign != "x" else []
        elif isinstance(item, Block):
            sizes += _sizes(item.body)
        elif isinstance(item, Dense):
            sizes += [size for layer in item.layers for size in _sizes(layer)]
    return sizes


def _align(nets: Sequence[_Net]) -> bool:
    """Align layers of equal size across networks that have most sizes in common."""
    orders = [[size for _, size in net.starts] for net in nets]
    if any(not _falls(order) for order in orders):
        return False
    union = sorted({int(size) for order in orders for size in order}, reverse=True)
    if any(2 * len(order) < len(union) for order in orders):
        return False
    for size in map(str, union):
        places = [next((place for place, start in net.starts if start == size), None) for net in nets]
        begin = max(net.begins(place) for net, place in zip(nets, places, strict=True) if place is not None)
        for net, place in zip(nets, places, strict=True):
            if place is not None:
                net.extra[place] = net.extra.get(place, 0.0) + begin - net.begins(place)
    return True


def _falls(order: Sequence[str]) -> bool:
    if not all(size.isdigit() for size in order):
        return False
    numbers = [int(size) for size in order]
    return all(one > other for one, other in pairwise(numbers))


# --- the sheet -------------------------------------------------------------------------------------------------------


class _Sheet:
    def __init__(self, nets: Sequence[_Net], theme: Theme, direction: Direction, shared: bool, legend: Legend) -> None:
        self._nets = nets
        self._theme = theme
        self._canvas = Canvas(direction, theme)
        self._shared = shared
        self._legend = legend
        self._right = self._bottom = 0.0

    def scene(self) -> Scene:
        if self._canvas.down:
            self._columns()
        else:
            self._rows()
        self._below()
        names = ", ".join(net.diagram.title for net in self._nets)
        facts = "; ".join(f"{net.diagram.title}: {', '.join(net.diagram.facts)}" for net in self._nets)
        return Scene(
            self._right + MARGIN,
            self._bottom + MARGIN,
            self._theme.background,
            names,
            facts,
            self._canvas.all,
        )

    # --- downwards ---

    def _columns(self) -> None:
        x = MARGIN
        top = MARGIN + TITLE * LEADING + SUBTITLE * LEADING * max(len(net.diagram.facts) for net in self._nets) + 8
        if self._shared:
            x += self._gutter(max(self._nets, key=lambda net: len(net.starts)))
        shared: list[Tick] = []
        gutter = x
        for net in self._nets:
            extent = net.spread.extent
            if not self._shared:
                x += self._gutter(net)
            title = fitted(net.diagram.title, TITLE, LONGEST_TITLE)
            facts = [fitted(fact, SUBTITLE, LONGEST_TITLE) for fact in net.diagram.facts]
            half = max(text_width(title, TITLE), *(text_width(fact, SUBTITLE) for fact in facts)) / 2
            # A column is at least as wide as its heading.
            left = max(net.left, half)
            x += left
            self._heading(x, title, facts)
            ticks = self._place(net, (x, top))
            if self._shared:
                shared += ticks
            else:
                self._ticks_down(_first_ticks(ticks), x - left - TICK_GAP, top)
            x += max(extent.right, half)
            self._right = max(self._right, x)
            self._bottom = max(self._bottom, top + extent.length)
            x += COLUMNS
        self._ticks_down(_together(shared), gutter - TICK_GAP, top)

    def _heading(self, x: float, title: str, facts: Sequence[str]) -> None:
        y = MARGIN + TITLE * ASCENT
        self._canvas.text(x, y, title, TITLE, self._theme.ink, "middle")
        for fact in facts:
            y += SUBTITLE * LEADING
            self._canvas.text(x, y + 2, fact, SUBTITLE, self._theme.muted, "middle")

    def _gutter(self, net: _Net) -> float:
        sizes = _sizes(net.diagram.body)
        return max((text_width(_size_text(size), SMALL) for size in sizes), default=-TICK_GAP) + TICK_GAP

    def _ticks_down(self, ticks: Sequence[Tick], x: float, top: float) -> None:
        last = float("-inf")
        for tick in ticks:
            # Labels that would overlap are moved down.
            y = max(top + tick.along, last + SMALL * LEADING)
            self._canvas.text(x, y + SMALL * ASCENT / 2, _size_text(tick.size), SMALL, self._theme.muted, "end")
            last = y

    # --- to the right ---

    def _rows(self) -> None:
        y = MARGIN
        for net in self._nets:
            extent = net.spread.extent
            title = fitted(net.diagram.title, TITLE, LONGEST_TITLE)
            facts = " · ".join(fitted(fact, SUBTITLE, LONGEST_TITLE) for fact in net.diagram.facts)
            self._canvas.text(MARGIN, y + TITLE * ASCENT, title, TITLE, self._theme.ink)
            x = MARGIN + text_width(title, TITLE) + 14
            self._canvas.text(x, y + TITLE * ASCENT, facts, SUBTITLE, self._theme.muted)
            self._right = max(self._right, x + text_width(facts, SUBTITLE), MARGIN + extent.length)
            y += TITLE * LEADING + 6 + extent.right
            ticks = self._place(net, (MARGIN, y))
            y += net.left + 8
            self._ticks_right(_first_ticks(ticks), y)
            y += SMALL * LEADING
            self._bottom = max(self._bottom, y)
            y += COLUMNS - 10

    def _ticks_right(self, ticks: Sequence[Tick], y: float) -> None:
        if not ticks:
            return
        base = y + SMALL * ASCENT
        self._canvas.text(MARGIN, base, _size_text(""), SMALL, self._theme.muted)
        last = MARGIN + text_width(_size_text(""), SMALL)
        for tick in ticks:
            half = text_width(tick.size, SMALL) / 2
            x = max(MARGIN + tick.along, last + half + 5)
            self._canvas.text(x, base, tick.size, SMALL, self._theme.muted, "middle")
            last = x + half
            self._right = max(self._right, last)

    # --- both ---

    def _place(self, net: _Net, origin: tuple[float, float]) -> list[Tick]:
        self._canvas.origin = origin
        placer = Placer(self._canvas, net.measure)
        placer.network(net.diagram.body, net.breadth, net.spread)
        return placer.ticks

    def _below(self) -> None:
        """The legend."""
        theme, canvas = self._theme, self._canvas
        canvas.origin = (0.0, 0.0)
        kinds = frozenset[Kind]().union(*(net.diagram.shortcuts for net in self._nets))
        y = self._bottom + 22
        x = MARGIN
        for kind, dash in ((Kind.IDENTITY, None), (Kind.PROJECTION, (0.1, 3.2))):
            if kind not in kinds or (kind is Kind.IDENTITY and Kind.PROJECTION not in kinds):
                continue
            x = self._sample(x, y, f"{kind.value} shortcut", Stroke(theme.line, 1.1, dash))
        for mark, words in self._legend.entries:
            paint = theme.marks[mark]
            x = self._swatch(x, y, words, paint.fill, paint.stroke)
        if x > MARGIN:
            self._bottom = y + 4
        self._right = max(self._right, x - 18)
        for note in self._legend.notes:
            self._bottom += SUBTITLE * 1.55
            self._canvas.text(MARGIN, self._bottom, note, SMALL, self._theme.muted)
            self._right = max(self._right, MARGIN + text_width(note, SMALL))
        self._table(self._legend.table)

    def _table(self, rows: Sequence[Sequence[str]]) -> None:
        """The table below the picture; all cells but the first of a row are right-aligned."""
        if not rows:
            return
        cells = [[fitted(cell, SUBTITLE, LONGEST_TITLE) for cell in row] for row in rows]
        widths = [max(text_width(row[column], SUBTITLE) for row in cells) for column in range(len(cells[0]))]
        self._bottom += 10
        for number, row in enumerate(cells):
            self._bottom += SUBTITLE * 1.55
            x = MARGIN
            for column, (cell, width) in enumerate(zip(row, widths, strict=True)):
                color = self._theme.muted if column == 0 or number == 0 else self._theme.ink
                at = x if column == 0 else x + width
                self._canvas.text(at, self._bottom, cell, SUBTITLE, color, "start" if column == 0 else "end")
                x += width + 22
            self._right = max(self._right, x - 22)

    def _sample(self, x: float, y: float, words: str, stroke: Stroke) -> float:
        canvas = self._canvas
        ends = [(x, y - 3), (x + 26, y - 3)]
        canvas.line([(py, px) if canvas.down else (px, -py) for px, py in ends], stroke, head=True)
        canvas.text(x + 32, y, words, SMALL, self._theme.muted)
        return x + 32 + text_width(words, SMALL) + 18

    def _swatch(self, x: float, y: float, words: str, fill: str, stroke: str) -> float:
        self._canvas.shapes.append(Rect(x, y - 9, 16, 11, fill, Stroke(stroke), 2.5))
        self._canvas.text(x + 22, y, words, SMALL, self._theme.muted)
        return x + 22 + text_width(words, SMALL) + 18


def _first_ticks(ticks: Sequence[Tick]) -> list[Tick]:
    """The first tick of each size."""
    first: list[Tick] = []
    for tick in ticks:
        if not first or first[-1].size != tick.size:
            first.append(tick)
    return first


def _together(ticks: Sequence[Tick]) -> list[Tick]:
    """The first tick of each size in aligned networks."""
    places: dict[str, float] = {}
    for tick in ticks:
        places[tick.size] = min(places.get(tick.size, tick.along), tick.along)
    return [Tick(along, size) for size, along in sorted(places.items(), key=lambda each: each[1])]


def _size_text(size: str) -> str:
    return f"output size: {size}".rstrip()
