"""What a picture shows, before it has a place: boxes in series, branches, shortcuts, repeats.

Elements are equal when they are drawn alike, whatever they are called and wherever they stand: that is what folds
``x36`` into one. So names, nodes and tips take no part in comparing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.ir.graph import Graph, Scope, ScopeKind


class Detail(StrEnum):
    """How much of a network is opened.

    ``layer`` is the level of the figures in papers: a box a weighted layer or pool, with the batch norms and
    activations around it inside. ``op`` has a box for each operator, ``block``, ``stage`` and ``model`` one for each
    scope of that kind.
    """

    MODEL = "model"
    STAGE = "stage"
    BLOCK = "block"
    LAYER = "layer"
    OP = "op"

    def closes(self, scope: Scope) -> bool:
        """Whether a scope is one box, its inside unseen."""
        match self:
            case Detail.MODEL:
                return scope.kind is ScopeKind.MODEL
            case Detail.STAGE:
                return scope.kind in (ScopeKind.STAGE, ScopeKind.BLOCK)
            case Detail.BLOCK:
                return scope.kind is ScopeKind.BLOCK
        return False


@dataclass(frozen=True, slots=True)
class Box:
    """One or more layers. ``text`` is what it is, ``level`` which resolution it is coloured for (``None``: none).

    ``notes`` are said below: what is in it, the shape that it gives.
    ``size`` is what it gives (``112``), ``nodes`` are the graph's nodes in it, ``before`` those of them that come
    before its layer; ``value`` is the node that flows out, ``tip`` what is told to whoever points at it.
    """

    text: str
    level: int | None
    size: str
    mark: str = ""
    notes: tuple[str, ...] = field(default=(), compare=False)
    path: str = field(default="", compare=False)
    tip: str = field(default="", compare=False)
    nodes: tuple[int, ...] = field(default=(), compare=False)
    before: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)

    @property
    def lines(self) -> tuple[str, ...]:
        """All that it says."""
        return (self.text, *self.notes)


@dataclass(frozen=True, slots=True)
class Port:
    """A value with a name outside: the input, or an output, at which a path ``ends`` or from which it goes on."""

    text: str
    is_input: bool = False
    ends: bool = False
    value: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Branch:
    """A path between the ends of ``Branches``; ``source`` is the value it takes where that comes from elsewhere."""

    body: Series
    source: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Branches:
    """Paths from one value, side by side, that a join brings together. ``text`` is what the join is called."""

    branches: tuple[Branch, ...]
    text: str
    size: str
    mark: str = ""
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)


class Kind(StrEnum):
    """What a shortcut does on its way; those that are not the identity are dotted."""

    IDENTITY = "identity"
    PROJECTION = "projection"


@dataclass(frozen=True, slots=True)
class Skip:
    """A main path and a shortcut around it.

    The shortcut leaves after ``start`` items of the main path. ``sign`` is how the two meet (``+``), ``scale`` what
    the main path is multiplied by before. Where ``shortcut`` has items, they are drawn beside the main path, otherwise
    the shortcut is an arc. ``around`` tells what the arc stands for.
    """

    main: Series
    kind: Kind
    sign: str
    start: int = 0
    scale: str = ""
    shortcut: Series | None = None
    shows_sign: bool = False
    mark: str = ""
    around: str = field(default="", compare=False)
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Block:
    """A named piece; ``count`` equal ones in a row. ``value`` flows out of the last.

    ``is_whole`` is a network inside of another, which is told by its name.
    """

    name: str
    body: Series
    count: int = 1
    is_whole: bool = False
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Dense:
    """Layers of which each takes the outputs of all before it (Huang et al. 2017, figure 1).

    ``layers`` are the first ones and the last; ``omitted`` that many between them are left out.
    """

    name: str
    layers: tuple[Series, ...]
    omitted: int = 0
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)

    @property
    def count(self) -> int:
        return len(self.layers) + self.omitted


@dataclass(frozen=True, slots=True)
class Resume:
    """The flow ends here; what follows takes ``source``, a value from elsewhere."""

    source: int = field(compare=False)
    value: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class Offshoot:
    """A path that leaves from ``source``, a value of the series it stands in, and ends in an output."""

    body: Series
    source: int = field(compare=False)
    value: int = field(default=-1, compare=False)


Element = Box | Port | Branches | Skip | Block | Dense | Resume | Offshoot


@dataclass(frozen=True, slots=True)
class Series:
    """Elements one after another."""

    items: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagram:
    """A network to be drawn: what it is called, what is said of it, and its elements."""

    graph: Graph
    title: str
    facts: tuple[str, ...]
    body: Series

    @property
    def shortcuts(self) -> frozenset[Kind]:
        """The kinds of arcs in it."""
        arcs = (item for item in walk(self.body) if isinstance(item, Skip))
        return frozenset(item.kind for item in arcs if item.shortcut is None and item.sign == "+")


def walk(series: Series) -> Iterator[Element]:
    """Every element, each before what is in it."""
    stack: list[Element] = list(reversed(series.items))
    while stack:
        item = stack.pop()
        yield item
        for part in reversed(parts(item)):
            stack.extend(reversed(part.items))


def parts(item: Element) -> tuple[Series, ...]:
    """The series that an element consists of."""
    if isinstance(item, Branches):
        return tuple(branch.body for branch in item.branches)
    if isinstance(item, Skip):
        return (item.main,) if item.shortcut is None else (item.main, item.shortcut)
    if isinstance(item, Block | Offshoot):
        return (item.body,)
    return item.layers if isinstance(item, Dense) else ()
