"""From Lark's parse tree to the syntax tree."""

from __future__ import annotations

from typing import Any

from lark.visitors import Transformer_NonRecursive

from resdsl.syntax import tree
from resdsl.syntax.errors import semantic
from resdsl.syntax.grammar import Node
from resdsl.syntax.nodes import Nodes
from resdsl.syntax.token import Token

MAX_EXPRESSION_DEPTH = 100

# Tokens that carry information besides their position in a rule; the others are dropped.
_SIGNIFICANT = frozenset({
    "INT", "FLOAT", "SIZE", "STRING", "TRUE", "FALSE", "LABEL", "LABEL_NAME", "MODEL", "BLOCK", "RESIDUAL",
    "CONCAT", "ADD", "MUL", "MEAN", "NOT", "AND", "OR", "EQUALITY", "ORDER", "OTHER_ORDER",
    "PLUS", "MINUS", "STAR", "SLASH", "DOUBLE_SLASH", "PERCENT",
})  # fmt: skip
# The rules that accept a Broken child. An error in a part of any other rule makes the whole Broken.
_CONTAINERS = frozenset({"module", "body", "broken"})


class Builder(Transformer_NonRecursive[Token, Any]):
    """Builds the syntax tree of one text, from the leaves up.

    The rule ``r`` becomes ``nodes.r(span, *values)``: the values of its parts in order, with ``None`` for an optional
    part that is missing.
    """

    def __init__(self, nodes: Nodes) -> None:
        super().__init__(visit_tokens=False)
        self._nodes = nodes

    def __default__(self, data: str, children: list[Any], meta: Node) -> Any:
        if data[0] == "_":
            # A list whose rule was never completed, as an error came first.
            return None
        nodes = self._nodes
        values: list[Any] = []
        for child in children:
            if not isinstance(child, Token):
                values.append(child)
            elif child.kind == "NAME":
                values.append(tree.Identifier(str(child), span=nodes.span(child.start, child.end)))
            elif child.kind in _SIGNIFICANT:
                values.append(child)
        span = nodes.span(meta.start, meta.end)
        if data not in _CONTAINERS:
            if tree.Broken in map(type, values):
                return tree.Broken(span=span)
            if meta.depth > MAX_EXPRESSION_DEPTH:
                nodes.log.report(semantic.nested_too_deep(span, MAX_EXPRESSION_DEPTH))
                return tree.Broken(span=span)
        return getattr(nodes, data)(span, *values)
