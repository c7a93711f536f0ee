"""Shapes on a sheet, in points from its top left corner; written as SVG or PDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.picture.metrics import ASCENT, DESCENT, text_width

Point = tuple[float, float]


class Part(StrEnum):
    """The role of a rectangle: lines may cross a frame, but not a box."""

    BOX = "box"
    FRAME = "frame"
    BAR = "bar"


@dataclass(frozen=True, slots=True)
class Stroke:
    color: str
    width: float = 1.0
    dash: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Rect:
    """A rectangle with rounded corners and a tooltip ``tip``."""

    x: float
    y: float
    width: float
    height: float
    fill: str
    stroke: Stroke | None = None
    radius: float = 0.0
    part: Part = Part.BOX
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """A path of straight segments and cubic curves.

    ``points`` begins with a point, followed by points (segments) and triples of points (curves).
    """

    points: tuple[Point | tuple[Point, Point, Point], ...]
    stroke: Stroke
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """A filled polygon, such as the head of an arrow."""

    points: tuple[Point, ...]
    fill: str


@dataclass(frozen=True, slots=True)
class Circle:
    x: float
    y: float
    radius: float
    fill: str
    stroke: Stroke | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text: ``x, y`` is on its baseline, at its ``anchor`` (``start``, ``middle``, ``end``).

    ``vertical`` text runs upwards, with its baseline on the right. ``inside`` is the rectangle that it labels.
    """

    x: float
    y: float
    text: str
    size: float
    color: str
    anchor: str = "start"
    vertical: bool = False
    inside: Rect | None = field(default=None, repr=False)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of its bounding box."""
        width = text_width(self.text, self.size)
        before = {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        if self.vertical:
            top = self.y + before - width
            return self.x - ASCENT * self.size, top, self.x + DESCENT * self.size, top + width
        left = self.x - before
        return left, self.y - ASCENT * self.size, left + width, self.y + DESCENT * self.size


Shape = Rect | Line | Area | Circle | Text


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture. ``title`` and ``description`` are for screen readers."""

    width: float
    height: float
    background: str
    title: str
    description: str
    shapes: tuple[Shape, ...]
