"""The current value of a ``forward``, and what statements of the text say about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

from resdsl.syntax import tree
from resdsl.tools.export.expressions import Expression
from resdsl.tools.export.layout import Line


@dataclass(frozen=True, slots=True)
class Flow:
    """The current value: the expression that gives it, as it stands in ``forward``.

    ``pending`` says that nothing has been written for it yet, ``is_sum`` that it needs brackets before it is used in
    another operation; ``line`` is where in the text it comes from.
    """

    text: str
    channels: Expression | None
    pending: bool = False
    is_sum: bool = False
    line: tuple[str, int] = ("", 0)


def texts_of(lines: Sequence[Line]) -> Iterator[str]:
    for line in lines:
        yield line.text
        yield from texts_of(line.inside)


def line_of(statement: tree.Tree) -> tuple[str, int]:
    return statement.span.source.name, statement.span.position.line


def is_identity(statement: tree.Statement) -> bool:
    return (
        isinstance(statement, tree.Step)
        and statement.label is None
        and isinstance(statement.flow, tree.Call)
        and statement.flow.callee.name == "identity"
    )


def reads_taps(node: object) -> bool:
    return any(isinstance(one, tree.From) for one in nodes_below(node))


def nodes_below(node: object) -> Iterator[tree.Tree]:
    """A node of the syntax tree and all below it."""
    stack: list[object] = [node]
    while stack:
        one = stack.pop()
        if isinstance(one, tuple):
            stack.extend(one)
        elif isinstance(one, tree.Tree):
            yield one
            stack.extend(getattr(one, each.name) for each in fields(one) if each.name != "span")
