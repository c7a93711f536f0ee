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
        self._features: dict[int, Counter[Hashable]] = {}
        self._likeness: dict[tuple[int, int], float] = {}

    def tree(self, graph: Graph) -> Item:
        weighted = {parameter.node for parameter in graph.parameters.values()}
        root = self._scope(graph.root, None)
        self._fill(root, graph.root, graph, weighted, "")
        self._number(root, graph)
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

    def _scope(self, scope: Scope, parent: Item | None) -> Item:
        prefix = f"{parent.path}." if parent and parent.path else ""
        label = scope.path.removeprefix(prefix)
        return Item(
            label,
            scope.path,
            str(scope.kind),
            scope.callee,
            scope.arguments,
            None,
            scope.output,
            False,
            parent,
            given=scope.given,
        )

    def _fill(self, item: Item, scope: Scope, graph: Graph, weighted: set[int], shortcut: str) -> None:
        for child in scope.children:
            if isinstance(child, Scope) and (child.kind is ScopeKind.JOIN or not child.label):
                self._fill(item, child, graph, weighted, child.arguments.get("shortcut", ""))
                continue
            if isinstance(child, Scope):
                inner = self._scope(child, item)
                self._fill(inner, child, graph, weighted, "")
            else:
                inner = self._leaf(graph, child, item, weighted)
                inner.shortcut = shortcut if child == scope.output else ""
            item.children.append(inner)
            item.leaves += inner.leaves
            item.weighted |= inner.weighted

    def _leaf(self, graph: Graph, index: int, parent: Item, weighted: set[int]) -> Item:
        path = graph.nodes[index].path if index else graph.input_name
        label = path.removeprefix(f"{parent.path}.") if parent.path else path
        return Item(label, path, "op", "", {}, index, index, index in weighted, parent, leaves=[index])

    def _number(self, item: Item, graph: Graph) -> None:
        for child in item.children:
            self._number(child, graph)
        if item.node is not None:
            operator = graph.nodes[item.node].operator
            item.structure = item.named = self._of_operator(operator)
            return
        item.structure = self._number_of(tuple(child.structure for child in item.children))
        item.named = self._number_of(
            tuple((child.label if child.weighted else "", child.named) for child in item.children)
        )
        if item.structure not in self._features:
            features: Counter[Hashable] = Counter()
            for child in item.children:
                features.update(self._features[child.structure])
            self._features[item.structure] = features

    def _of_operator(self, operator: Operator) -> int:
        number = self._number_of(operator)
        if number not in self._features:
            # Its kind counts as much as its arguments.
            self._features[number] = Counter((number, type(operator).__name__))
        return number

    def _number_of(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))
