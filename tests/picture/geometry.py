"""Properties of every sheet: text fits and does not overlap, lines cross no boxes, all is on the sheet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resdsl.picture.scene import Circle, Line, Part, Point, Rect, Scene, Text

Bounds = tuple[float, float, float, float]

_SHELF = 64.0
"""Height of the strips that boxes are sorted into, so that a line is held against those near it alone."""

_SLACK = 0.6
"""Points that two things may touch by: half the width of a line."""


def faults(scene: Scene) -> list[str]:
    """Everything that is wrong with a sheet, in words."""
    return [*_outside(scene), *_words_that_do_not_fit(scene), *_overlaps(scene), *crossings(scene)]


def _outside(scene: Scene) -> Iterator[str]:
    for shape in scene.shapes:
        left, top, right, bottom = _bounds(shape)
        if left < -_SLACK or top < -_SLACK or right > scene.width + _SLACK or bottom > scene.height + _SLACK:
            yield f"off the sheet: {_called(shape)}"


def _words_that_do_not_fit(scene: Scene) -> Iterator[str]:
    for text in scene.shapes:
        if isinstance(text, Text) and text.inside is not None and not _holds(_bounds(text.inside), text.bounds):
            yield f"larger than its box: {text.text!r}"


def _overlaps(scene: Scene) -> Iterator[str]:
    """Texts over texts, texts over boxes that are not theirs, boxes over boxes."""
    texts = [shape for shape in scene.shapes if isinstance(shape, Text)]
    boxes = [shape for shape in scene.shapes if isinstance(shape, Rect) and shape.part is Part.BOX]
    for one, other in _meeting([*texts, *boxes]):
        if isinstance(one, Text) and isinstance(other, Rect) and one.inside == other:
            continue
        if isinstance(other, Text) and isinstance(one, Rect) and other.inside == one:
            continue
        yield f"on top of each other: {_called(one)} and {_called(other)}"


def crossings(scene: Scene, *, hidden: bool = False) -> Iterator[str]:
    """Lines through boxes and words; with ``hidden``, also those that the box is painted over."""
    order = {id(shape): number for number, shape in enumerate(scene.shapes)}
    pieces = [(order[id(line)], piece) for line in scene.shapes if isinstance(line, Line) for piece in _pieces(line)]
    obstacles = [
        (_shrunk(_bounds(shape)), shape)
        for shape in scene.shapes
        if isinstance(shape, Text) or (isinstance(shape, Rect) and shape.part is Part.BOX)
    ]
    shelves: dict[int, list[tuple[Bounds, Rect | Text]]] = {}
    for bounds, shape in obstacles:
        for shelf in range(int(bounds[1] // _SHELF), int(bounds[3] // _SHELF) + 1):
            shelves.setdefault(shelf, []).append((bounds, shape))
    reported: set[str] = set()
    for number, (one, other) in pieces:
        top, bottom = sorted((one[1], other[1]))
        near = [
            each for shelf in range(int(top // _SHELF), int(bottom // _SHELF) + 1) for each in shelves.get(shelf, ())
        ]
        for bounds, shape in near:
            box = shape.inside if isinstance(shape, Text) and shape.inside is not None else shape
            if not hidden and number < order[id(box)]:
                continue
            if _crosses(bounds, one, other):
                words = f"a line through {_called(shape)}"
                if words not in reported:
                    reported.add(words)
                    yield words


def _meeting(shapes: Sequence[Text | Rect]) -> Iterator[tuple[Text | Rect, Text | Rect]]:
    """Pairs whose bounds overlap, found by a sweep from the top."""
    placed = sorted(((_shrunk(_bounds(shape)), shape) for shape in shapes), key=lambda each: each[0][1])
    active: list[tuple[Bounds, Text | Rect]] = []
    for bounds, shape in placed:
        active = [each for each in active if each[0][3] > bounds[1]]
        for other_bounds, other in active:
            if other_bounds[0] < bounds[2] and bounds[0] < other_bounds[2]:
                yield other, shape
        active.append((bounds, shape))


def _pieces(line: Line) -> Iterator[tuple[Point, Point]]:
    """Straight pieces; a curve as eight of them."""
    here = line.points[0]
    assert len(here) == 2
    for piece in line.points[1:]:
        if len(piece) == 2:
            yield here, piece
            here = piece
            continue
        one, other, end = piece
        before = here
        for step in range(1, 9):
            t = step / 8
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            point = (
                a * here[0] + b * one[0] + c * other[0] + d * end[0],
                a * here[1] + b * one[1] + c * other[1] + d * end[1],
            )
            yield before, point
            before = point
        here = end


def _crosses(bounds: Bounds, one: Point, other: Point) -> bool:
    """Whether a straight piece goes through the inside of a rectangle (Liang and Barsky 1984)."""
    left, top, right, bottom = bounds
    if right <= left or bottom <= top:
        return False
    dx, dy = other[0] - one[0], other[1] - one[1]
    enter, leave = 0.0, 1.0
    for p, q in ((-dx, one[0] - left), (dx, right - one[0]), (-dy, one[1] - top), (dy, bottom - one[1])):
        if p == 0:
            if q <= 0:
                return False
        elif p < 0:
            enter = max(enter, q / p)
        else:
            leave = min(leave, q / p)
    return enter < leave


def _bounds(shape: object) -> Bounds:
    if isinstance(shape, Text):
        return shape.bounds
    if isinstance(shape, Rect):
        return shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
    if isinstance(shape, Circle):
        return shape.x - shape.radius, shape.y - shape.radius, shape.x + shape.radius, shape.y + shape.radius
    points = [point for piece in _pieces(shape) for point in piece] if isinstance(shape, Line) else shape.points  # type: ignore[attr-defined]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def _shrunk(bounds: Bounds) -> Bounds:
    return bounds[0] + _SLACK, bounds[1] + _SLACK, bounds[2] - _SLACK, bounds[3] - _SLACK


def _holds(outer: Bounds, inner: Bounds) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _called(shape: object) -> str:
    if isinstance(shape, Text):
        return repr(shape.text)
    if isinstance(shape, Rect):
        return f"the {shape.part} at {shape.x:.0f}, {shape.y:.0f} ({shape.tip.partition(chr(10))[0]})"
    return type(shape).__name__.lower()
