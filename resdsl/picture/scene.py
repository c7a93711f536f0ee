"""Shapes on a sheet, in points from its top left corner: what a diagram becomes, and what is written as SVG or PDF."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.picture.metrics import ASCENT, DESCENT, text_width

Point = tuple[float, float]


class Part(StrEnum):
    """What a rectangle is in the picture: no line may cross a box, a frame is there to be crossed."""

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
    """A rectangle with round corners; ``tip`` is told to whoever points at it."""

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
    """A path of straight pieces and cubic curves.

    ``points`` begins with a point; after it come points, and triples of points for curves.
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

    ``vertical`` text runs upwards, with its baseline to the right of it. ``inside`` is the rectangle whose text it is.
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
        """Left, top, right and bottom of the room that it takes."""
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
    """A whole picture. ``title`` and ``description`` are for whoever cannot see it."""

    width: float
    height: float
    background: str
    title: str
    description: str
    shapes: tuple[Shape, ...]
