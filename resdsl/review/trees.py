"""The trees of names by which two networks are compared.

Scopes that add nothing to names (joins, groups without a label) are not levels of the tree: their contents belong to
the enclosing scope. So moving a piece into a block without changing its names does not change the tree.
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

    ``structure`` is equal for items with the same operators in the same order, regardless of names and shapes;
    ``named`` also depends on the names inside. ``leaves`` are the nodes in order, ``output`` is the node whose value
    leaves the item.
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
    """The explicit arguments of a call."""
    shortcut: str = ""
    """The kind of shortcut, for the addition at the end of a residual."""

    def walk(self) -> Iterator[Item]:
        """The item and all items inside it, in preorder."""
        stack = [self]
        while stack:
            item = stack.pop()
            yield item
            stack.extend(reversed(item.children))

    def ancestors(self) -> Iterator[Item]:
        """The enclosing scopes, innermost first."""
        scope = self.parent
        while scope is not None:
            yield scope
            scope = scope.parent


class Forest:
    """Builds comparable trees: numbers of structures are shared by all trees of a forest."""

    def __init__(self) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._operators: dict[int, int] = {}
        """Numbers of operators by identity; the graphs keep the operators alive."""
        self._features: dict[int, Counter[Hashable]] = {}
        self._likeness: dict[tuple[int, int], float] = {}

    def tree(self, graph: Graph) -> Item:
        root = _scope(graph.root, None)
        scopes = [root]
        for item, child, shortcut in _named(graph.root, root, scopes):
            item.children.append(self._leaf(graph, child, item, shortcut))
        # Bottom-up: a scope precedes the scopes inside it.
        for scope in reversed(scopes):
            self._complete(scope)
        return root

    def likeness(self, one: Item, other: Item) -> float:
        """The similarity of two items by their operators: 0 for nothing in common, 1 for equal structure."""
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
        """Fill in a scope whose children are complete."""
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
            # The type of the operator has the same weight as its arguments.
            self._features[number] = Counter((number, type(operator).__name__))
        return number

    def _number_of(self, key: Hashable) -> int:
        return self._numbers.setdefault(key, len(self._numbers))


def _named(root: Scope, top: Item, scopes: list[Item]) -> Iterator[tuple[Item, int, str]]:
    """Each node with its named scope and the kind of shortcut that it ends; fills ``scopes``."""
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
