"""The tree of names that two networks are compared by.

A scope that adds nothing to names (a join, a group without a label) is no level of this tree: what is in it counts to
the scope around it. So a piece that moves into a block, with its names kept, stands where it stood.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field

from resdsl.ir.graph import Graph, Scope, ScopeKind
from resdsl.ir.operator import Operator


@dataclass(slots=True, eq=False)
class Item:
    """A layer (with its ``node``) or a named scope of layers (with ``children``).

    ``structure`` is the same number for all that is built of the same operators in the same order, whatever it is
    called and whatever shapes flow through; ``named`` also counts the names below. ``leaves`` are the nodes, in order,
    ``output`` is the one that flows out.
    """

    label: str
    path: str
    kind: str
    callee: str
    arguments: Mapping[str, str]
    node: int | None
    output: int
    weighted: bool
    parent: Item | None = None
    children: list[Item] = field(default_factory=list)
    leaves: list[int] = field(default_factory=list)
    structure: int = -1
    named: int = -1
    given: tuple[str, ...] = ()
    """Of a call: the arguments that stand in it."""
    shortcut: str = ""
    """Of the addition at the end of a residual: the kind of its shortcut."""

    def walk(self) -> Iterator[Item]:
        """It and all below it, each before what is in it."""
        stack = [self]
        while stack:
            item = stack.pop()
            yield item
            stack.extend(reversed(item.children))

    def ancestors(self) -> Iterator[Item]:
        """The scopes around it, the innermost first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent


class Forest:
    """Makes comparable trees: the numbers of structures mean the same in all trees of one forest."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._operators: dict[int, int] = {}
        """The number of an operator by its identity: the graphs hold on to their operators."""
        self._features: dict[int, Counter[Hashable]] = {}
        self._likeness: dict[tuple[int, int], float] = {}

    def tree(self, graph: Graph) -> Item:
        root = _scope(graph.root, None)
        scopes = [root]
        for item, child, shortcut in _named(graph.root, root, scopes):
            item.children.append(self._leaf(graph, child, item, shortcut))
        # From the leaves up: a scope was met before those in it.
        for scope in reversed(scopes):
            self._complete(scope)
        return root

    def likeness(self, one: Item, other: Item) -> float:
        """How much of two items is built of operators of the same kind and arguments: 0 nothing, 1 everything."""
        if one.structure == other.structure:
            return 1.0
        key = (one.structure, other.structure)
        known = self._likeness.get(key)
        if known is None:
            left, right = self._features[one.structure], self._features[other.structure]
            common = sum(min(count, right[feature]) for feature, count in left.items() if feature in right)
            known = self._likeness[key] = 2 * common / (left.total() + right.total())
        return known

    def _leaf(self, graph: Graph, index: int, parent: Item, shortcut: str) -> Item:
        node = graph.nodes[index]
        path = node.path if index else graph.input_name
        label = path[len(parent.path) + 1 :] if parent.path and path.startswith(f"{parent.path}.") else path
        number = self._of_operator(node.operator)
        weighted = bool(graph.applications[index].parameters)
        return Item(
            label, path, "op", "", {}, index, index, weighted, parent, [], [index], number, number, shortcut=shortcut
        )

    def _complete(self, scope: Item) -> None:
        """Gather what is in a scope, whose children are complete."""
        children = scope.children
        for child in children:
            scope.leaves += child.leaves
        scope.weighted = any(child.weighted for child in children)
        scope.structure = self._number_of(tuple([child.structure for child in children]))
        scope.named = self._number_of(
            tuple([(child.label if child.weighted else "", child.named) for child in children])
        )
        if scope.structure not in self._features:
            features: Counter[Hashable] = Counter()
            for child in children:
                features.update(self._features[child.structure])
            self._features[scope.structure] = features

    def _of_operator(self, operator: Operator) -> int:
        number = self._operators.get(id(operator))
        if number is None:
            number = self._operators[id(operator)] = self._number_of(operator)
            # Its kind counts as much as its arguments.
            self._features[number] = Counter((number, type(operator).__name__))
        return number

    def _number_of(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _named(root: Scope, top: Item, scopes: list[Item]) -> Iterator[tuple[Item, int, str]]:
    """Each node with the named scope that it is in, and the kind of the shortcut that it ends; fills ``scopes``."""
    pending: list[tuple[Item, Scope, str, Scope | int]] = [(top, root, "", child) for child in reversed(root.children)]
    while pending:
        item, around, shortcut, child = pending.pop()
        if isinstance(child, int):
            yield item, child, shortcut if child == around.output else ""
            continue
        inner, kind = item, ""
        if child.kind is ScopeKind.JOIN or not child.label:
            kind = child.arguments.get("shortcut", "")
        else:
            inner = _scope(child, item)
            item.children.append(inner)
            scopes.append(inner)
        pending.extend([(inner, child, kind, each) for each in reversed(child.children)])


def _scope(scope: Scope, parent: Item | None) -> Item:
    prefix = f"{parent.path}." if parent and parent.path else ""
    label = scope.path.removeprefix(prefix)
    kind = str(scope.kind)
    return Item(
        label, scope.path, kind, scope.callee, scope.arguments, None, scope.output, False, parent, given=scope.given
    )
