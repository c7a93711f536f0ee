"""Draw costs: bars of MACs, parameters and activations along the depth, and the receptive field."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from resdsl.analysis.cost import Cost, costs, total
from resdsl.analysis.quantities import short, size
from resdsl.analysis.receptive import receptive_fields
from resdsl.ir.graph import Graph, Scope, ScopeKind
from resdsl.ops.join import Join
from resdsl.picture.build import call
from resdsl.picture.canvas import Canvas, Direction
from resdsl.picture.diagram import Detail
from resdsl.picture.labels import layer_label, size_label, spatial
from resdsl.picture.levels import Levels
from resdsl.picture.metrics import ASCENT, fitted, text_width
from resdsl.picture.scene import Part, Rect, Scene, Stroke
from resdsl.picture.theme import Theme

_MOST_ROWS = 64
"""Maximum number of rows; a deeper network has a row for each block, then for each stage."""

_MARGIN = 20.0
_ROW = 17.0
_CHIP = 13.0
_FONT = 9.5
_NUMBER = 8.5
_TITLE = 15.0
_BAR = 86.0
_VALUE = 48.0
_SHARE = 34.0
_GAP = 16.0
_FIELD = 150.0
_LONGEST = 190.0


@dataclass(frozen=True, slots=True)
class Layer:
    """A row: label, cost, and receptive field of its output (``None``: the whole image)."""

    text: str
    path: str
    level: int | None
    size: str
    cost: Cost
    field: int | None


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    total: str
    color: str
    value: Callable[[Layer], int]
    label: Callable[[int], str]


def is_fixed(graph: Graph) -> bool:
    """Whether all costs are numbers; for a symbolic input size they are formulas, which cannot be drawn as bars."""
    return all(isinstance(dim, int) for dim in graph.input.type.shape[1:])


def arrange_costs(graph: Graph, theme: Theme, *, detail: Detail | None = None) -> Scene:
    """The cost picture of a network with a fixed input size; ``detail`` selects what a row is.

    The default is the finest level with few enough rows to read.
    """
    return _Sheet(graph, theme, layers(graph, detail)).scene()


def layers(graph: Graph, detail: Detail | None) -> list[Layer]:
    """The rows, whose costs add up to the total of the network."""
    levels = [detail] if detail is not None else [Detail.LAYER, Detail.BLOCK, Detail.STAGE]
    for level in levels[:-1]:
        rows = _Rows(graph, level).rows()
        if len(rows) <= _MOST_ROWS:
            return rows
    return _Rows(graph, levels[-1]).rows()


class _Rows:
    def __init__(self, graph: Graph, detail: Detail) -> None:
        self._graph = graph
        self._detail = detail
        self._costs = costs(graph)
        self._fields = receptive_fields(graph)
        self._levels = Levels(graph)

    def rows(self) -> list[Layer]:
        rows: list[tuple[str, str, list[int]]] = []
        for text, path, nodes in self._pieces(self._graph.root):
            if text is None and rows:
                # Operators without a box are counted in the preceding row.
                rows[-1][2].extend(nodes)
            else:
                rows.append((text or path, path, list(nodes)))
        return [self._row(*each) for each in rows]

    def _row(self, text: str, path: str, nodes: Sequence[int]) -> Layer:
        last = nodes[-1]
        main = next((node for node in nodes if self._graph.nodes[node].operator.counts_as_layer), None)
        field = self._fields[last]
        return Layer(
            text,
            path,
            None if main is None else self._levels[main if self._detail is Detail.LAYER else last],
            size_label(self._graph.nodes[last].type),
            total(self._costs, nodes),
            max(field.rows.size, field.columns.size) if field is not None else None,
        )

    def _pieces(self, root: Scope) -> Iterator[tuple[str | None, str, Iterable[int]]]:
        """Text, path and nodes of each piece; no text for a node that is drawn inside another box."""
        aux = self._graph.aux_nodes
        pending: list[Scope | int] = [root]
        while pending:
            item = pending.pop()
            if isinstance(item, Scope) and item.kind is ScopeKind.AUX:
                # The costs are those of inference.
                continue
            if isinstance(item, Scope):
                if self._detail.closes(item) and item is not root:
                    yield self._scope_text(item), item.path, tuple(index for index in item.nodes() if index not in aux)
                else:
                    pending.extend(reversed(item.children))
            elif item != self._graph.input.index:
                node = self._graph.nodes[item]
                hidden = self._detail is not Detail.OP and (
                    node.operator.drawn_inside or isinstance(node.operator, Join)
                )
                yield None if hidden else layer_label(node.operator), node.path, (item,)

    def _scope_text(self, scope: Scope) -> str:
        if scope.kind is ScopeKind.STAGE:
            return scope.path
        operators = [self._graph.nodes[node].operator for node in scope.nodes()]
        shown = [operator for operator in operators if not operator.drawn_inside]
        # A block of one layer is labelled as that layer.
        return layer_label(shown[0]) if len(shown) == 1 else call(scope)


class _Sheet:
    def __init__(self, graph: Graph, theme: Theme, layers: Sequence[Layer]) -> None:
        self._graph = graph
        self._theme = theme
        self._layers = layers
        self._canvas = Canvas(Direction.DOWN, theme)
        self._chip = max(text_width(self._text(layer), _FONT) for layer in layers) + 14
        whole = sum((layer.cost for layer in layers), Cost())
        self._columns = (
            _Column("MACs", short(whole.macs), theme.bars["macs"], lambda row: _count(row.cost.macs), short),
            _Column(
                "parameters",
                short(whole.parameters),
                theme.bars["parameters"],
                lambda row: row.cost.parameters,
                short,
            ),
            _Column(
                "activations",
                size(whole.activation_bytes),
                theme.bars["activations"],
                lambda row: _count(row.cost.activation_bytes),
                size,
            ),
        )

    def scene(self) -> Scene:
        canvas, theme, graph = self._canvas, self._theme, self._graph
        title = fitted(graph.name, _TITLE, 300)
        canvas.text(_MARGIN, _MARGIN + _TITLE * ASCENT, title, _TITLE, theme.ink)
        pixels = " x ".join(map(str, spatial(graph.input.type)))
        fact = f"{graph.depth} layer{'s' * (graph.depth != 1)}, costs for one image of {pixels} pixels"
        canvas.text(_MARGIN + text_width(title, _TITLE) + 14, _MARGIN + _TITLE * ASCENT, fact, 10, theme.muted)
        top = _MARGIN + _TITLE + 44
        sizes = max(text_width(layer.size, _FONT) for layer in self._layers)
        left = _MARGIN + max(sizes, text_width("size", _FONT)) + 12
        first = left + self._chip + _GAP
        width = _BAR + _VALUE + _SHARE
        right = first + len(self._columns) * (width + _GAP) + _FIELD
        bottom = top + len(self._layers) * _ROW
        self._bands(top, right, [first + number * (width + _GAP) + width for number in range(3)])
        self._chips(top, left)
        for number, column in enumerate(self._columns):
            self._bars(column, first + number * (width + _GAP), top)
        self._fields(first + len(self._columns) * (width + _GAP), top)
        about = f"{graph.name}: {', '.join(f'{column.total} {column.name}' for column in self._columns)}"
        return Scene(right + _MARGIN, bottom + _MARGIN, theme.background, f"{graph.name}: costs", about, canvas.all)

    @staticmethod
    def _text(layer: Layer) -> str:
        return fitted(layer.text, _FONT, _LONGEST)

    def _bands(self, top: float, right: float, ends: Sequence[float]) -> None:
        """A background for every other resolution, with its share of each cost."""
        theme = self._theme
        wholes = [sum(map(column.value, self._layers)) for column in self._columns]
        for number, (start, rows) in enumerate(_sections(self._layers)):
            y = top + start * _ROW
            if number % 2 == 0:
                band = Rect(_MARGIN - 8, y, right - _MARGIN + 16, len(rows) * _ROW, theme.panel, None, 3, Part.FRAME)
                self._canvas.shapes.append(band)
            for column, whole, end in zip(self._columns, wholes, ends, strict=True):
                part = 100 * sum(map(column.value, rows)) / whole if whole else 0.0
                share = f"{part:.0f}%" if part >= 0.5 or part == 0 else "<1%"
                # Next to the middle of its layers.
                middle = y + len(rows) * _ROW / 2 + _FONT * ASCENT / 2
                self._canvas.text(end - 2, middle, share, _FONT, theme.ink, "end")

    def _chips(self, top: float, left: float) -> None:
        theme = self._theme
        self._canvas.text(left - 12, top - 8, "size", _FONT, theme.muted, "end")
        shown = ""
        for number, layer in enumerate(self._layers):
            y = top + number * _ROW
            paint = theme.paint(layer.level)
            rect = Rect(
                left, y + (_ROW - _CHIP) / 2, self._chip, _CHIP, paint.fill, Stroke(paint.stroke), 2.5, tip=layer.path
            )
            self._canvas.shapes.append(rect)
            self._canvas.text_in(rect, [(self._text(layer), _FONT, paint.text)])
            if layer.size != shown:
                base = y + _ROW / 2 + _FONT * ASCENT / 2
                self._canvas.text(left - 12, base, layer.size, _FONT, theme.muted, "end")
                shown = layer.size

    def _bars(self, column: _Column, x: float, top: float) -> None:
        canvas, theme = self._canvas, self._theme
        canvas.text(x, top - 22, column.name, _FONT, theme.muted)
        canvas.text(x, top - 8, column.total, 11, theme.ink)
        most = max(map(column.value, self._layers)) or 1
        for number, layer in enumerate(self._layers):
            value = column.value(layer)
            if not value:
                continue
            y = top + number * _ROW
            length = max(0.6, _BAR * value / most)
            bar = Rect(x, y + 4, length, _ROW - 8, column.color, None, 1.0, Part.BAR, f"{layer.path}: {value:,}")
            canvas.shapes.append(bar)
            base = y + _ROW / 2 + _NUMBER * ASCENT / 2
            canvas.text(x + length + 4, base, column.label(value), _NUMBER, theme.muted)

    def _fields(self, x: float, top: float) -> None:
        """The receptive field of each row: a growing line beside the border of the image."""
        canvas, theme = self._canvas, self._theme
        image = max(_count(dim) for dim in self._graph.input.type.shape[2:] or (1,))
        most = max([image, *(layer.field for layer in self._layers if layer.field is not None)])
        room = _FIELD - 40
        canvas.text(x, top - 22, "receptive field", _FONT, theme.muted)
        canvas.text(x, top - 8, f"up to {most} pixels" if most > image else f"of {image} pixels", 11, theme.ink)
        color = theme.bars["field"]
        border = x + room * image / most
        bottom = top + len(self._layers) * _ROW
        canvas.line([(top, border), (bottom, border)], Stroke(theme.hairline, 1.0, (3, 3)), tip=f"{image}: the image")
        points: list[tuple[float, float]] = []
        for number, layer in enumerate(self._layers):
            y = top + (number + 0.5) * _ROW
            at = x + room * (layer.field if layer.field is not None else most) / most
            points.append((y, at))
        canvas.line(points, Stroke(color, 1.4))
        shown = ""
        for (y, at), layer in zip(points, self._layers, strict=True):
            canvas.circle(y, at, 2.2, color)
            field = str(layer.field) if layer.field is not None else "all"
            if field == shown:
                continue
            shown = field
            canvas.text(x + _FIELD, y + _NUMBER * ASCENT / 2, field, _NUMBER, theme.muted, "end")


def _sections(layers: Sequence[Layer]) -> Iterator[tuple[int, list[Layer]]]:
    """Consecutive rows of one size, and the index of the first."""
    start = 0
    for number in range(1, len(layers) + 1):
        if number == len(layers) or layers[number].size != layers[start].size:
            yield start, list(layers[start:number])
            start = number


def _count(dim: object) -> int:
    assert isinstance(dim, int), "costs are drawn for inputs of a fixed size"
    return dim
