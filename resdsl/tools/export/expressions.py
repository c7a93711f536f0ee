"""Expressions of Python that are computed when a module is made: ``4 * width``, ``stride != 1``."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from resdsl.ir.types import Size, Word


@dataclass(frozen=True, slots=True)
class Literal:
    value: object


@dataclass(frozen=True, slots=True)
class Variable:
    """A constructor argument, or a variable of the constructor."""

    name: str


@dataclass(frozen=True, slots=True)
class Binary:
    """Arithmetic, a comparison, ``and`` or ``or``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Unary:
    """``-`` or ``not``."""

    operator: str
    operand: Expression


@dataclass(frozen=True, slots=True)
class Choice:
    """``value if condition else otherwise``."""

    value: Expression
    condition: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Item:
    """``operand[index]``."""

    operand: Expression
    index: Expression


@dataclass(frozen=True, slots=True)
class Function:
    """``min``, ``max``, ``len`` and ``round``, as the language has them."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Expression, ...]


Expression = Literal | Variable | Binary | Unary | Choice | Item | Function | Sequence

_COMPUTED: Mapping[str, Callable[[Any, Any], object]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "and": lambda left, right: left and right,
    "or": lambda left, right: left or right,
}
_FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "min": min,
    "max": max,
    "len": len,
    "round": lambda value: int((value + 0.5) // 1),
}
_STRENGTH = {"or": 1, "and": 2, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6}
_COMPARISON, _NOT, _NEGATION, _ATOM = 4, 3, 7, 9


def literal_of(value: object) -> Literal | None:
    """A value of the language as a literal of Python, if there is one."""
    if isinstance(value, Word):
        return None
    if isinstance(value, Size):
        return Literal(value.height if value.height == value.width else tuple(value))
    if isinstance(value, bool | int | float | str):
        return Literal(value)
    if isinstance(value, tuple):
        items = [literal_of(item) for item in value]
        return None if None in items else Literal(tuple(item.value for item in items if item is not None))
    return None


def binary(sign: str, left: Expression, right: Expression) -> Expression:
    """``left sign right``, simplified: what is known is computed, and what does nothing left out."""
    if isinstance(left, Literal) and isinstance(right, Literal):
        return Literal(_COMPUTED[sign](left.value, right.value))
    if sign in ("and", "or"):
        return _logical(sign, left, right)
    if sign in ("==", "!=") and left == right:
        return Literal(sign == "==")
    if sign == "+" and (gathered := _gathered(left, right)) is not None:
        return gathered
    first, second = _integer(left), _integer(right)
    if (sign in "+-" and second == 0) or (sign in ("*", "//") and second == 1):
        return left
    if (sign == "+" and first == 0) or (sign == "*" and first == 1):
        return right
    return Binary(sign, left, right) if second is None else _with_number(sign, left, second)


def _with_number(sign: str, left: Expression, number: int) -> Expression:
    """An operation with a number on its right side."""
    if isinstance(left, Binary) and left.operator == "*" and (factor := _integer(left.left)) is not None:
        if sign == "//" and number and factor % number == 0:
            return binary("*", Literal(factor // number), left.right)
        if sign == "*":
            return binary("*", Literal(factor * number), left.right)
    if (
        isinstance(left, Binary)
        and left.operator in "+-"
        and sign in "+-"
        and (last := _integer(left.right)) is not None
    ):
        total = (last if left.operator == "+" else -last) + (number if sign == "+" else -number)
        return binary("+", left.left, Literal(total)) if total >= 0 else binary("-", left.left, Literal(-total))
    if sign == "+" and number < 0:
        return binary("-", left, Literal(-number))
    # As people write it: 4 * width.
    return Binary("*", Literal(number), left) if sign == "*" else Binary(sign, left, Literal(number))


def _integer(expression: Expression) -> int | None:
    """The value of an integer."""
    value = expression.value if isinstance(expression, Literal) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _gathered(left: Expression, right: Expression) -> Expression | None:
    """``5 * growth + growth`` as ``6 * growth``: a sum whose last term is a multiple of the one that is added."""
    count, of = _multiple(right)
    before, last = (left.left, left.right) if isinstance(left, Binary) and left.operator == "+" else (None, left)
    more, same = _multiple(last)
    if of is None or of != same:
        return None
    term = binary("*", Literal(count + more), of)
    return term if before is None else binary("+", before, term)


def _multiple(expression: Expression) -> tuple[int, Expression | None]:
    """The factor of a term and what it is a multiple of."""
    if isinstance(expression, Literal):
        return 0, None
    if isinstance(expression, Binary) and expression.operator == "*":
        factor = _integer(expression.left)
        if factor is not None:
            return factor, expression.right
    return 1, expression


def _logical(sign: str, left: Expression, right: Expression) -> Expression:
    for known, other in ((left, right), (right, left)):
        if isinstance(known, Literal):
            return other if bool(known.value) == (sign == "and") else known
    return Binary(sign, left, right)


def negated(condition: Expression) -> Expression:
    """``not condition``."""
    if isinstance(condition, Literal):
        return Literal(not condition.value)
    if isinstance(condition, Unary) and condition.operator == "not":
        return condition.operand
    return Unary("not", condition)


def choice(value: Expression, condition: Expression, otherwise: Expression) -> Expression:
    if isinstance(condition, Literal):
        return value if condition.value else otherwise
    return value if value == otherwise else Choice(value, condition, otherwise)


def item(operand: Expression, index: Expression) -> Expression:
    if isinstance(operand, Literal) and isinstance(index, Literal):
        values: Any = operand.value
        return Literal(values[index.value])
    if isinstance(operand, Sequence) and (position := _integer(index)) is not None:
        return operand.items[position]
    return Item(operand, index)


def function(name: str, arguments: tuple[Expression, ...]) -> Expression:
    if all(isinstance(one, Literal) for one in arguments):
        return Literal(_FUNCTIONS[name](*(one.value for one in arguments if isinstance(one, Literal))))
    if name == "len" and isinstance(arguments[0], Sequence):
        return Literal(len(arguments[0].items))
    return Function(name, arguments)


def sequence(items: tuple[Expression, ...]) -> Expression:
    if all(isinstance(one, Literal) for one in items):
        return Literal(tuple(one.value for one in items if isinstance(one, Literal)))
    return Sequence(items)


def evaluated(expression: Expression, variables: Callable[[str], object]) -> object:
    """The value for values of the variables."""
    match expression:
        case Literal(value):
            return value
        case Variable(name):
            return variables(name)
        case Binary(sign, left, right):
            first = evaluated(left, variables)
            if (sign == "and" and not first) or (sign == "or" and first):
                return first
            return _COMPUTED[sign](first, evaluated(right, variables))
        case Unary(sign, operand):
            found: Any = evaluated(operand, variables)
            return (not found) if sign == "not" else -found
        case Choice(chosen, condition, otherwise):
            return evaluated(chosen if evaluated(condition, variables) else otherwise, variables)
        case Item(operand, index):
            items: Any = evaluated(operand, variables)
            return items[evaluated(index, variables)]
        case Function(name, arguments):
            return _FUNCTIONS[name](*(evaluated(one, variables) for one in arguments))
        case Sequence(items):
            return tuple(evaluated(one, variables) for one in items)


def names(expression: Expression) -> Iterator[str]:
    """The variables in an expression, as often as they occur."""
    match expression:
        case Literal():
            return
        case Variable(name):
            yield name
        case Binary(_, left, right):
            yield from names(left)
            yield from names(right)
        case Unary(_, operand):
            yield from names(operand)
        case Choice(value, condition, otherwise):
            for part in (value, condition, otherwise):
                yield from names(part)
        case Item(operand, index):
            yield from names(operand)
            yield from names(index)
        case Function(_, items) | Sequence(items):
            for part in items:
                yield from names(part)


def substituted(expression: Expression, values: Mapping[str, Expression]) -> Expression:
    """The expression with other expressions for some of its variables, simplified."""
    match expression:
        case Literal():
            return expression
        case Variable(name):
            return values.get(name, expression)
        case Binary(sign, left, right):
            return binary(sign, substituted(left, values), substituted(right, values))
        case Unary(sign, operand):
            inner = substituted(operand, values)
            return negated(inner) if sign == "not" else binary("-", Literal(0), inner)
        case Choice(value, condition, otherwise):
            return choice(*(substituted(part, values) for part in (value, condition, otherwise)))
        case Item(operand, index):
            return item(substituted(operand, values), substituted(index, values))
        case Function(name, arguments):
            return function(name, tuple(substituted(one, values) for one in arguments))
        case Sequence(items):
            return sequence(tuple(substituted(one, values) for one in items))


def size(expression: Expression) -> int:
    """The number of operations in it."""
    match expression:
        case Literal() | Variable():
            return 0
        case Binary(_, left, right):
            return 1 + size(left) + size(right)
        case Unary(_, operand):
            return 1 + size(operand)
        case Choice(value, condition, otherwise):
            return 1 + size(value) + size(condition) + size(otherwise)
        case Item(operand, index):
            return 1 + size(operand) + size(index)
        case Function(_, items) | Sequence(items):
            return 1 + sum(map(size, items))


def written(expression: Expression) -> str:
    """The expression as Python writes it."""
    return _written(expression, 0)


def _written(expression: Expression, around: int) -> str:
    text, strength = _parts(expression)
    return f"({text})" if strength < around else text


def _parts(expression: Expression) -> tuple[str, int]:
    match expression:
        case Literal(value):
            text = number_text(value)
            return text, _NEGATION if text.startswith("-") else _ATOM
        case Variable(name):
            return name, _ATOM
        case Binary(sign, left, right):
            strength = _STRENGTH.get(sign, _COMPARISON)
            least = strength + 1 if strength == _COMPARISON else strength
            return f"{_written(left, least)} {sign} {_written(right, strength + 1)}", strength
        case Unary("not", operand):
            return f"not {_written(operand, _NOT)}", _NOT
        case Unary(_, operand):
            return f"-{_written(operand, _NEGATION)}", _NEGATION
        case Choice(value, condition, otherwise):
            return f"{_written(value, 1)} if {_written(condition, 1)} else {_written(otherwise, 0)}", 0
        case Item(operand, index):
            return f"{_written(operand, _ATOM)}[{_written(index, 0)}]", _ATOM
        case Function("round", (value,)):
            return f"int({_written(value, 5)} + 0.5)", _ATOM
        case Function(name, arguments):
            return f"{name}({', '.join(_written(one, 0) for one in arguments)})", _ATOM
        case Sequence(items):
            inner = ", ".join(_written(one, 0) for one in items)
            return f"({inner},)" if len(items) == 1 else f"({inner})", _ATOM


def number_text(value: object) -> str:
    """A literal as ``ruff format`` writes it."""
    if isinstance(value, tuple | list):
        inner = ", ".join(number_text(one) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, str):
        return string_text(value)
    if isinstance(value, Word):
        return string_text(str(value))
    return repr(value)


def string_text(value: str) -> str:
    """A string in double quotes, unless it has more of them than of single ones."""
    text = repr(value)
    if text.startswith("'") and '"' not in value:
        return f'"{text[1:-1]}"'
    return text
