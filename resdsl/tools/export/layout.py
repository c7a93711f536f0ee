"""Statements as ``ruff format`` lays them out: on one line if it fits, otherwise split at brackets."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

WIDTH = 88
_INDENT = 4


@dataclass(slots=True)
class Line:
    """A statement on one line, and the statements below it where it ends with a colon.

    ``defines`` is the variable that it sets, if it may be left out where nothing reads that.
    """

    text: str
    inside: list[Line] = field(default_factory=list)
    defines: str = ""


def laid_out(lines: Iterable[Line], indent: int = 0) -> Iterator[str]:
    """The lines of statements, those that are too long split."""
    for line in lines:
        yield from split(line.text, indent)
        yield from laid_out(line.inside, indent + _INDENT)


def split(text: str, indent: int = 0) -> list[str]:
    """A statement, or the line that begins one, on as many lines as it needs."""
    if indent + len(text) <= WIDTH or text.startswith(("#", '"""')):
        return [" " * indent + text] if text else [""]
    if text.startswith("def "):
        return _definition(text, indent)
    header = text.endswith(":")
    try:
        statement = ast.parse(f"{text} pass" if header else text).body[0]
    except SyntaxError:
        return [" " * indent + text]
    splitter = _Splitter(text)
    value = _value(statement)
    if value is None:
        return [" " * indent + text]
    start, end = splitter.place(value)
    return splitter.statement(value, indent, text[:start], text[end:])


def _value(statement: ast.stmt) -> ast.expr | None:
    """The expression of a statement that is split."""
    match statement:
        case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.Return() | ast.Expr():
            return statement.value
        case ast.For():
            return statement.iter
        case ast.If():
            return statement.test
    return None


def _definition(text: str, indent: int) -> list[str]:
    opened, closed = text.index("("), text.rindex(")")
    arguments = [text[one.start : one.stop] for one in _arguments(text, opened, closed)]
    return _bracketed(text[: opened + 1], arguments, text[closed:], indent, ",")


def _arguments(text: str, opened: int, closed: int) -> Iterator[slice]:
    depth, start = 0, opened + 1
    for position in range(opened + 1, closed):
        if text[position] in "([{":
            depth += 1
        elif text[position] in ")]}":
            depth -= 1
        elif text[position] == "," and not depth:
            yield slice(start, position)
            start = position + 2
    yield slice(start, closed)


def _bracketed(head: str, items: Sequence[str], tail: str, indent: int, separator: str) -> list[str]:
    inner = indent + _INDENT
    together = f"{separator} ".join(items)
    if inner + len(together) <= WIDTH:
        body = [" " * inner + together]
    else:
        body = [f"{' ' * inner}{one}{separator}" for one in items]
    return [" " * indent + head, *body, " " * indent + tail]


class _Splitter:
    def __init__(self, text: str) -> None:
        self.text = text

    def place(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_col_offset is not None
        # Offsets count bytes.
        encoded = self.text.encode()
        return len(encoded[: node.col_offset].decode()), len(encoded[: node.end_col_offset].decode())

    def source(self, node: ast.expr) -> str:
        start, end = self.place(node)
        return self.text[start:end]

    def statement(self, node: ast.expr, indent: int, before: str, after: str) -> list[str]:
        """The value of a statement. One without brackets of its own gets them."""
        if isinstance(node, ast.Call | ast.List | ast.Tuple | ast.Dict | ast.ListComp | ast.GeneratorExp):
            flat = f"{' ' * indent}{before}{self.source(node)}{after}"
            if len(flat) <= WIDTH or not isinstance(node, ast.Call) or len(_links(node)) < _FLUENT:
                return self.lines(node, indent, before, after)
        if isinstance(node, ast.BinOp) and self._in_brackets(node.left, node) and not isinstance(node.right, ast.Call):
            left = self.lines(node.left, indent + _INDENT, "", "")
            _, end = self.place(node.left)
            _, close = self.place(node)
            return [f"{' ' * indent}{before}(", *left, f"{' ' * indent}{self.text[end:close]}{after}"]
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Call) and not isinstance(node.left, ast.BinOp):
            # One operation of which the last part has brackets is split there.
            _, end = self.place(node.left)
            start, _ = self.place(node.right)
            links = _links(node.right)
            _, opened = self.place((links[0] if links else node.right).func)
            sign = self.text[end:start]
            flat = f"{before}{self.source(node.left)}{sign}"
            is_fluent = len(links) >= _FLUENT
            if not is_fluent and indent + len(flat) + opened - start + 1 <= WIDTH:
                return self.lines(node.right, indent, flat, after)
            if not is_fluent and isinstance(node.left, ast.Call):
                head = f"{sign}{self.text[start:opened]}("
                *rest, closing = self.lines(node.left, indent, before, head)
                return [*rest, *self.lines(node.right, indent, f"{closing.strip().removesuffix(head)}{sign}", after)]
        inner = self.lines(node, indent + _INDENT, "", "")
        return [f"{' ' * indent}{before}(", *inner, f"{' ' * indent}){after}"]

    def lines(self, node: ast.expr, indent: int, before: str, after: str) -> list[str]:
        """An expression between two texts, split if it is too long."""
        flat = f"{' ' * indent}{before}{self.source(node)}{after}"
        if len(flat) <= WIDTH:
            return [flat]
        match node:
            case ast.Call():
                links = _links(node)
                if len(links) >= _FLUENT:
                    return self._links_on_lines(links, indent, before, after)
                start, _ = self.place(node)
                _, opened = self.place(node.func)
                items: list[ast.expr | ast.keyword] = [*node.args, *node.keywords]
                head = before + self.text[start:opened] + "("
                if links and (indent + len(head) > WIDTH or not items):
                    _, end = self.place(links[0])
                    _, last = self.place(node)
                    return self.lines(links[0], indent, before, f"{self.text[end:last]}{after}")
                if len(items) == 1 and isinstance(items[0], ast.GeneratorExp):
                    return self._comprehension(items[0], before + self.text[start:opened] + "(", ")" + after, indent)
                return self._items(before + self.text[start:opened] + "(", items, ")" + after, indent)
            case ast.List():
                return self._each(f"{before}[", node.elts, f"]{after}", indent)
            case ast.Tuple():
                return self._each(f"{before}(", node.elts, f"){after}", indent)
            case ast.Dict():
                return self._pairs(node, before, after, indent)
            case ast.ListComp():
                return self._comprehension(node, f"{before}[", f"]{after}", indent)
            case ast.Starred():
                return self.lines(node.value, indent, f"{before}*", after)
            case ast.IfExp():
                first = self.lines(node.body, indent, before, "")
                test = self.lines(node.test, indent, "if ", "")
                return [*first, *test, *self.lines(node.orelse, indent, "else ", after)]
            case ast.BoolOp() | ast.BinOp():
                return self._operands(node, indent, before, after)
        return [flat]

    def _links_on_lines(self, links: Sequence[ast.Call], indent: int, before: str, after: str) -> list[str]:
        """A chain of calls, each on a line."""
        ends = [self.place(link)[1] for link in links]
        lines = self.lines(links[0], indent, before, "")
        for start, end in pairwise(ends):
            lines.append(f"{' ' * indent}{self.text[start:end]}")
        lines[-1] += after
        return lines

    def _items(self, opening: str, items: Sequence[ast.expr | ast.keyword], closing: str, indent: int) -> list[str]:
        inner = indent + _INDENT
        together = ", ".join(self._item_text(one) for one in items)
        if inner + len(together) <= WIDTH:
            return [" " * indent + opening, " " * inner + together, " " * indent + closing]
        lines: list[str] = []
        # One argument alone gets no comma.
        comma = "," if len(items) > 1 else ""
        for one in items:
            if isinstance(one, ast.keyword):
                lines += self.lines(one.value, inner, f"{one.arg}=" if one.arg else "**", comma)
            else:
                lines += self.lines(one, inner, "", comma)
        return [" " * indent + opening, *lines, " " * indent + closing]

    def _each(self, opening: str, items: Sequence[ast.expr], closing: str, indent: int) -> list[str]:
        """The items of a list, each on lines of its own."""
        lines = [line for one in items for line in self.lines(one, indent + _INDENT, "", ",")]
        return [" " * indent + opening, *lines, " " * indent + closing]

    def _item_text(self, one: ast.expr | ast.keyword) -> str:
        if isinstance(one, ast.keyword):
            return f"{one.arg}={self.source(one.value)}" if one.arg else f"**{self.source(one.value)}"
        return self.source(one)

    def _pairs(self, node: ast.Dict, before: str, after: str, indent: int) -> list[str]:
        inner = indent + _INDENT
        keys = ["**" if key is None else f"{self.source(key)}: " for key in node.keys]
        lines: list[str] = []
        for key, value in zip(keys, node.values, strict=True):
            lines += self.lines(value, inner, key, ",")
        return [f"{' ' * indent}{before}{{", *lines, f"{' ' * indent}}}{after}"]

    def _comprehension(
        self, node: ast.ListComp | ast.GeneratorExp, opening: str, closing: str, indent: int
    ) -> list[str]:
        inner = indent + _INDENT
        clauses = [
            f"for {self.source(clause.target)} in {self.source(clause.iter)}"
            + "".join(f" if {self.source(test)}" for test in clause.ifs)
            for clause in node.generators
        ]
        together = " ".join([self.source(node.elt), *clauses])
        if inner + len(together) <= WIDTH:
            body = [" " * inner + together]
        else:
            body = self.lines(node.elt, inner, "", "")
            for clause, text in zip(node.generators, clauses, strict=True):
                if inner + len(text) <= WIDTH or clause.ifs:
                    body.append(" " * inner + text)
                else:
                    body += self.lines(clause.iter, inner, f"for {self.source(clause.target)} in ", "")
        return [" " * indent + opening, *body, " " * indent + closing]

    def _operands(self, node: ast.BoolOp | ast.BinOp, indent: int, before: str, after: str) -> list[str]:
        parts = list(self._chain(node))
        lines: list[str] = []
        for number, (sign, operand) in enumerate(parts):
            start = before if not number else f"{sign} "
            end = after if number == len(parts) - 1 else ""
            if self._in_brackets(operand, node):
                start, end = f"{start}(", f"){end}"
                text = self.source(operand)
                if len(f"{' ' * indent}{start}{text}{end}") > WIDTH:
                    inner = self.lines(operand, indent + _INDENT, "", "")
                    lines += [" " * indent + start, *inner, " " * indent + end]
                    continue
            lines += self.lines(operand, indent, start, end)
        return lines

    def _in_brackets(self, operand: ast.expr, node: ast.expr) -> bool:
        """Whether an operand stands in round brackets of its own."""
        start, end = self.place(operand)
        first, last = self.place(node)
        return (
            start > first - 1
            and self.text[start - 1 : start] == "("
            and self.text[end : end + 1] == ")"
            and (start - 1 >= first or end + 1 <= last)
        )

    def _chain(self, node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
        """The operands of operators of one strength, each with the sign before it."""
        if isinstance(node, ast.BoolOp):
            sign = "and" if isinstance(node.op, ast.And) else "or"
            for number, value in enumerate(node.values):
                yield ("" if not number else sign), value
            return
        operands: list[tuple[str, ast.expr]] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and _strength(left.op) == _strength(node.op):  # type: ignore[attr-defined]
            _, end = self.place(left.left)
            start, _ = self.place(left.right)
            sign = self.text[end:start].strip(" ()")
            operands.append((sign, left.right))
            inner = left.left
            if self._in_brackets(inner, left):
                left = inner
                break
            left = inner
        operands.append(("", left))
        yield from reversed(operands)


def _links(node: ast.Call) -> list[ast.Call]:
    """The calls of a chain, ``a(..).b(..).c(..)``, in order; empty for one call."""
    found = [node]
    inner: ast.expr = node.func
    while isinstance(inner, ast.Attribute) and isinstance(inner.value, ast.Call):
        found.insert(0, inner.value)
        inner = inner.value.func
    return found if len(found) > 1 else []


_FLUENT = 3
"""Calls from which a chain has one on each line."""


def _strength(sign: ast.operator) -> int:
    return 0 if isinstance(sign, ast.Add | ast.Sub) else 1
