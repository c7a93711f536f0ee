"""Write a scene as compact, deterministic SVG with selectable text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.sax.saxutils import escape
from zlib import crc32

from resdsl.picture.metrics import known, text_width
from resdsl.picture.scene import Area, Circle, Line, Rect, Scene, Shape, Stroke, Text
from resdsl.picture.theme import FONT

_ILLEGAL = dict.fromkeys((*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF), "�")
"""Characters that XML 1.0 does not allow, not even escaped."""


def render_svg(scene: Scene) -> str:
    """The text of an SVG file."""
    return "".join(f"{line}\n" for line in _Writer(scene).lines())


class _Writer:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._classes: dict[str, str] = {}

    def lines(self) -> Iterator[str]:
        scene = self._scene
        body = list(self._shapes(scene.shapes))
        width, height = _number(scene.width), _number(scene.height)
        # Styles of an inline SVG apply to the whole page, so class names contain a digest of the picture.
        own = f"net-{crc32(repr(list(self._classes)).encode()):08x}"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="{own}" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img">'
        )
        yield f"<title>{_text(scene.title)}</title>"
        yield f"<desc>{_text(scene.description)}</desc>"
        yield "<style>"
        yield f".{own} text{{font-family:{FONT};white-space:pre}}"
        for style, name in self._classes.items():
            yield f".{own} .{name}{{{style}}}"
        yield "</style>"
        yield f'<rect width="{width}" height="{height}" fill="{scene.background}"/>'
        yield from body
        yield "</svg>"

    def _class(self, style: str) -> str:
        return self._classes.setdefault(style, f"s{len(self._classes)}")

    def _shapes(self, shapes: Sequence[Shape]) -> Iterator[str]:
        """Shapes in order; a box with a tooltip is grouped with its text, so the tooltip also shows over the text."""
        group: Rect | None = None
        for shape in shapes:
            if group is not None and not (isinstance(shape, Text) and shape.inside is group):
                group = None
                yield "</g>"
            if isinstance(shape, Rect) and shape.tip:
                group = shape
                yield f"<g><title>{_text(shape.tip)}</title>"
            yield self._shape(shape)
        if group is not None:
            yield "</g>"

    def _shape(self, shape: Shape) -> str:
        if isinstance(shape, Rect):
            style = self._class(f"fill:{shape.fill};{_stroke(shape.stroke)}")
            round_ = f' rx="{_number(shape.radius)}"' if shape.radius else ""
            place = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
            size = f'width="{_number(shape.width)}" height="{_number(shape.height)}"'
            return f'<rect class="{style}" {place} {size}{round_}/>'
        if isinstance(shape, Line):
            style = self._class(f"fill:none;{_stroke(shape.stroke)}")
            path = f'<path class="{style}" d="{_path(shape)}"'
            return f"{path}><title>{_text(shape.tip)}</title></path>" if shape.tip else f"{path}/>"
        if isinstance(shape, Area):
            style = self._class(f"fill:{shape.fill}")
            points = " ".join(map(_point, shape.points))
            return f'<path class="{style}" d="M{points}z"/>'
        if isinstance(shape, Circle):
            style = self._class(f"fill:{shape.fill};{_stroke(shape.stroke)}")
            place = f'cx="{_number(shape.x)}" cy="{_number(shape.y)}" r="{_number(shape.radius)}"'
            return f'<circle class="{style}" {place}/>'
        return self._words(shape)

    def _words(self, text: Text) -> str:
        anchor = "" if text.anchor == "start" else f";text-anchor:{text.anchor}"
        style = self._class(f"font-size:{_number(text.size)}px;fill:{text.color}{anchor}")
        # With another font, the text still has the measured width.
        width = f' textLength="{_number(text_width(text.text, text.size))}" lengthAdjust="spacingAndGlyphs"'
        fixed = width if text.text and known(text.text) else ""
        x, y = _number(text.x), _number(text.y)
        turned = f' transform="rotate(-90 {x} {y})"' if text.vertical else ""
        return f'<text class="{style}" x="{x}" y="{y}"{turned}{fixed}>{_text(text.text)}</text>'


def _stroke(stroke: Stroke | None) -> str:
    if stroke is None:
        return "stroke:none"
    dash = ""
    if stroke.dash is not None:
        dash = f";stroke-dasharray:{_number(stroke.dash[0])} {_number(stroke.dash[1])};stroke-linecap:round"
    return f"stroke:{stroke.color};stroke-width:{_number(stroke.width)}{dash}"


def _path(line: Line) -> str:
    first, *rest = line.points
    parts = [f"M{_point(first)}"]
    for piece in rest:
        if isinstance(piece[0], tuple):
            parts.append("C" + " ".join(_point(point) for point in piece))
        else:
            parts.append(f"L{_point(piece)}")
    return "".join(parts)


def _point(point: object) -> str:
    assert isinstance(point, tuple)
    return f"{_number(point[0])} {_number(point[1])}"


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _text(text: str) -> str:
    return escape(text.translate(_ILLEGAL))
