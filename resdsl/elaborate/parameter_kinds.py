"""What the parameters of blocks and models may be: the annotations, and how values are checked by them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from resdsl.diagnostics import catalogue
from resdsl.diagnostics.suggest import closest, renamed
from resdsl.elaborate.builder import GraphBuilder
from resdsl.elaborate.context import Context
from resdsl.elaborate.program import Defined
from resdsl.elaborate.values import SHORTCUT_KINDS, ShortcutKind
from resdsl.ir.operator import Operator
from resdsl.ir.types import Size, Word
from resdsl.ops.signature import ArgumentMismatch
from resdsl.syntax import tree


def parameter_kind(
    builder: GraphBuilder, parameter: tree.Parameter, inner: Context
) -> tuple[Callable[[object], object], tuple[str, ...]]:
    """How the values of a parameter are checked, and the bare words that they may be."""
    annotation = parameter.annotation
    if annotation is None:
        return _anything, ()
    if annotation.members:
        words = tuple(member.name for member in annotation.members)
        return _one_of(words), words
    if annotation.name not in KINDS:
        guess = closest(annotation.name, KINDS)
        known = ", ".join(f"`{kind}`" for kind in KINDS)
        builder.report(
            catalogue.UNKNOWN_TYPE,
            f"there is no parameter type `{annotation.name}`",
            annotation.span,
            inner,
            helps=() if guess else (f"the types are {known}, and enumerations such as `{{conv1, conv2}}`",),
            fix=renamed(annotation.span, guess),
        )
        return _anything, ()
    return KINDS[annotation.name], SHORTCUT_KINDS if annotation.name == "shortcut" else ()


def _anything(value: object) -> object:
    return value


@cache
def _one_of(words: tuple[str, ...]) -> Callable[[object], object]:
    expected = " or ".join(", ".join(f"`{word}`" for word in words).rsplit(", ", 1))

    def check(value: object) -> object:
        if isinstance(value, Word) and value in words:
            return value
        raise ArgumentMismatch(expected)

    return check


def _integer(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ArgumentMismatch("a whole number")
    return value


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ArgumentMismatch("a number")
    return float(value)


def _bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise ArgumentMismatch("true or false")
    return value


def _size(value: object) -> Size:
    if isinstance(value, int) and not isinstance(value, bool):
        return Size(value, value)
    if not isinstance(value, Size):
        raise ArgumentMismatch("a size such as 3x3")
    return value


def _string(value: object) -> str:
    if not isinstance(value, str) or isinstance(value, Word):
        raise ArgumentMismatch("a string")
    return value


def _list(value: object) -> tuple[object, ...]:
    if not isinstance(value, tuple) or isinstance(value, Size):
        raise ArgumentMismatch("a list")
    return value


def _block(value: object) -> object:
    if isinstance(value, Defined) or (isinstance(value, type) and issubclass(value, Operator)):
        return value
    raise ArgumentMismatch("a block or an op")


def shortcut_kind(value: object) -> ShortcutKind:
    """A kind of shortcut, from a value or a bare word."""
    if isinstance(value, ShortcutKind):
        return value
    if isinstance(value, Word) and value in SHORTCUT_KINDS:
        return ShortcutKind(str(value))
    raise ArgumentMismatch(f"a kind of shortcut: {', '.join(f'`{kind}`' for kind in SHORTCUT_KINDS)}")


KINDS: Mapping[str, Callable[[object], object]] = {
    "int": _integer,
    "float": _float,
    "bool": _bool,
    "size": _size,
    "string": _string,
    "list": _list,
    "block": _block,
    "shortcut": shortcut_kind,
}
"""The annotations of parameters."""
