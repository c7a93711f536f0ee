"""A diagram as nodes, edges and groups without layout, for programs with a layout of their own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from resdsl.picture.diagram import (
    Block,
    Box,
    Branches,
    Dense,
    Diagram,
    Element,
    Kind,
    Offshoot,
    Port,
    Resume,
    Series,
    Skip,
)
from resdsl.picture.measure import is_framed, times_text


@dataclass(frozen=True, slots=True)
class Node:
    """A box or a join: its ``name`` is unique and made of ASCII letters and digits."""

    name: str
    lines: tuple[str, ...]
    level: int | None = None
    mark: str = ""
    is_join: bool = False
    is_port: bool = False


@dataclass(frozen=True, slots=True)
class Edge:
    source: str
    target: str
    dotted: bool = False
    text: str = ""


@dataclass(slots=True)
class Group:
    """Nodes and groups with a frame and a title; the outermost group has neither."""

    name: str
    title: str
    items: list[Node | Group] = field(default_factory=list)


@dataclass(slots=True)
class Outline:
    root: Group
    edges: list[Edge]

    def nodes(self) -> Iterator[Node]:
        """Every node, in order."""
        stack: list[Node | Group] = [self.root]
        while stack:
            item = stack.pop()
            if isinstance(item, Node):
                yield item
            else:
                stack.extend(reversed(item.items))


def outline(diagrams: list[Diagram] | tuple[Diagram, ...]) -> Outline:
    """The outline of networks; if there are several, each is a group."""
    writer = _Writer()
    for diagram in diagrams:
        writer.network(diagram, alone=len(diagrams) == 1)
    return Outline(writer.root, writer.edges)


class _Writer:
    def __init__(self) -> None:
        self.root = Group("net", "")
        self.edges: list[Edge] = []
        self._group = self.root
        self._count = 0
        self._makers: dict[int, str] = {}
        self._covers: list[tuple[int, int, str]] = []
        self._waiting: list[tuple[int, str]] = []

    def network(self, diagram: Diagram, *, alone: bool) -> None:
        self._makers, self._covers, self._waiting = {}, [], []
        outer = self._group
        if not alone:
            self._enter(diagram.title)
        self._series(diagram.body, None)
        for source, target in self._waiting:
            maker = self._maker(source)
            if maker is not None:
                self.edges.append(Edge(maker, target))
        self._group = outer

    def _maker(self, value: int) -> str | None:
        if value in self._makers:
            return self._makers[value]
        covering = [(last - first, name) for first, last, name in self._covers if first <= value <= last]
        return min(covering)[1] if covering else None

    def _enter(self, title: str) -> None:
        group = Group(f"g{self._next()}", title)
        self._group.items.append(group)
        self._group = group

    def _next(self) -> int:
        self._count += 1
        return self._count

    def _node(self, lines: tuple[str, ...], **what: int | str | bool | None) -> str:
        node = Node(f"n{self._next()}", lines, **what)  # type: ignore[arg-type]
        self._group.items.append(node)
        return node.name

    def _edge(self, source: str | None, target: str, *, dotted: bool = False, text: str = "") -> None:
        if source is not None:
            self.edges.append(Edge(source, target, dotted, text))

    def _series(self, series: Series, source: str | None) -> str | None:
        """Add a series that takes ``source``; returns its last node."""
        for item in series.items:
            if isinstance(item, Offshoot):
                self._series(item.body, self._maker(item.source) or source)
                continue
            if isinstance(item, Resume):
                source = self._maker(item.source)
                continue
            source = self._item(item, source)
            self._makers[item.value] = source
            if isinstance(item, Box | Branches | Skip):
                self._makers.update(dict.fromkeys(item.nodes, source))
            elif isinstance(item, Block | Dense) and item.nodes:
                self._covers.append((min(item.nodes), max(item.nodes), source))
        return source

    def _item(self, item: Element, source: str | None) -> str:
        if isinstance(item, Box):
            name = self._node(item.lines, level=item.level, mark=item.mark)
            self._edge(source, name)
            return name
        if isinstance(item, Port):
            name = self._node((item.text,), is_port=True)
            self._edge(source, name)
            return name if item.is_input or source is None else source
        if isinstance(item, Branches):
            return self._branches(item, source)
        if isinstance(item, Skip):
            return self._skip(item, source)
        outer = self._group
        if isinstance(item, Block):
            if is_framed(item):
                self._enter(" ".join(filter(None, (item.name, times_text(item.count)))))
            end = self._series(item.body, source)
        else:
            assert isinstance(item, Dense)
            self._enter(f"{item.name} {times_text(item.count)}")
            end = self._dense(item, source)
        self._group = outer
        assert end is not None
        return end

    def _branches(self, item: Branches, source: str | None) -> str:
        ends: list[str | None] = []
        outside: list[int] = []
        for branch in item.branches:
            known = source if branch.source is None else self._maker(branch.source)
            if known is None and branch.source is not None and not branch.body.items:
                outside.append(branch.source)
            ends.append(self._series(branch.body, known))
        name = self._node((item.text,), mark=item.mark, is_join=True)
        for end in ends:
            self._edge(end, name)
        self._waiting += [(value, name) for value in outside]
        return name

    def _skip(self, item: Skip, source: str | None) -> str:
        begin = source
        end = source
        for place, part in enumerate(item.main.items):
            if place == item.start:
                begin = end
            end = self._series(Series((part,)), end)
        if item.start >= len(item.main.items):
            begin = end
        name = self._node((item.sign,), mark=item.mark, is_join=True)
        self._edge(end, name, text=item.scale)
        if item.shortcut is not None:
            self._edge(self._series(item.shortcut, begin), name)
        else:
            self._edge(begin, name, dotted=item.kind is Kind.PROJECTION, text=item.around)
        return name

    def _dense(self, item: Dense, source: str | None) -> str | None:
        """Dense layers, with a join after each that takes the outputs of all preceding ones."""
        made = source
        for number, layer in enumerate(item.layers):
            if item.omitted and number == len(item.layers) - 1:
                dots = self._node((f"{item.omitted} more layers",), is_port=True)
                self._edge(made, dots)
                made = dots
            end = self._series(layer, made)
            name = self._node(("concat",), is_join=True)
            self._edge(made, name)
            self._edge(end, name)
            made = name
        return made
