"""The elements of a picture, before layout: boxes in series, branches, shortcuts, repeats.

Elements are equal if they look equal, regardless of name and position, so that 36 equal blocks fold into one. Therefore
names, nodes and tooltips are excluded from comparison.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from resdsl.ir.graph import Graph, Scope, ScopeKind


class Detail(StrEnum):
    """The level of detail of a picture.

    ``layer`` is the level of figures in papers: one box per weighted layer or pool, which includes the adjacent batch
    norms and activations. ``op`` has one box per operator; ``block``, ``stage`` and ``model`` one per such scope.
    """

    MODEL = "model"
    STAGE = "stage"
    BLOCK = "block"
    LAYER = "layer"
    OP = "op"

    def closes(self, scope: Scope) -> bool:
        """Whether a scope is drawn as one closed box."""
        match self:
            case Detail.MODEL:
                return scope.kind is ScopeKind.MODEL
            case Detail.STAGE:
                return scope.kind in (ScopeKind.STAGE, ScopeKind.AUX, ScopeKind.BLOCK)
            case Detail.BLOCK:
                return scope.kind is ScopeKind.BLOCK
        return False


@dataclass(frozen=True, slots=True)
class Box:
    """One or more layers. ``text`` is its label, ``level`` the resolution that sets its colour (``None``: none).

    ``notes`` are lines below the label: contents, output shape. ``size`` is the output size (``112``), ``nodes`` are
    the graph's nodes in the box, ``before`` those before its layer, ``value`` is the output node, and ``tip`` the
    tooltip.
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
        """All lines of text in the box."""
        return (self.text, *self.notes)


@dataclass(frozen=True, slots=True)
class Port:
    """The input, or an output, where a path ``ends`` or continues."""

    text: str
    is_input: bool = False
    ends: bool = False
    value: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Branch:
    """A path of ``Branches``; ``source`` is its input if that is not the common input of the branches."""

    body: Series
    source: int | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Branches:
    """Parallel paths from one value into a join. ``text`` is the label of the join."""

    branches: tuple[Branch, ...]
    text: str
    size: str
    mark: str = ""
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)


class Kind(StrEnum):
    """The kind of shortcut; all but identities are dotted."""

    IDENTITY = "identity"
    PROJECTION = "projection"


@dataclass(frozen=True, slots=True)
class Skip:
    """A main path and a shortcut around it.

    The shortcut leaves after ``start`` items of the main path. ``sign`` shows the join (``+``), ``scale`` the factor of
    the main path before it. If ``shortcut`` has items, they are drawn beside the main path; otherwise the shortcut is
    an arc with the tooltip ``around``.
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
    """A named piece, repeated ``count`` times. ``value`` is the output of the last.

    ``is_whole`` marks a network inside another, which is shown by name.
    """

    name: str
    body: Series
    count: int = 1
    is_whole: bool = False
    nodes: tuple[int, ...] = field(default=(), compare=False)
    value: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Dense:
    """Layers that each take the outputs of all preceding ones (Huang et al. 2017, figure 1).

    ``layers`` are the first layers and the last; ``omitted`` is the number of layers between them that are not drawn.
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
    """The flow ends here; the next element takes ``source``, another value."""

    source: int = field(compare=False)
    value: int = field(default=-1, compare=False)


@dataclass(frozen=True, slots=True)
class Offshoot:
    """A path that leaves the series at ``source``, one of its values, and ends in an output."""

    body: Series
    source: int = field(compare=False)
    value: int = field(default=-1, compare=False)


Element = Box | Port | Branches | Skip | Block | Dense | Resume | Offshoot


@dataclass(frozen=True, slots=True)
class Series:
    """Consecutive elements."""

    items: tuple[Element, ...] = ()


@dataclass(frozen=True, slots=True)
class Diagram:
    """A network to draw: title, facts below the title, and elements."""

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
    """All elements in preorder."""
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
