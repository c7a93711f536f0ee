"""Write a scene as PDF or PNG with an embedded font; no system font or program is needed.

ReportLab writes the PDF and PDFium renders it as PNG, so both look the same. The font is Arimo, which has the widths of
``resdsl.picture.metrics``. All three are in the extra ``picture``; without it, these functions raise ``ImportError``.
"""

from __future__ import annotations

import io
from functools import cache
from importlib.resources import files
from typing import Any

from resdsl.picture.scene import Area, Circle, Line, Point, Rect, Scene, Shape, Stroke, Text

_FACE = "Arimo"

_LONGEST_PAGE = 14_400.0
"""Maximum side of a page in points (ISO 32000-1, annex C.2); larger scenes are scaled down."""


def render_pdf(scene: Scene) -> bytes:
    """A PDF with one page of the scene's size in points, scaled down if that is too large; deterministic."""
    from reportlab.pdfgen.canvas import Canvas  # an extra

    _load_font()
    target = io.BytesIO()
    factor = min(1.0, _LONGEST_PAGE / max(scene.width, scene.height))
    size = (scene.width * factor, scene.height * factor)
    page = Canvas(target, pagesize=size, invariant=1, pageCompression=1)
    page.scale(factor, factor)
    page.setTitle(scene.title)
    page.setSubject(scene.description)
    _Page(page, scene.height).draw(scene)
    page.save()
    return target.getvalue()


def render_png(scene: Scene, *, scale: float = 2.0) -> bytes:
    """A PNG with ``scale`` pixels per point."""
    from pypdfium2 import PdfDocument  # an extra

    with PdfDocument(render_pdf(scene)) as document:
        page = document[0]
        # Compensate for a scaled-down page.
        image = page.render(scale=scale * scene.width / page.get_width()).to_pil()
    target = io.BytesIO()
    image.save(target, "PNG", optimize=True)
    return target.getvalue()


@cache
def _load_font() -> None:
    from reportlab.pdfbase.pdfmetrics import registerFont  # an extra
    from reportlab.pdfbase.ttfonts import TTFont

    with files("fontpkg_arimo").joinpath("files", "Arimo[wght].ttf").open("rb") as file:
        registerFont(TTFont(_FACE, io.BytesIO(file.read())))


class _Page:
    """Draws shapes on a page, whose ``y`` axis points up."""

    def __init__(self, page: Any, height: float) -> None:
        self._page = page
        self._height = height

    def draw(self, scene: Scene) -> None:
        self._page.setFillColor(scene.background)
        self._page.rect(0, 0, scene.width, scene.height, stroke=0, fill=1)
        for shape in scene.shapes:
            self._shape(shape)

    def _shape(self, shape: Shape) -> None:
        page = self._page
        if isinstance(shape, Text):
            self._text(shape)
        elif isinstance(shape, Rect):
            page.setFillColor(shape.fill)
            self._stroke(shape.stroke)
            left, bottom = self._at((shape.x, shape.y + shape.height))
            radius = min(shape.radius, shape.height / 2, shape.width / 2)
            page.roundRect(
                left, bottom, shape.width, shape.height, radius, stroke=int(shape.stroke is not None), fill=1
            )
        elif isinstance(shape, Circle):
            page.setFillColor(shape.fill)
            self._stroke(shape.stroke)
            page.circle(*self._at((shape.x, shape.y)), shape.radius, stroke=int(shape.stroke is not None), fill=1)
        elif isinstance(shape, Line):
            self._stroke(shape.stroke)
            page.drawPath(self._path(shape), stroke=1, fill=0)
        else:
            self._area(shape)

    def _area(self, area: Area) -> None:
        self._page.setFillColor(area.fill)
        path = self._page.beginPath()
        first, *rest = area.points
        path.moveTo(*self._at(first))
        for point in rest:
            path.lineTo(*self._at(point))
        path.close()
        self._page.drawPath(path, stroke=0, fill=1)

    def _path(self, line: Line) -> Any:
        path = self._page.beginPath()
        for number, piece in enumerate(line.points):
            if len(piece) == 3:
                path.curveTo(*(number for point in piece for number in self._at(point)))
            elif number == 0:
                path.moveTo(*self._at(piece))
            else:
                path.lineTo(*self._at(piece))
        return path

    def _text(self, text: Text) -> None:
        page = self._page
        page.saveState()
        page.setFillColor(text.color)
        page.setFont(_FACE, text.size)
        page.translate(*self._at((text.x, text.y)))
        if text.vertical:
            page.rotate(90)
        draw = {"start": page.drawString, "middle": page.drawCentredString, "end": page.drawRightString}
        draw[text.anchor](0, 0, text.text)
        page.restoreState()

    def _stroke(self, stroke: Stroke | None) -> None:
        if stroke is None:
            return
        page = self._page
        page.setStrokeColor(stroke.color)
        page.setLineWidth(stroke.width)
        # With round line caps, a dash of length zero is a dot.
        page.setLineCap(1 if stroke.dash else 0)
        page.setDash(*(([*stroke.dash], 0) if stroke.dash else ([], 0)))

    def _at(self, point: Point) -> Point:
        return point[0], self._height - point[1]
