"""From reductions of the grammar to nodes of the tree.

A node is made for every rule as it is recognised: no tree is walked, so depth costs no recursion.
"""

from __future__ import annotations

from typing import Any

from resdsl.syntax import tree
from resdsl.syntax.mistakes import meaning
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.tables import IDENTIFIER, MISSING, TOKEN, VALUE, Tables
from resdsl.syntax.token import Token

MAX_EXPRESSION_DEPTH = 100

# The rules that can do with a Broken child. A mistake in a part of any other makes the whole Broken.
_CONTAINERS = frozenset({"module", "body", "broken"})
_DEEPENING = frozenset({
    "binary", "comparison", "unary", "conditional", "index", "function_call", "list_literal", "else_if",
})  # fmt: skip


class Piece:
    """What stands on the parser's stack for a rule: its value, where it was read from, how deep it nests."""

    __slots__ = ("depth", "end", "start", "value")

    def __init__(self, value: Any, start: int, end: int, depth: int) -> None:
        self.value = value
        self.start = start
        self.end = end
        self.depth = depth


class Builder:
    """Makes the pieces of one text.

    The rule ``r`` becomes ``nodes.r(span, *values)``: the values of its named parts in order, with ``None`` for an
    optional part that is missing.
    """

    def __init__(self, tables: Tables, nodes: Nodes) -> None:
        self._nodes = nodes
        self._methods = {method: getattr(nodes, method) for _, _, method, _ in tables.rules if method}

    def reduce(self, method: str | None, parts: list[tuple[int, int]], children: list[Token | Piece]) -> Piece:
        """The piece that a rule makes of its children; ``parts`` says which of them are used, and how."""
        nodes = self._nodes
        values: list[Any] = []
        depth = 0
        for position, how in parts:
            if how == MISSING:
                values.append(None)
                continue
            child: Any = children[position]
            if how == IDENTIFIER:
                values.append(tree.Identifier(str(child), span=nodes.span(child.start, child.end)))
            elif how == TOKEN:
                values.append(child)
            else:
                if how == VALUE:
                    values.append(child.value)
                elif values:
                    values += child.value
                else:
                    # A list grows at its right end: what was read of it so far comes first, and nobody else needs it.
                    values = child.value
                depth = max(depth, child.depth)
        start, end = (children[0].start, children[-1].end) if children else (0, 0)
        if method is None:
            return Piece(values, start, end, depth)
        span = nodes.span(start, end)
        if method in _CONTAINERS:
            depth = 0
        elif tree.Broken in map(type, values):
            return Piece(tree.Broken(span=span), start, end, 0)
        elif method in _DEEPENING:
            depth += 1
            if depth > MAX_EXPRESSION_DEPTH:
                nodes.findings.report(meaning.nested_too_deep(span, MAX_EXPRESSION_DEPTH))
                return Piece(tree.Broken(span=span), start, end, 0)
        return Piece(self._methods[method](span, *values), start, end, depth)
