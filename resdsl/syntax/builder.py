"""From reductions of the grammar to nodes of the tree.

Lark calls a `Builder` for every rule as it is recognised: no tree is walked, so depth costs no recursion.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from lark import Token

from resdsl.diagnostics import Span
from resdsl.syntax import tree
from resdsl.syntax.mistakes import meaning
from resdsl.syntax.nodes import Nodes

MAX_EXPRESSION_DEPTH = 100

# Tokens that say more than their place in the rule does; the others are dropped.
_TELLING = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "LABEL", "LABEL_NAME", "MODEL", "BLOCK", "RESIDUAL",
    "CONCAT", "ADD", "MUL", "MEAN", "NOT", "AND", "OR", "EQUALITY", "ORDER", "OTHER_ORDER",
    "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT",
})  # fmt: skip

# The rules that can do with a Broken child. A mistake in a part of any other makes the whole Broken.
_CONTAINERS = frozenset({"module", "body", "broken"})
_DEEPENING = frozenset({
    "binary", "comparison", "unary", "conditional", "index", "function_call", "list_literal", "else_if",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Piece:
    """What stands on the parser's stack for a rule: its value, where it was read from, how deep it nests."""

    value: Any
    span: Span
    depth: int


class Builder:
    """The callbacks of the grammar, one attribute per rule, as Lark asks for them.

    The rule ``r`` becomes ``nodes.r(span, *children)``: the values of its named parts in order, with ``None`` for an
    optional part that is missing. ``nodes`` belongs to the text that is being parsed.
    """

    nodes: Nodes

    def __getattr__(self, rule: str) -> Callable[[list[Any]], Piece]:
        if not hasattr(Nodes, rule):
            raise AttributeError(rule)
        return partial(self._reduce, rule)

    def _reduce(self, rule: str, children: list[Any]) -> Piece:
        nodes = self.nodes
        values: list[Any] = []
        depth = 0
        start = end = None
        for child in children:
            if child is None:
                values.append(None)
                continue
            if isinstance(child, Token):
                first, last = child.start_pos or 0, child.end_pos or 0
                if child.type == "NAME":
                    values.append(tree.Identifier(str(child), span=nodes.span(first, last)))
                elif child.type in _TELLING:
                    values.append(child)
            else:
                values.append(child.value)
                depth = max(depth, child.depth)
                _, first, last = child.span
            start = first if start is None else start
            end = last
        span = nodes.span(start or 0, end or 0)
        if rule not in _CONTAINERS:
            if any(isinstance(value, tree.Broken) for value in values):
                return Piece(tree.Broken(span=span), span, 0)
            if rule in _DEEPENING:
                depth += 1
                if depth > MAX_EXPRESSION_DEPTH:
                    nodes.findings.report(meaning.nested_too_deep(span, MAX_EXPRESSION_DEPTH))
                    return Piece(tree.Broken(span=span), span, 0)
        else:
            depth = 0
        return Piece(getattr(nodes, rule)(span, *values), span, depth)
