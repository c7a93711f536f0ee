"""Build the diagram of a graph at a level of detail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from resdsl.analysis.quantities import short
from resdsl.analysis.summary import Row, summarize
from resdsl.ir.graph import Graph, Node, Scope, ScopeKind
from resdsl.ir.operator import Operator
from resdsl.ir.print import describe
from resdsl.ops.identity import Identity
from resdsl.ops.join import Join
from resdsl.ops.scale import Scale
from resdsl.picture.diagram import (
    Block,
    Box,
    Branch,
    Branches,
    Detail,
    Diagram,
    Element,
    Kind,
    Offshoot,
    Port,
    Resume,
    Series,
    Skip,
    walk,
)
from resdsl.picture.labels import layer_label, shape_label, size_label
from resdsl.picture.levels import Levels

_SIGNS = {"add": "+", "mul": "x", "concat": "concat", "mean": "mean"}


def build(graph: Graph, detail: Detail, *, marks: Mapping[int, str] = MappingProxyType({})) -> Diagram:
    """The diagram of a network, with all repeats expanded.

    ``marks`` are the marks of nodes in a comparison (see ``resdsl.picture.theme.Theme.marks``).
    """
    return Diagram(graph, graph.name, _facts(graph), _Builder(graph, detail, marks).whole())


def _facts(graph: Graph) -> tuple[str, ...]:
    macs = graph.macs
    # For symbolic sizes the count is a formula, which is too long for a title.
    counted = [f"{short(macs)} MACs"] if isinstance(macs, int) and macs else []
    return (f"{graph.depth} layer{'s' * (graph.depth != 1)}", f"{short(graph.parameter_count)} parameters", *counted)


@dataclass(slots=True)
class _Piece:
    """An element, or a node that goes inside one, with its input and output values."""

    source: int
    value: int
    element: Element | None = None
    nodes: tuple[int, ...] = field(default=())


@dataclass(slots=True)
class _Path:
    """Consecutive elements, starting from one value."""

    source: int
    elements: list[Element] = field(default_factory=list)
    nodes: set[int] = field(default_factory=set)
    waiting: list[int] = field(default_factory=list)
    """Nodes that go inside the next element."""


class _Builder:
    def __init__(self, graph: Graph, detail: Detail, marks: Mapping[int, str]) -> None:
        self._graph = graph
        self._detail = detail
        self._marks = marks
        self._levels = Levels(graph)
        self._outputs: dict[int, list[str]] = {}
        for output in graph.outputs:
            self._outputs.setdefault(output.node, []).append(output.name)
        self._users: dict[int, list[int]] = {}
        for node in graph.nodes:
            for index in node.inputs:
                self._users.setdefault(index, []).append(node.index)
        self._rows = {row.path: row for row in _rows(graph)} if detail is Detail.STAGE else {}

    def whole(self) -> Series:
        graph = self._graph
        if self._detail is Detail.MODEL and not _has_models(graph.root):
            pieces = [self._model(graph.root)]
        else:
            pieces = self._pieces(graph.root)
        series = self._series(pieces, graph.input.index, whole=not any(piece.element for piece in pieces))
        start = Port(graph.input_name, is_input=True, value=graph.input.index)
        return Series((start, *self._without_last_port(series).items))

    def _without_last_port(self, series: Series) -> Series:
        """Drop the port at the end of a network with a single output, whose name adds nothing."""
        ports = [item for item in walk(series) if isinstance(item, Port)]
        last = series.items[-1] if series.items else None
        if self._detail is Detail.OP or len(ports) != 1 or ports[0] is not last:
            return series
        return Series(series.items[:-1])

    # --- pieces ---

    def _pieces(self, scope: Scope) -> list[_Piece]:
        pieces: list[_Piece] = []
        for child in scope.children:
            if isinstance(child, int):
                if child != self._graph.input.index:
                    pieces.append(self._layer(self._graph.nodes[child]))
            elif child.kind is ScopeKind.JOIN:
                pieces.extend(self._join(child))
            elif self._detail.closes(child):
                pieces.append(self._closed(child))
            elif child.kind in (ScopeKind.BLOCK, ScopeKind.MODEL):
                pieces.extend(self._block(child))
            else:
                pieces.extend(self._pieces(child))
        return pieces

    def _layer(self, node: Node) -> _Piece:
        # A further input of an ONNX file takes nothing.
        source = node.inputs[0] if node.inputs else self._graph.input.index
        if self._detail is not Detail.OP and node.operator.drawn_inside:
            return _Piece(source, node.index, nodes=(node.index,))
        return _Piece(source, node.index, self._box(node), (node.index,))

    def _box(self, node: Node) -> Box:
        return Box(
            layer_label(node.operator),
            self._levels[node.index] if node.operator.counts_as_layer else None,
            size_label(node.type),
            self._mark((node.index,)),
            path=node.path,
            tip=self._tip(node),
            nodes=(node.index,),
            value=node.index,
        )

    def _tip(self, node: Node) -> str:
        macs = node.operator.macs(self._graph.input_types(node), node.type)
        weights = sum(parameter.count for parameter in self._graph.parameters_of(node) if parameter.trainable)
        costs = [f"{short(weights)} parameters"] if weights else []
        costs += [f"{short(macs)} MACs"] if isinstance(macs, int) and macs else []
        shape = shape_label(node.type)
        return "\n".join([f"{node.path}: {describe(node.operator)}", ", ".join([f"-> {shape}", *costs])])

    def _closed(self, scope: Scope) -> _Piece:
        if scope.kind is ScopeKind.MODEL:
            return self._model(scope)
        nodes = tuple(scope.nodes())
        if scope.kind is ScopeKind.BLOCK and (single := self._single(scope, nodes)) is not None:
            return single
        result = self._graph.nodes[scope.output]
        row = self._rows.get(scope.path)
        inside = [row.text] if row is not None and scope.kind is ScopeKind.STAGE else []
        box = Box(
            scope.path if scope.kind in (ScopeKind.STAGE, ScopeKind.AUX) else call(scope),
            self._levels[scope.output],
            size_label(result.type),
            self._mark(nodes),
            (*inside, shape_label(result.type)),
            path=scope.path,
            tip=f"{scope.path}: {call(scope)}" if scope.callee else "\n".join([scope.path, *inside]),
            nodes=nodes,
            value=scope.output,
        )
        return _Piece(scope.input, scope.output, box, nodes)

    def _single(self, scope: Scope, nodes: tuple[int, ...]) -> _Piece | None:
        """A block of one layer is labelled as that layer."""
        layers = [node for node in nodes if not self._graph.nodes[node].operator.drawn_inside]
        if len(layers) != 1 or isinstance(self._graph.nodes[layers[0]].operator, Join):
            return None
        box = self._box(self._graph.nodes[layers[0]])
        return _Piece(
            scope.input, scope.output, replace(box, nodes=nodes, mark=self._mark(nodes), value=scope.output), nodes
        )

    def _model(self, scope: Scope) -> _Piece:
        graph = self._graph
        nodes = tuple(node for node in scope.nodes() if node != graph.input.index)
        last = scope.output if scope is not graph.root else _last_output(graph)
        inside = set(nodes) - graph.aux_nodes
        weights = sum(one.count for one in graph.parameters.values() if one.trainable and one.node in inside)
        name = call(scope) if scope is not graph.root else graph.name
        shapes = f"{shape_label(graph.nodes[scope.input].type)} to {shape_label(graph.nodes[last].type)}"
        box = Box(
            name,
            0,
            "",
            self._mark(nodes),
            (shapes, f"{short(weights)} parameters"),
            path=scope.path,
            tip=name,
            nodes=nodes,
            value=last,
        )
        return _Piece(scope.input, last, box, nodes)

    def _block(self, scope: Scope) -> list[_Piece]:
        pieces = self._pieces(scope)
        if all(piece.element is None for piece in pieces):
            return pieces
        body = self._series(pieces, scope.input, ends=False)
        if len(body.items) == 1 and isinstance(body.items[0], Box | Block):
            return [_Piece(scope.input, scope.output, body.items[0], tuple(scope.nodes()))]
        name = scope.callee or scope.label
        nodes = tuple(scope.nodes())
        whole = scope.kind is ScopeKind.MODEL
        block = Block(name, body, is_whole=whole, nodes=nodes, value=scope.output)
        return [_Piece(scope.input, scope.output, block, nodes)]

    # --- joins ---

    def _join(self, scope: Scope) -> list[_Piece]:
        node = self._graph.nodes[scope.output]
        if not scope.children or scope.children[-1] != node.index or not isinstance(node.operator, Join):
            return self._pieces(scope)  # a residual without a shortcut
        inside = replace(scope, children=scope.children[:-1])
        ends = list(node.inputs)
        scaled: Node | None = None
        if inside.children and inside.children[-1] == ends[0] and isinstance(self._operator(ends[0]), Scale):
            # The scale of a residual is listed after both paths and belongs to the first.
            scaled = self._graph.nodes[ends[0]]
            inside.children = inside.children[:-1]
            ends[0] = scaled.inputs[0]
        paths = _split(self._pieces(inside), ends)
        if scaled is not None and self._detail is Detail.OP:
            paths[0] = [*paths[0], self._layer(scaled)]
        if len(ends) == 2 and (scope.callee == "residual" or not paths[0] or not paths[1]):
            skip = self._skip(scope, node, ends, paths, scaled)
            if skip is not None:
                return [_Piece(scope.input, node.index, skip, tuple(scope.nodes()))]
        branches = tuple(self._branch(path, end, scope.input) for path, end in zip(paths, ends, strict=True))
        # A path from another value enters from the side.
        ordered = tuple(sorted(branches, key=_inwards))
        what = "filter concat" if node.operator.join == "concat" else node.operator.join
        element = Branches(
            ordered, what, size_label(node.type), self._mark((node.index,)), (node.index,), value=node.index
        )
        return [_Piece(scope.input, node.index, element, tuple(scope.nodes()))]

    def _branch(self, path: Sequence[_Piece], end: int, entry: int) -> Branch:
        source = path[0].source if path else end
        return Branch(self._series(path, source, whole=True), None if source == entry else source)

    def _skip(
        self, scope: Scope, node: Node, ends: Sequence[int], paths: Sequence[Sequence[_Piece]], scaled: Node | None
    ) -> Skip | None:
        """A main path and a shortcut, or ``None`` if the shortcut starts outside the main path."""
        one, other = (0, 1) if paths[0] else (1, 0)
        if not paths[one] or paths[one][0].source != scope.input:
            return None
        main = self._series(paths[one], paths[one][0].source, whole=True)
        source = paths[other][0].source if paths[other] else ends[other]
        start = _place(main, source)
        if start is None and source != scope.input:
            return None
        shortcut = self._series(paths[other], source, whole=True) if paths[other] else Series()
        assert isinstance(node.operator, Join)
        sign = _SIGNS[node.operator.join]
        arc = self._detail is not Detail.OP and _is_short(shortcut, self._graph)
        passed = [item for item in shortcut.items if isinstance(item, Box)]
        around = "; ".join(line for box in passed for line in box.lines)
        return Skip(
            main,
            Kind.PROJECTION if shortcut.items else Kind.IDENTITY,
            sign,
            start or 0,
            f"x {scaled.operator.factor:g}" if scaled is not None and isinstance(scaled.operator, Scale) else "",
            None if arc or not shortcut.items else shortcut,
            shows_sign=self._detail is Detail.OP or sign != "+",
            # An arc also represents the layers on it.
            mark=self._mark((node.index, *(part for box in passed for part in box.nodes if arc))),
            around=around,
            nodes=(node.index,),
            value=node.index,
        )

    def _is_identity(self, index: int) -> bool:
        return isinstance(self._operator(index), Identity)

    def _operator(self, index: int) -> Operator:
        return self._graph.nodes[index].operator

    # --- series ---

    def _series(self, pieces: Iterable[_Piece], source: int, *, whole: bool = False, ends: bool = True) -> Series:
        """Pieces in the order of computation.

        With ``whole``, nodes without a layer get a box of their own. Outputs of the last piece get ports here,
        unless the series is a part that does not ``end`` here.
        """
        paths = [_Path(source)]
        current = source
        # Heads that only training needs branch off, wherever they are in the text.
        aux = self._graph.aux_nodes
        for piece in sorted(pieces, key=lambda piece: bool(piece.nodes) and aux.issuperset(piece.nodes)):
            if piece.source != current:
                self._end(paths[-1], whole=whole)
                paths.append(_Path(piece.source))
            self._append(paths[-1], piece)
            current = piece.value
        if ends:
            self._end(paths[-1], whole=whole)
        return _joined(paths, self._users)

    def _append(self, path: _Path, piece: _Piece) -> None:
        path.nodes.update(piece.nodes)
        last = path.elements[-1] if path.elements else None
        if piece.element is None and last is not None:
            path.elements[-1] = self._grown(last, piece)
            return
        if piece.element is None:
            path.waiting.extend(piece.nodes)
            return
        self._end_with_ports(path)
        element = piece.element
        if path.waiting and isinstance(element, Box):
            nodes = (*path.waiting, *element.nodes)
            element = replace(element, nodes=nodes, before=tuple(path.waiting), mark=self._mark(nodes))
            path.waiting = []
        path.elements.append(element)

    def _grown(self, element: Element, piece: _Piece) -> Element:
        """An element with one more node inside, after its layer."""
        if isinstance(element, Port | Resume | Offshoot):
            return element
        nodes = (*element.nodes, *piece.nodes)
        if isinstance(element, Box | Branches | Skip):
            # The mark of a join also covers its shortcut, whose nodes are not part of the join.
            keeps = not isinstance(element, Box) and element.mark not in ("", "same")
            marked = element.mark if keeps else self._mark(nodes)
            return replace(element, nodes=nodes, value=piece.value, mark=marked)
        return replace(element, nodes=nodes, value=piece.value)

    def _end(self, path: _Path, *, whole: bool) -> None:
        if whole and not path.elements and any(not self._is_identity(node) for node in path.waiting):
            nodes = tuple(path.waiting)
            texts = [layer_label(self._operator(node)) for node in nodes]
            last = self._graph.nodes[nodes[-1]]
            box = Box(
                ", ".join(texts),
                None,
                size_label(last.type),
                self._mark(nodes),
                path=last.path,
                tip=self._tip(last),
            )
            path.elements.append(replace(box, nodes=nodes, value=last.index))
            path.waiting = []
        # A whole path continues into a join.
        self._end_with_ports(path, ends=not whole)

    def _end_with_ports(self, path: _Path, *, ends: bool = False) -> None:
        """Add a port for each output of the last element."""
        last = path.elements[-1] if path.elements else None
        if last is None or isinstance(last, Port | Resume | Offshoot):
            return
        names = [name for node in sorted({last.value, *last.nodes}) for name in self._outputs.pop(node, ())]
        if names:
            path.elements.append(Port(", ".join(names), ends=ends, value=last.value))

    def _mark(self, nodes: Iterable[int]) -> str:
        if not self._marks:
            return ""
        inside = list(nodes)
        layers = [node for node in inside if self._operator(node).counts_as_layer]
        main = {self._marks.get(node, "same") for node in layers or inside}
        marks = main | {self._marks.get(node, "same") for node in inside}
        # An added convolution makes an added box, even if its activation existed before.
        if len(marks) == 1 or (len(main) == 1 and main <= {"added", "removed"}):
            return main.pop()
        loud = marks - {"same", "follows"}
        if not loud:
            return "follows"
        return loud.pop() if len(loud) == 1 and loud <= {"moved", "renamed"} else "changed"


def _rows(graph: Graph) -> Iterable[Row]:
    return summarize(graph, depth=1).rows


def _inwards(branch: Branch) -> int:
    """Sort key of branches: those that take other values are placed outside, where their lines arrive."""
    if branch.source is not None:
        return 0
    inside = (item for item in walk(branch.body) if isinstance(item, Branches))
    return 1 if any(one.source is not None for item in inside for one in item.branches) else 2


def _has_models(root: Scope) -> bool:
    pending = list(root.children)
    while pending:
        child = pending.pop()
        if isinstance(child, Scope):
            if child.kind is ScopeKind.MODEL:
                return True
            pending.extend(child.children)
    return False


def call(scope: Scope) -> str:
    """A call in the syntax of the language, with its first argument by position."""
    first = next(iter(scope.arguments), None)
    shown = [
        value if name == first else f"{name} = {value}"
        for name, value in scope.arguments.items()
        if name in scope.given or (name == "stride" and value != "1")
    ]
    name = scope.callee or scope.label or scope.path
    return f"{name}({', '.join(shown)})" if shown else name


def _split(pieces: Sequence[_Piece], ends: Sequence[int]) -> list[list[_Piece]]:
    """The pieces of a join, split into its branches, which are listed one after another and end in ``ends``."""
    paths: list[list[_Piece]] = []
    cursor = 0
    for end in ends:
        stop = next((place for place in range(cursor, len(pieces)) if pieces[place].value == end), None)
        paths.append([] if stop is None else list(pieces[cursor : stop + 1]))
        cursor = cursor if stop is None else stop + 1
    if cursor < len(pieces):
        rest = next((path for path in reversed(paths) if path), paths[-1])
        rest.extend(pieces[cursor:])
    return paths


def _place(main: Series, source: int) -> int | None:
    """The number of items of a path after which a value is available."""
    for place, item in enumerate(main.items):
        if isinstance(item, Box) and source in item.before:
            return place
        if item.value == source or (isinstance(item, Box) and source in item.nodes):
            return place + 1
    return None


def _is_short(shortcut: Series, graph: Graph) -> bool:
    """Whether a shortcut is a mere projection: one layer with weights, or the subsampling of option A."""
    weighted = sum(
        graph.nodes[node].operator.counts_as_layer
        for item in shortcut.items
        if isinstance(item, Box)
        for node in item.nodes
    )
    return len(shortcut.items) <= 2 and weighted <= 1 and all(isinstance(item, Box) for item in shortcut.items)


def _last_output(graph: Graph) -> int:
    """The value of the last output of inference."""
    ends = [output.node for output in graph.outputs if not output.aux]
    return ends[-1] if ends else graph.nodes[-1].index


def _joined(paths: Sequence[_Path], users: Mapping[int, Sequence[int]]) -> Series:
    """Join paths into one series: paths to outputs branch off, the others resume from another value."""
    main = [path for path in paths[1:] if path.elements]
    items: list[Element] = list(paths[0].elements)
    for path in main:
        leaves = any(user not in path.nodes for node in path.nodes for user in users.get(node, ()))
        place = None if leaves else _after(items, path.source)
        if place is None:
            items += [Resume(path.source), *path.elements]
        else:
            items.insert(place, Offshoot(Series(tuple(path.elements)), path.source))
    return Series(tuple(items))


def _after(items: Sequence[Element], value: int) -> int | None:
    """Where a path that takes this value can leave the series; never at its end, where the flow continues."""
    for place, item in enumerate(items[:-1], start=1):
        taken = isinstance(item, Box) and value in item.nodes
        if not isinstance(item, Resume | Offshoot) and (item.value == value or taken):
            return place
    return None
