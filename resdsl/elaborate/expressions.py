"""Expressions of the language, computed while the network is built."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from resdsl.diagnostics import Code, Label, Span, catalogue
from resdsl.diagnostics.suggest import renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context, Flow
from resdsl.elaborate.limits import LARGEST_INTEGER, LONGEST
from resdsl.elaborate.values import SHORTCUT_KINDS, UNKNOWN, ZEROS, ShortcutKind, kind_of, listed
from resdsl.ir.dims import SymbolicDim, is_manageable
from resdsl.ir.types import Size, Word
from resdsl.ir.values import format_value
from resdsl.ops import operators
from resdsl.syntax import tree

NUMERIC: dict[str, Callable[[Any, Any], object]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
    "//": operator.floordiv,
    "%": operator.mod,
}
ORDERING: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OPERATORS = frozenset({*NUMERIC, *ORDERING, "==", "!=", "and", "or"})
ITEMS_OF_WORK = 8
"""Items of a list that count as a piece of work."""

CHANNELS = ("channels", "channels_in")


class _UnknownValue(Exception):
    """The value is unknown, and its error has been reported."""


def evaluate(
    builder: GraphBuilder, expression: tree.Expression, context: Context, flow: Flow, *, words: tuple[str, ...] = ()
) -> object:
    """The value of an expression, or ``UNKNOWN`` after its error has been reported.

    ``flow`` is the current value, whose channels ``channels`` gives. ``words`` are the bare words that may stand here.
    """
    # Most arguments are literals; they need no evaluator.
    if isinstance(expression, tree.Number) and abs(expression.value) <= LARGEST_INTEGER:
        return expression.value
    if isinstance(expression, tree.SizeLiteral):
        return Size(expression.height, expression.width)
    try:
        return _Evaluator(builder, context, flow).value(expression, words)
    except _UnknownValue:
        return UNKNOWN


class _Evaluator:
    def __init__(self, builder: GraphBuilder, context: Context, flow: Flow) -> None:
        self.builder = builder
        self.context = context
        self.flow = flow

    def fail(self, message: str, at: Span, *helps: str, code: Code = catalogue.EXPRESSION) -> _UnknownValue:
        self.builder.report(code, message, at, self.context, helps=helps)
        return _UnknownValue()

    def value(self, expression: tree.Expression, words: tuple[str, ...]) -> object:
        self.builder.work += 1
        match expression:
            case tree.Number() | tree.String() | tree.Boolean():
                return self.literal(expression)
            case tree.Name():
                return self.name(expression, words)
            case tree.SizeLiteral():
                return Size(expression.height, expression.width)
            case tree.Binary():
                return self.binary(expression, words)
            case tree.Unary():
                return self.unary(expression)
            case tree.Conditional():
                chosen = self.truth(expression.condition)
                return self.value(expression.value if chosen else expression.otherwise, words)
            case tree.ListLiteral():
                return self.bounded(tuple(self.value(item, words) for item in expression.items), expression.span)
            case tree.Index():
                return self.index(expression)
            case tree.FunctionCall():
                return self.function(expression, words)
            case tree.Wildcard():
                raise self.fail(
                    "`_` stands for a size that is not checked, in a shape after `->` only", expression.span
                )

    def literal(self, expression: tree.Number | tree.String | tree.Boolean) -> object:
        return self.bounded(expression.value, expression.span)

    def name(self, expression: tree.Name, words: tuple[str, ...]) -> object:
        name = expression.name
        variable = self.context.variables.get(name)
        if variable is not None:
            if variable.value is UNKNOWN:
                raise _UnknownValue
            return variable.value
        if name in words:
            return Word(name)
        if name == "channels":
            return self.channels(self.flow, expression.span)
        if name == "channels_in":
            return self.channels(self.context.frame.value, expression.span)
        symbolic = self.context.frame.symbols.get(name)
        if symbolic is not None:
            return symbolic
        callee = self.context.unit.definitions.get(name) or operators().get(name)
        if callee is not None:
            return callee
        if name in self.context.unit.missing:
            raise _UnknownValue
        raise self.unknown_name(expression, words)

    def unknown_name(self, expression: tree.Name, words: tuple[str, ...]) -> _UnknownValue:
        known = [*self.context.variables, *words, *CHANNELS]
        # Python writes them with a capital letter.
        boolean = expression.name.lower() if expression.name.lower() in ("true", "false") else None
        guess = (
            boolean
            or self.builder.suggester.closest(expression.name, known)
            or self.builder.suggester.closest(expression.name, list(self.context.unit.definitions))
        )
        helps: list[str] = []
        if words:
            helps.append(f"possible here: {', '.join(f'`{word}`' for word in words)}")
        elif not guess and self.context.variables:
            helps.append(f"known here: {listed(self.context.variables)}")
        message = f"there is no `{expression.name}` here"
        fix = renamed(expression.span, guess)
        self.builder.report(catalogue.UNKNOWN_NAME, message, expression.span, self.context, helps=helps, fix=fix)
        return _UnknownValue()

    def channels(self, flow: Flow, span: Span) -> object:
        if flow is None:
            if self.builder.poisoned:
                raise _UnknownValue
            raise self.fail(
                f"`{span.text}` are those of the current value, and there is none here",
                span,
                "it is known in blocks, and below the `input` of a model",
            )
        type_ = self.builder.nodes[flow].type
        if type_.rank < 2:
            raise self.fail(f"a value {type_} has no channels", span)
        return type_.channels

    def bounded(self, value: object, span: Span) -> object:
        if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
            raise self.fail(f"the number is larger than {LARGEST_INTEGER:,}", span)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.fail("the number is too large", span)
        if isinstance(value, str) and len(value) > LONGEST:
            raise self.fail(f"the string is longer than {LONGEST:,} characters", span)
        if isinstance(value, tuple):
            count = _items(value)
            self.builder.work += count // ITEMS_OF_WORK
            if count > LONGEST:
                raise self.fail(f"the list has more than {LONGEST:,} items, with those of the lists in it", span)
        if isinstance(value, SymbolicDim) and not is_manageable(value):
            raise self.fail("the size is too long a formula in the input's symbols", span)
        return value

    def unary(self, expression: tree.Unary) -> object:
        if expression.operator == "not":
            return not self.truth(expression.operand)
        value = self.value(expression.operand, ())
        if isinstance(value, bool) or not isinstance(value, int | float | SymbolicDim):
            raise self.fail(f"`-` needs a number, and gets {kind_of(value)}", expression.operand.span)
        return -value

    def truth(self, expression: tree.Expression) -> bool:
        value = self.value(expression, ())
        if not isinstance(value, bool):
            raise self.fail(
                f"a condition is true or false, and this is {kind_of(value)}",
                expression.span,
                "compare it: `x > 0`, `kind == pad`",
            )
        return value

    def binary(self, expression: tree.Binary, words: tuple[str, ...]) -> object:
        sign = expression.operator
        if sign not in OPERATORS:
            # The parser has reported it, and keeps it in the tree.
            raise _UnknownValue
        if sign == "and":
            return self.truth(expression.left) and self.truth(expression.right)
        if sign == "or":
            return self.truth(expression.left) or self.truth(expression.right)
        if sign in ("==", "!="):
            return self.equal(expression) == (sign == "==")
        left, right = self.value(expression.left, words), self.value(expression.right, words)
        if sign in ORDERING:
            if not (_is_number(left) and _is_number(right)):
                raise self.mismatch(expression, left, right)
            return ORDERING[sign](left, right)
        return self.arithmetic(expression, left, right)

    def arithmetic(self, expression: tree.Binary, left: object, right: object) -> object:
        sign = expression.operator
        joinable = (isinstance(left, tuple) and isinstance(right, tuple) and not isinstance(left, Size)) or (
            isinstance(left, str) and isinstance(right, str) and not isinstance(left, Word)
        )
        if sign == "+" and joinable:
            return self.bounded(left + right, expression.span)  # type: ignore[operator]
        symbolic = isinstance(left, SymbolicDim) or isinstance(right, SymbolicDim)
        numbers = all(_is_number(side) or isinstance(side, SymbolicDim) for side in (left, right))
        if not numbers or (symbolic and (sign in ("/", "%") or isinstance(left, float) or isinstance(right, float))):
            raise self.mismatch(expression, left, right)
        if sign in ("/", "//", "%") and right == 0:
            raise self.fail("division by zero", expression.right.span)
        if symbolic and sign == "//" and (not isinstance(right, int) or right < 1 or not isinstance(left, SymbolicDim)):
            raise self.fail("a symbolic size can only be divided by an integer from 1", expression.right.span)
        if isinstance(left, SymbolicDim) and isinstance(right, SymbolicDim):
            self.builder.work += len(left.terms) * len(right.terms)
        try:
            return self.bounded(NUMERIC[sign](left, right), expression.span)
        except OverflowError:
            raise self.fail("the number is too large", expression.span) from None

    def mismatch(self, expression: tree.Binary, left: object, right: object) -> _UnknownValue:
        self.builder.report(
            catalogue.EXPRESSION,
            f"`{expression.operator}` needs two numbers, and gets {kind_of(left)} and {kind_of(right)}",
            Label(expression.span),
            self.context,
            secondary=(
                Label(expression.left.span, f"this is {format_value(left)}"),
                Label(expression.right.span, f"this is {format_value(right)}"),
            ),
        )
        return _UnknownValue()

    def equal(self, expression: tree.Binary) -> bool:
        left = self.value(expression.left, self.words_of(expression.right))
        right = self.value(expression.right, self.words_of(expression.left))
        if isinstance(left, ShortcutKind) and isinstance(right, Word):
            return left.kind == right
        if isinstance(right, ShortcutKind) and isinstance(left, Word):
            return right.kind == left
        comparable = kind_of(left) == kind_of(right) or (_is_number(left) and _is_number(right))
        if not comparable and not (isinstance(left, Word) and isinstance(right, Word)):
            raise self.mismatch_kinds(expression, left, right)
        return left == right

    def mismatch_kinds(self, expression: tree.Binary, left: object, right: object) -> _UnknownValue:
        return self.fail(f"{kind_of(left)} is never equal to {kind_of(right)}", expression.span)

    def words_of(self, expression: tree.Expression) -> tuple[str, ...]:
        """The bare words that a comparison with this expression may name."""
        if isinstance(expression, tree.Name):
            variable = self.context.variables.get(expression.name)
            return variable.words if variable else ()
        return ()

    def index(self, expression: tree.Index) -> object:
        items = self.value(expression.operand, ())
        index = self.value(expression.index, ())
        if not isinstance(items, tuple):
            raise self.fail(f"only a list or a size can be indexed, and this is {kind_of(items)}", expression.span)
        if isinstance(index, bool) or not isinstance(index, int):
            raise self.fail(f"an index is an integer, and this is {kind_of(index)}", expression.index.span)
        if not -len(items) <= index < len(items):
            raise self.fail(
                f"there is no item {index}: the list has {len(items)} item{'' if len(items) == 1 else 's'}",
                expression.index.span,
                *((f"items are counted from 0, so the last is {len(items) - 1}",) if index == len(items) > 0 else ()),
            )
        return items[index]

    def function(self, expression: tree.FunctionCall, words: tuple[str, ...]) -> object:
        name = expression.function.name
        if name in words and name in SHORTCUT_KINDS:
            return self.shortcut(expression)
        if name not in FUNCTIONS:
            guess = self.builder.suggester.closest(name, list(FUNCTIONS))
            raise self.fail(
                f"there is no function `{name}`",
                expression.function.span,
                f"did you mean `{guess}`?" if guess else f"there are {', '.join(f'`{one}`' for one in FUNCTIONS)}",
                code=catalogue.UNKNOWN_NAME,
            )
        named = next((argument.name for argument in expression.arguments if argument.name), None)
        if named is not None:
            raise self.fail(f"`{name}` takes no named arguments", named.span)
        values = [self.value(argument.value, ()) for argument in expression.arguments]
        self.builder.work += sum(len(value) // ITEMS_OF_WORK for value in values if isinstance(value, tuple))
        return self.bounded(FUNCTIONS[name](self, expression, values), expression.span)

    def shortcut(self, expression: tree.FunctionCall) -> ShortcutKind:
        kind = expression.function.name
        zeros = "end"
        for argument in expression.arguments:
            if kind != "pad" or argument.name is None or argument.name.name != "zeros":
                what = f"`{argument.name.name}`" if argument.name else "argument without a name"
                raise self.fail(
                    f"the shortcut `{kind}` takes no {what}",
                    argument.span,
                    "`pad(zeros = both)` splits the zero channels before and after; the others take nothing",
                    code=catalogue.UNKNOWN_ARGUMENT,
                )
            zeros = str(self.value(argument.value, ZEROS))
            if zeros not in ZEROS:
                raise self.fail("`zeros` is `end` or `both`", argument.value.span, code=catalogue.ARGUMENT_TYPE)
        return ShortcutKind(kind, zeros)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _extreme(pick: Callable[[list[float]], object]) -> Callable[[_Evaluator, tree.FunctionCall, list[object]], object]:
    def function(evaluator: _Evaluator, call: tree.FunctionCall, values: list[object]) -> object:
        given = list(values[0]) if len(values) == 1 and isinstance(values[0], tuple) else values
        items = [item for item in given if isinstance(item, int | float) and not isinstance(item, bool)]
        if not items or len(items) < len(given):
            raise evaluator.fail(f"`{call.function.name}` needs numbers, or a list of numbers", call.span)
        return pick(items)

    return function


def _length(evaluator: _Evaluator, call: tree.FunctionCall, values: list[object]) -> object:
    if len(values) != 1 or not isinstance(values[0], tuple):
        raise evaluator.fail("`len` needs one list", call.span)
    return len(values[0])


def _round(evaluator: _Evaluator, call: tree.FunctionCall, values: list[object]) -> object:
    """To the nearest integer, halves up: ``round(2.5)`` is 3 (what channel counts are scaled with)."""
    value = values[0] if len(values) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise evaluator.fail("`round` needs one number", call.span)
    return math.floor(value + 0.5)


FUNCTIONS: dict[str, Callable[[_Evaluator, tree.FunctionCall, list[object]], object]] = {
    "min": _extreme(min),
    "max": _extreme(max),
    "len": _length,
    "round": _round,
}


def _items(items: tuple[object, ...]) -> int:
    """The items of a list, counting those of lists in it as often as they occur, as far as some above the limit."""
    count = 0
    waiting = [items]
    while waiting and count <= LONGEST:
        inside = waiting.pop()
        count += len(inside)
        waiting += [item for item in inside if isinstance(item, tuple)]
    return count
