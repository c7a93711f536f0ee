"""Draw the elements of a diagram at their positions, with arrows between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import assert_never

from resdsl.picture.canvas import Canvas, Path, rounded
from resdsl.picture.diagram import (
    Block,
    Box,
    Branches,
    Dense,
    Element,
    Kind,
    Offshoot,
    Port,
    Resume,
    Series,
    Skip,
    walk,
)
from resdsl.picture.measure import (
    BAR,
    BUS,
    COLUMN,
    DOTS,
    FONT,
    LEAD,
    PILL,
    PILL_HEIGHT,
    SIGN,
    SMALL,
    STUB,
    TAIL,
    TIMES,
    Extent,
    Measure,
    SeriesExtent,
    block_title,
    dense_bulge,
    is_framed,
    is_round,
    port_text,
    times_text,
)
from resdsl.picture.metrics import ASCENT
from resdsl.picture.scene import Part, Stroke
from resdsl.picture.theme import Paint, Theme

_CORNER = 9.0
_LANE = 11.0
"""Distance between the lanes of links."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The position along the flow where an output size begins."""

    along: float
    size: str


@dataclass(slots=True)
class _Link:
    """A link from a distant value to the position where it is used."""

    source: int
    along: float
    across: float
    enters: float
    """The position along the flow where the line turns towards its target."""


@dataclass(slots=True)
class Placer:
    """Draws one network on a canvas. ``ticks`` are the output sizes along its axis, in order."""

    canvas: Canvas
    measure: Measure
    ticks: list[Tick] = field(default_factory=list)
    _on_axis: bool = True
    _anchors: dict[int, tuple[float, float]] = field(default_factory=dict)
    _covers: list[tuple[int, int, tuple[float, float]]] = field(default_factory=list)
    _links: list[_Link] = field(default_factory=list)

    @property
    def theme(self) -> Theme:
        return self.canvas.theme

    def network(self, series: Series, breadth: float, spread: SeriesExtent) -> None:
        """Draw a network with its items at the offsets of ``spread``."""
        self._series(series, 0.0, 0.0, breadth, None, spread)
        self._draw_links(spread.extent.left)

    # --- series ---

    def _series(
        self,
        series: Series,
        along: float,
        across: float,
        breadth: float,
        start: float | None,
        spread: SeriesExtent | None = None,
    ) -> float | None:
        """Draw a series with an arrow from ``start``; returns the position where the next line begins."""
        spread = spread or self.measure.series(series, breadth)
        end = start
        for place, (item, offset) in enumerate(zip(series.items, spread.offsets, strict=True)):
            if isinstance(item, Offshoot):
                self._offshoot(item, along + offset, across, across + spread.shoots[place])
            elif isinstance(item, Resume):
                end = self._resume(item, along + offset, across)
            else:
                end = self._item(item, along + offset, across, breadth, end)
                self._anchor(item, end, across)
        return end

    def _item(self, item: Element, along: float, across: float, breadth: float, start: float | None) -> float:
        """Draw an element and the line to it; returns the position where the next line begins."""
        if isinstance(item, Box):
            return self._box(item, along, across, breadth, start)
        if isinstance(item, Port):
            return self._port(item, along, across, start)
        if isinstance(item, Branches):
            return self._branches(item, along, across, start)
        if isinstance(item, Skip):
            return self._skip(item, along, across, breadth, start)
        if isinstance(item, Block):
            return self._block(item, along, across, breadth, start)
        if isinstance(item, Dense):
            return self._dense(item, along, across, breadth, start)
        assert not isinstance(item, Resume | Offshoot)
        assert_never(item)

    def _anchor(self, item: Element, end: float, across: float) -> None:
        """Record the position where links to a value begin, slightly after its element."""
        place = (end, across)
        self._anchors[item.value] = place
        if isinstance(item, Box | Branches | Skip):
            self._anchors.update(dict.fromkeys(item.nodes, place))
        elif isinstance(item, Block | Dense) and item.nodes:
            self._covers.append((min(item.nodes), max(item.nodes), place))

    def _tick(self, along: float, size: str) -> None:
        if self._on_axis and size:
            self.ticks.append(Tick(along, size))

    # --- lines ---

    def _line(self, path: Path, *, head: bool = False, color: str = "", dotted: bool = False, tip: str = "") -> None:
        self.canvas.line(path, self.canvas.stroke(color, dotted=dotted), head=head, tip=tip)

    def _lead(self, start: float | None, end: float, across: float, *, head: bool) -> None:
        if start is not None and end - start > 0.01:
            self._line([(start, across), (end, across)], head=head)

    # --- elements ---

    def _box(self, box: Box, along: float, across: float, breadth: float, start: float | None) -> float:
        extent = self.measure.box(box, breadth)
        self._lead(start, along, across, head=True)
        paint = self.theme.paint(box.level, box.mark)
        rect = self.canvas.rect(
            along, across, extent.length, extent.left + extent.right, paint, tip=box.tip or " ".join(box.lines)
        )
        lines = [(text, size, paint.text) for text, size in self.measure.lines(box)]
        self.canvas.text_in(rect, lines, vertical=self.measure.vertical)
        self._tick(along + extent.length / 2, box.size)
        if start is not None:
            self._anchors.update(dict.fromkeys(box.before, (start, across)))
        return along + extent.length

    def _port(self, port: Port, along: float, across: float, start: float | None) -> float:
        extent = self.measure.of(port, 0.0)
        text = port_text(port)
        middle = along + extent.length / 2
        if port.is_input or port.ends:
            self._lead(start, along, across, head=True)
            x, y = self.canvas.at(middle, across)
            self.canvas.text(x, y + FONT * ASCENT / 2, text, FONT, self.theme.ink, "middle")
            return along + extent.length
        end = along + extent.length
        self._lead(start, end, across, head=False)
        self.canvas.circle(middle, across, 2.0, self.theme.line)
        self._line([(middle, across), (middle, across - STUB)], head=True)
        if self.canvas.down:
            x, y = self.canvas.at(middle, across - STUB - 3)
            self.canvas.text(x, y + FONT * ASCENT / 2, text, FONT, self.theme.ink, "end")
        else:
            x, y = self.canvas.at(middle, across - STUB - 2)
            self.canvas.text(x, y + FONT * ASCENT, text, FONT, self.theme.ink, "middle")
        return end

    def _branches(self, item: Branches, along: float, across: float, start: float | None) -> float:
        extent = self.measure.of(item, 0.0)
        bus, first = along + BUS, along + BUS + LEAD
        bar = along + extent.length - BAR
        columns = self.measure.columns(item)
        room = bar - first - max(self.measure.branch(branch.body).length for branch in item.branches)
        origin = start if start is not None else along
        inside, self._on_axis = self._on_axis, False
        taking = [across + at for branch, at in zip(item.branches, columns, strict=True) if branch.source is None]
        ends = (min(taking, default=across), max(taking, default=across))
        self._lead(origin, bus - min(_CORNER, (bus - origin) / 2), across, head=False)
        for branch, column in zip(item.branches, columns, strict=True):
            breadth = self.measure.breadth(branch.body)
            length = self.measure.branch(branch.body).length
            # Shorter branches are centred along the longest.
            begin = first + (bar - room - first - length) / 2
            at = across + column
            to = begin if branch.body.items else bar
            head = not branch.body.items or _takes_head(branch.body.items[0])
            if branch.source is not None:
                self._links.append(_Link(branch.source, to, at, bus))
            elif abs(at - across) < 0.01:
                self._line([(origin, across), (to, at)], head=head)
            else:
                self._line(rounded(self._from_bus(ends, across, bus, at, to), _CORNER), head=head)
            end = self._series(branch.body, begin, at, breadth, to if not head else None)
            if branch.body.items:
                self._lead(end, bar, at, head=True)
        self._on_axis = inside
        paint = self.theme.paint(None, item.mark)
        middle = across + (extent.right - extent.left) / 2
        rect = self.canvas.rect(bar, middle, BAR, extent.left + extent.right, paint)
        self.canvas.text_in(rect, [(item.text, SMALL, paint.text)], vertical=not self.canvas.down)
        self._tick(bar + BAR / 2, item.size)
        return bar + BAR

    @staticmethod
    def _from_bus(
        ends: tuple[float, float], across: float, bus: float, at: float, to: float
    ) -> list[tuple[float, float]]:
        """The line to a branch: the two outermost have a rounded corner, the others start at their line."""
        if at in ends:
            return [(bus - _CORNER, across), (bus, across), (bus, at), (to, at)]
        towards = _CORNER if at < across else -_CORNER
        return [(bus, at + towards), (bus, at), (to, at)]

    def _skip(self, item: Skip, along: float, across: float, breadth: float, start: float | None) -> float:
        extent = self.measure.of(item, breadth)
        spread = self.measure.series(item.main, breadth)
        first = along + LEAD
        inside = self._on_axis
        # A gate is beside the flow although its boxes are on the axis.
        self._on_axis = inside and item.sign != "x"
        end = self._series(item.main, first, across, breadth, start if start is not None else along)
        self._on_axis = inside
        meet = along + extent.length - self.measure.sign(item)
        split = self._split(item, along, first, spread)
        color = self._shortcut_color(item)
        self._lead(end, meet, across, head=item.shows_sign)
        if item.scale:
            self._scale(item, meet, across)
        reach = meet + (SIGN if is_round(item) else self.measure.sign(item) / 2) if item.shows_sign else meet
        inner = SIGN if is_round(item) else self._pill_half()
        target = across + (inner if item.shows_sign else 0.0)
        if item.shortcut is None:
            self._arc(item, split, reach, across, target, extent, color)
        else:
            self._side(item, split, reach, across, target, breadth, spread.extent)
        if item.shows_sign:
            self._sign(item, meet, across, color)
        return along + extent.length

    @staticmethod
    def _split(item: Skip, along: float, first: float, spread: SeriesExtent) -> float:
        """The position where the shortcut leaves: before the main path, or after its first items."""
        if not item.start:
            return along
        if item.start >= len(spread.offsets):
            return first + spread.extent.length
        return first + spread.offsets[item.start] - LEAD

    def _shortcut_color(self, item: Skip) -> str:
        return self.theme.marks[item.mark].stroke if item.mark else ""

    def _arc(
        self, item: Skip, split: float, reach: float, across: float, target: float, extent: Extent, color: str
    ) -> None:
        lane = across + extent.right
        path = rounded([(split, across), (split, lane), (reach, lane), (reach, target)], _CORNER)
        dotted = item.kind is Kind.PROJECTION
        self._line(path, head=True, color=color, dotted=dotted, tip=item.around or "identity")

    def _side(
        self, item: Skip, split: float, reach: float, across: float, target: float, breadth: float, main: Extent
    ) -> None:
        """A shortcut with boxes of its own, beside the main path."""
        assert item.shortcut is not None
        side = self.measure.branch(item.shortcut)
        at = across + max(main.right, breadth / 2) + COLUMN + side.left
        begin = split + LEAD
        inside, self._on_axis = self._on_axis, False
        head = _takes_head(item.shortcut.items[0])
        self._line(rounded([(split, across), (split, at), (begin, at)], _CORNER), head=head)
        end = self._series(item.shortcut, begin, at, self.measure.breadth(item.shortcut), None if head else begin)
        self._on_axis = inside
        assert end is not None
        self._line(rounded([(end, at), (reach, at), (reach, target)], _CORNER), head=True)

    def _scale(self, item: Skip, meet: float, across: float) -> None:
        """The scale of the main path, next to its last line."""
        room = self.measure.tail(item)
        x, y = self.canvas.at(meet - room / 2, across)
        if self.canvas.down:
            self.canvas.text(x - 5, y + SMALL * ASCENT / 2 - 1, item.scale, SMALL, self.theme.muted, "end")
        else:
            self.canvas.text(x, y + 4 + SMALL * ASCENT, item.scale, SMALL, self.theme.muted, "middle")

    def _pill_half(self) -> float:
        return PILL / 2 if self.canvas.down or self.measure.vertical else PILL_HEIGHT / 2

    def _sign(self, item: Skip, meet: float, across: float, color: str) -> None:
        theme = self.theme
        paint = theme.paint(None, item.mark)
        if not is_round(item):
            length = self.measure.sign(item)
            rect = self.canvas.rect(meet, across, length, 2 * self._pill_half(), paint, radius=length / 2)
            self.canvas.text_in(rect, [(item.sign, SMALL, paint.text)], vertical=self.measure.vertical)
            return
        middle = meet + SIGN
        self.canvas.circle(middle, across, SIGN, paint.fill, Stroke(color or theme.line, 1.0))
        reach = SIGN * (0.5 if item.sign == "+" else 0.38)
        for one in ((1, 0), (0, 1)) if item.sign == "+" else ((1, 1), (1, -1)):
            a, c = one[0] * reach, one[1] * reach
            self._line([(middle - a, across - c), (middle + a, across + c)], color=color)

    def _block(self, item: Block, along: float, across: float, breadth: float, start: float | None) -> float:
        if not is_framed(item):
            end = self._series(item.body, along, across, breadth, start)
        else:
            extent = self.measure.of(item, breadth)
            first = self._frame(extent, along, across, block_title(item), item.count)
            end = self._series(item.body, first, across, breadth, start if start is not None else along)
        return end if end is not None else along

    def _frame(self, extent: Extent, along: float, across: float, title: str, count: int) -> float:
        """Draw a frame with its title and count; returns the position where its contents begin."""
        theme = self.theme
        paint = Paint(theme.panel, theme.hairline, theme.muted)
        middle = across + (extent.right - extent.left) / 2
        rect = self.canvas.rect(
            along, middle, extent.length, extent.left + extent.right, paint, part=Part.FRAME, radius=6.0
        )
        base = rect.y + 6 + SMALL * ASCENT
        self.canvas.text(rect.x + 8, base, title, SMALL, theme.muted)
        times = times_text(count)
        if times:
            self.canvas.text(rect.x + rect.width - 8, base + 1, times, TIMES, theme.ink, "end")
        return along + self.measure.inset

    def _dense(self, item: Dense, along: float, across: float, breadth: float, start: float | None) -> float:
        extent = self.measure.of(item, breadth)
        cursor = self._frame(extent, along, across, item.name, item.count)
        points = [cursor]
        end = start if start is not None else along
        for number, layer in enumerate(item.layers):
            if item.omitted and number == len(item.layers) - 1:
                cursor = self._dots(cursor, across)
                points.append(cursor)
                end = cursor
            reached = self._series(layer, cursor + LEAD, across, breadth, end)
            cursor += LEAD + self.measure.series(layer, breadth).extent.length + TAIL
            self._lead(reached, cursor, across, head=False)
            points.append(cursor)
            end = cursor
        edge = across + breadth / 2 + 4
        for first, point in enumerate(points[:-1]):
            # An arc has the colour of the value that it carries, as in figure 1 of the paper.
            color = self.theme.stage(first).stroke
            # Incoming and outgoing arcs have different ends.
            one = point + (3 if first else 0)
            self._line([(one, across), (one, edge)], color=color)
            for span, end in enumerate(points[first + 1 :], start=1):
                other, handle = end - 3, edge + dense_bulge(span)
                self._line([(one, edge), ((one, handle), (other, handle), (other, edge))], color=color)
        for point in points[1:]:
            self._line([(point - 3, edge), (point - 3, across)], head=True)
        return cursor

    def _dots(self, along: float, across: float) -> float:
        for step in (0.3, 0.5, 0.7):
            self.canvas.circle(along + DOTS * step, across, 1.3, self.theme.muted)
        return along + DOTS

    # --- links ---

    def _offshoot(self, item: Offshoot, along: float, across: float, at: float) -> None:
        inside, self._on_axis = self._on_axis, False
        body = item.body
        begin = along + LEAD + 3
        head = _takes_head(body.items[0])
        self._line(rounded([(along + 3, across), (along + 3, at), (begin, at)], _CORNER), head=head)
        self._series(body, begin, at, self.measure.breadth(body), None if head else begin)
        self._on_axis = inside

    def _resume(self, item: Resume, along: float, across: float) -> float:
        self._links.append(_Link(item.source, along, across, along - LEAD))
        return along

    def _laned(self) -> list[tuple[int, _Link]]:
        """Links with their lanes: short links run inside long ones, and links that do not overlap share a lane."""
        links: list[tuple[int, _Link]] = []
        lanes: list[list[tuple[float, float]]] = []
        for link in sorted(self._links, key=lambda link: link.enters - self._source(link)[0]):
            first, last = sorted((self._source(link)[0] - 4, link.enters + 4))
            # Outside every lane with an overlapping link.
            lane = max(
                (number + 1 for number, taken in enumerate(lanes) if any(a < last and first < b for a, b in taken)),
                default=0,
            )
            if lane == len(lanes):
                lanes.append([])
            lanes[lane].append((first, last))
            links.append((lane, link))
        return links

    def _source(self, link: _Link) -> tuple[float, float]:
        known = self._anchors.get(link.source)
        if known is not None:
            return known
        covering = [(last - first, place) for first, last, place in self._covers if first <= link.source <= last]
        return min(covering)[1] if covering else (0.0, 0.0)

    def _draw_links(self, left: float) -> None:
        for lane, link in self._laned():
            along, across = self._source(link)
            at = -left - _LANE * (lane + 1)
            path = [
                (along + 3, across),
                (along + 3, at),
                (link.enters, at),
                (link.enters, link.across),
                (link.along, link.across),
            ]
            # Behind the boxes, in case it crosses one.
            self.canvas.line(rounded(path, _CORNER), self.canvas.stroke(), head=True, under=True)


def _takes_head(item: Element) -> bool:
    """Whether the line to an element ends at its start with an arrow head."""
    if isinstance(item, Block):
        return not is_framed(item) and _takes_head(item.body.items[0])
    return isinstance(item, Box)


def links_room(series: Series) -> float:
    """Width of the lanes of links beside a network."""
    count = 0
    for item in walk(series):
        if isinstance(item, Resume):
            count += 1
        elif isinstance(item, Branches):
            count += sum(branch.source is not None for branch in item.branches)
    return _LANE * count + (4 if count else 0)
