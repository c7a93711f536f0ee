"""Draw along the flow of a network, in either direction on the sheet.

Positions are ``(along, across)``: ``along`` grows with the flow, ``across`` to its right. They are ``(y, x)`` for a
downward flow and ``(x, -y)`` for a flow to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.picture.metrics import ASCENT, DESCENT
from resdsl.picture.scene import Area, Circle, Line, Part, Point, Rect, Shape, Stroke, Text
from resdsl.picture.theme import Paint, Theme

LEADING = 1.3
"""Line height, in font sizes."""

HEAD = 5.5
"""Length of an arrow's head."""

HEAD_WIDTH = 2.6
"""Half the width of an arrow head."""

Path = Sequence[Point | tuple[Point, Point, Point]]


class Direction(StrEnum):
    DOWN = "down"
    RIGHT = "right"


@dataclass(slots=True)
class Canvas:
    """Collects shapes. ``origin`` is the position ``x, y`` on the sheet where the flow begins."""

    direction: Direction
    theme: Theme
    origin: Point = (0.0, 0.0)
    shapes: list[Shape] = field(default_factory=list)
    _frames: list[Shape] = field(default_factory=list)
    _under: list[Shape] = field(default_factory=list)

    @property
    def all(self) -> tuple[Shape, ...]:
        """All shapes in painting order: frames first, then background lines, then the rest."""
        return (*self._frames, *self._under, *self.shapes)

    @property
    def down(self) -> bool:
        return self.direction is Direction.DOWN

    def at(self, along: float, across: float) -> Point:
        """The position on the sheet."""
        x, y = self.origin
        return (x + across, y + along) if self.down else (x + along, y - across)

    def stroke(self, color: str = "", width: float = 1.1, *, dotted: bool = False) -> Stroke:
        return Stroke(color or self.theme.line, width, (0.1, 3.2) if dotted else None)

    def line(self, path: Path, stroke: Stroke, *, head: bool = False, under: bool = False, tip: str = "") -> None:
        """A path, with an arrow head if ``head`` is set; the last segment is straight."""
        target = self._under if under else self.shapes
        points = [self._point(piece) for piece in path]
        if head:
            before, end = self._end(points[-2]), self._end(points[-1])
            length = max(abs(end[0] - before[0]), abs(end[1] - before[1]))
            step = ((end[0] - before[0]) / length, (end[1] - before[1]) / length) if length else (0.0, 1.0)
            neck = (end[0] - step[0] * HEAD, end[1] - step[1] * HEAD)
            # The line ends inside its head, so its square end does not cover the tip.
            points[-1] = (end[0] - step[0] * HEAD * 0.7, end[1] - step[1] * HEAD * 0.7)
            side = (step[1] * HEAD_WIDTH, -step[0] * HEAD_WIDTH)
            left, right = (neck[0] + side[0], neck[1] + side[1]), (neck[0] - side[0], neck[1] - side[1])
            target.append(Area((end, left, right), stroke.color))
        target.append(Line(tuple(points), stroke, tip))

    def rect(
        self,
        along: float,
        across: float,
        length: float,
        breadth: float,
        paint: Paint,
        *,
        part: Part = Part.BOX,
        radius: float = 3.0,
        stroke: Stroke | None = None,
        tip: str = "",
    ) -> Rect:
        """A rectangle that starts at ``along`` and is centred on ``across``."""
        first, last = self.at(along, across - breadth / 2), self.at(along + length, across + breadth / 2)
        rect = Rect(
            min(first[0], last[0]),
            min(first[1], last[1]),
            abs(last[0] - first[0]),
            abs(last[1] - first[1]),
            paint.fill,
            stroke or Stroke(paint.stroke, 1.0),
            radius,
            part,
            tip,
        )
        (self._frames if part is Part.FRAME else self.shapes).append(rect)
        return rect

    def circle(self, along: float, across: float, radius: float, fill: str, stroke: Stroke | None = None) -> None:
        x, y = self.at(along, across)
        self.shapes.append(Circle(x, y, radius, fill, stroke))

    def text_in(self, rect: Rect, lines: Sequence[tuple[str, float, str]], *, vertical: bool = False) -> None:
        """Lines of text, as ``(text, size, colour)``, centred in a rectangle."""
        total = sum(size * LEADING for _, size, _ in lines)
        x, y = rect.x + rect.width / 2, rect.y + rect.height / 2
        start = -total / 2
        for text, size, color in lines:
            # Capitals and digits are centred; descenders are rare in labels.
            base = start + size * LEADING / 2 + size * (ASCENT - DESCENT * 0.15) / 2
            place = (x + base, y) if vertical else (x, y + base)
            self.shapes.append(Text(*place, text, size, color, "middle", vertical, rect))
            start += size * LEADING

    def text(self, x: float, y: float, text: str, size: float, color: str, anchor: str = "start") -> None:
        """A line of text at a position on the sheet."""
        self.shapes.append(Text(x, y, text, size, color, anchor))

    def _point(self, piece: Point | tuple[Point, Point, Point]) -> Point | tuple[Point, Point, Point]:
        if len(piece) == 3:
            one, other, end = piece
            return self.at(*one), self.at(*other), self.at(*end)
        return self.at(*piece)

    @staticmethod
    def _end(piece: Point | tuple[Point, Point, Point]) -> Point:
        return piece[2] if len(piece) == 3 else piece


def rounded(points: Sequence[Point], radius: float) -> list[Point | tuple[Point, Point, Point]]:
    """A path of straight segments at right angles, with rounded corners."""
    path: list[Point | tuple[Point, Point, Point]] = [points[0]]
    last = len(points) - 3
    for number, (before, corner, after) in enumerate(zip(points, points[1:], points[2:], strict=False)):
        # Two corners share the segment between them; the end stays straight for the arrow head.
        reach = _distance(before, corner) / (1 if number == 0 else 2)
        ahead = max(0.0, _distance(corner, after) - HEAD - 1) if number == last else _distance(corner, after) / 2
        room = min(radius, reach, ahead)
        start, end = _towards(corner, before, room), _towards(corner, after, room)
        # Cubic approximation of a quarter circle.
        one, other = _towards(start, corner, room * 0.5523), _towards(end, corner, room * 0.5523)
        path += [start, (one, other, end)]
    path.append(points[-1])
    return path


def _distance(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _towards(start: Point, end: Point, length: float) -> Point:
    distance = _distance(start, end)
    part = length / distance if distance else 0.0
    return start[0] + (end[0] - start[0]) * part, start[1] + (end[1] - start[1]) * part
