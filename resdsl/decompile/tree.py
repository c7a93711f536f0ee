"""A network as the language nests it: sequences of operators, joins of branches, and labelled groups."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from resdsl.ir.graph import Node
from resdsl.ops.join import Join as JoinOperator
from resdsl.ops.scale import Scale


@dataclass(eq=False, slots=True)
class Op:
    """One operator. ``label`` is its own part of the path; empty where it is named by its place."""

    node: Node
    path: str
    label: str = ""


@dataclass(eq=False, slots=True)
class Join:
    """A node that joins branches, which all start at the value before it (or with ``from`` another one)."""

    node: Node
    branches: list[Sequence]
    scope: str = ""


@dataclass(eq=False, slots=True)
class Residual:
    """A sum of a main path and a shortcut; an empty shortcut is the identity.

    ``scale`` is the node that scales the main path before it is added. A shortcut that is the language's ``pad`` has
    where its ``zeros`` are.
    """

    node: Node
    main: Sequence
    shortcut: Sequence
    scale: Node | None = None
    scope: str = ""
    zeros: str = ""

    @property
    def factor(self) -> float:
        operator = None if self.scale is None else self.scale.operator
        return operator.factor if isinstance(operator, Scale) else 1.0


@dataclass(eq=False, slots=True)
class Group:
    """What stands below one label: ``path`` is the whole path, ``label`` its own part of it."""

    path: str
    label: str
    body: Sequence


Item = Op | Join | Residual | Group


@dataclass(eq=False, slots=True)
class Sequence:
    """Items one after another, from the value before them.

    ``source`` is the node whose value it starts from instead, by ``from``; ``start`` and ``end`` are the nodes of the
    values before its first and after its last item.
    """

    items: list[Item] = field(default_factory=list)
    source: int | None = None
    start: int = 0
    end: int = 0


def nodes_of(item: Item | Sequence) -> Iterator[Node]:
    """Every node below, in the order in which the elaborator makes them."""
    stack: list[Item | Sequence | Node] = [item]
    while stack:
        one = stack.pop()
        if isinstance(one, Node):
            yield one
        elif isinstance(one, Op):
            yield one.node
        elif isinstance(one, Sequence):
            stack.extend(reversed(one.items))
        elif isinstance(one, Group):
            stack.append(one.body)
        elif isinstance(one, Join):
            stack.append(one.node)
            stack.extend(reversed(one.branches))
        else:
            stack.append(one.node)
            if one.scale is not None:
                stack.append(one.scale)
            stack.extend((one.shortcut, one.main))


def sequences_of(item: Item) -> tuple[Sequence, ...]:
    """The sequences directly in an item."""
    if isinstance(item, Join):
        return tuple(item.branches)
    if isinstance(item, Residual):
        return item.main, item.shortcut
    return (item.body,) if isinstance(item, Group) else ()


def all_sequences(top: Sequence) -> Iterator[Sequence]:
    """A sequence and all below it, each before those in it."""
    stack = [top]
    while stack:
        one = stack.pop()
        yield one
        for item in reversed(one.items):
            stack.extend(reversed(sequences_of(item)))


def join_name(node: Node) -> str:
    """The keyword of a join; a word for an operator of several values that the language does not have."""
    return node.operator.join if isinstance(node.operator, JoinOperator) else "join"
